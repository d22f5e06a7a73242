// Where energy came from: one name and one colour a source, and what it is counted in.

import { live } from "../live/live.svelte";
import { name } from "./language.svelte";

const OWN_COLOURS = ["grid", "pv"];
const OTHER_COLOURS = 4;

const all = (): string[] => live.snapshot?.sources.map(({ source }) => source) ?? [];

export const label = (source: string): string => name("source", source);

/** The place in the page's order of sources. */
export const rank = (source: string): number => {
  const at = all().indexOf(source);
  return at < 0 ? all().length : at;
};

/** The custom property with the source's colour. */
export function property(source: string): string {
  if (OWN_COLOURS.includes(source)) return `--source-${source}`;
  const others = all().filter((each) => !OWN_COLOURS.includes(each));
  return `--source-${(Math.max(0, others.indexOf(source)) % OTHER_COLOURS) + 1}`;
}
export const colour = (source: string): string => `var(${property(source)})`;

/** The unit a source is counted in: what its row says, else what the stream says of the source. */
export const unitOf = (source: string, units: Record<string, string> = {}): string =>
  units[source] ?? live.snapshot?.sources.find((s) => s.source === source)?.unit ?? "kWh";

/** A unit as people write it. */
export const written = (unit: string): string => unit.replace("m3", "m³").replace(/kg ?CO2/, "kg CO₂");
