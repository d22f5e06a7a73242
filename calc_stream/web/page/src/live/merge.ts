// A snapshot and the changes after it make the next snapshot.

import type { Change, Keyed, Machine, Point, Snapshot } from "./types";

export const SPAN_MS = 120_000;

const KEYS = {
  sources: "source",
  batches: "batch",
  accounts: "account",
  machines: "node",
  meters: "meter",
} as const satisfies Record<Keyed, string>;

type Row = Readonly<Record<string, unknown>>;

/** The rows with those of the same key replaced, those that are gone left out, new ones last. */
function replaced(rows: Row[], key: string, moved: Row[], gone: string[]): Row[] {
  const fresh = new Map(moved.map((row) => [row[key], row]));
  const left = rows.filter((row) => !gone.includes(String(row[key])));
  const kept = left.map((row) => fresh.get(row[key]) ?? row);
  const known = new Set(left.map((row) => row[key]));
  return [...kept, ...moved.filter((row) => !known.has(row[key]))];
}

/** One history after another, without what is older than the span before its newest point. */
export function appended(history: Point[], points: Point[]): Point[] {
  const newest = points.at(-1)?.[0];
  if (newest === undefined) return history;
  const last = history.at(-1)?.[0] ?? 0;
  const all = [...history, ...points.filter(([t_ms]) => t_ms > last)];
  const from = all.findIndex(([t_ms]) => t_ms >= newest - SPAN_MS);
  return from > 0 ? all.slice(from) : all;
}

function grown(machines: Machine[], moved: Machine[]): Machine[] {
  const histories = new Map(machines.map((machine) => [machine.node, machine.power_history]));
  return moved.map((machine) => ({
    ...machine,
    power_history: appended(histories.get(machine.node) ?? [], machine.power_history),
  }));
}

/** The next snapshot; neither argument is changed. */
export function merge(snapshot: Snapshot, change: Change): Snapshot {
  const { gone = {}, machines, closure, ...rest } = change;
  const next = { ...snapshot, ...rest, closure: { ...snapshot.closure, ...closure } };
  const moved = { ...rest, machines: machines && grown(snapshot.machines, machines) };
  for (const list of Object.keys(KEYS) as Keyed[]) {
    const rows = snapshot[list] as unknown as Row[];
    const fresh = (moved[list] ?? []) as unknown as Row[];
    const lost = gone[list] ?? [];
    const touched = fresh.length > 0 || lost.length > 0;
    Object.assign(next, { [list]: touched ? replaced(rows, KEYS[list], fresh, lost) : rows });
  }
  return next;
}
