// What needs a person, the gravest first: as a text's key and its values. Pure.

import { isZero } from "../say/decimals";
import type { Alarm, Snapshot } from "./types";

const NO_READING_MS = 30_000;
// The calculator's own alarms whose cause stands in their text.
const WITH_CAUSE = ["unmapped", "record", "event", "doubt"];
// Said from the snapshot itself, with the time.
const SAID_ABOVE = ["closure", "silent", "unread"];

export interface Raised {
  key: string;
  grave: boolean;
  kind: string;
  about: string;
  t_ms: number | null;
  amount?: string;
  cause: string;
  alarm: Alarm | null;
}

/** The alarms of a snapshot. */
export function alarmsOf(snapshot: Snapshot): Raised[] {
  const raised: Raised[] = [];
  const told = snapshot.alarms ?? [];
  const raise = (grave: boolean, kind: string, about: string, more: Partial<Raised> = {}): void => {
    const alarm = told.find((each) => each.kind === kind && each.about === about) ?? null;
    const key = `${kind} ${about}`;
    raised.push({ key, grave, kind, about, t_ms: null, cause: "", alarm, ...more });
  };
  for (const [source, amount] of Object.entries(snapshot.closure)) {
    if (!isZero(amount)) raise(true, "closure", source, { amount });
  }
  const latest_ms = snapshot.latest_reading_ms;
  if (latest_ms && snapshot.now_ms - latest_ms > NO_READING_MS) {
    raise(true, "no_reading", "", { t_ms: latest_ms });
  }
  for (const { meter, health, last_ms } of snapshot.meters) {
    if (health === "silent") raise(false, last_ms === null ? "never_answered" : "silent", meter, { t_ms: last_ms });
  }
  for (const { kind, about, text, t_ms } of told) {
    if (SAID_ABOVE.includes(kind)) continue;
    raise(false, kind, about, { t_ms, cause: WITH_CAUSE.includes(kind) ? text : "" });
  }
  return raised;
}
