// What is said of a batch in more than one place.

import type { Batch } from "../live/types";
import { name, t } from "./language.svelte";
import { label } from "./sources";

// A batch between two stations has stopped everywhere and is not closed yet: it is still open.
export const isOpen = ({ state }: Batch): boolean => state === "live" || state === "provisional";

/** Its emission factor was not read in the publisher's own document. */
export const isSecondHand = (batch: Batch): boolean => batch.factor_status === "secondary";

export const noFactor = (batch: Batch): string =>
  t("why.no_factor", { sources: (batch.unknown_sources ?? []).map(label).join(", ") });

/** Why a figure per unit is missing, as people need to hear it. */
export function whyNone(batch: Batch): string {
  if (Number(batch.good) === 0) return t("why.no_good");
  return batch.kg_co2e === null ? noFactor(batch) : t("why.unknown");
}

/** Why a factor's uncertainty is missing. */
export const whyUnsure = ({ due, incomplete }: { due: boolean; incomplete: boolean }): string =>
  due ? t("page.asking") : t(incomplete ? "why.incomplete" : "why.no_u95");

export const unitOf = (batch: { unit: string | null }): string =>
  batch.unit ? name("unit", batch.unit) : t("unit.any");

export const perUnit = (batch: { unit: string | null }): string => `kg CO₂e / ${unitOf(batch)}`;

export const limits = (batch: Batch): string => (batch.incomplete ? t("batch.incomplete") : "");

/** The mean of decimal strings, for a comparison of figures and never for an account. */
export const mean = (values: number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
