import { expect, test } from "vitest";
import { SPAN_MS, appended, merge } from "../src/live/merge";
import type { Snapshot } from "../src/live/types";

const machine = (node: string, power_history: [number, number][]) => ({
  node,
  state: "producing",
  power_w: power_history.at(-1)?.[1] ?? null,
  batches: [],
  power_history,
});
const snapshot = {
  site: "s",
  now_ms: 1,
  offset: 1,
  closure: { grid: "0", pv: "0" },
  batches: [{ batch: "A" }, { batch: "B" }],
  machines: [machine("press", [[0, 1], [1000, 2]]), machine("oven", [[0, 5]])],
  meters: [],
  sources: [],
  accounts: [],
  events: [],
  alarms: [],
} as unknown as Snapshot;

test("a change replaces rows whole, appends power and leaves the rest as it was", () => {
  const next = merge(snapshot, {
    offset: 2,
    closure: { pv: "1" },
    batches: [{ batch: "B", state: "closed" }, { batch: "C" }] as never,
    machines: [machine("press", [[1000, 2], [2000, 3]])],
  });
  expect(next.offset).toBe(2);
  expect(next.closure).toEqual({ grid: "0", pv: "1" });
  expect(next.batches).toEqual([{ batch: "A" }, { batch: "B", state: "closed" }, { batch: "C" }]);
  expect(next.machines.map((m) => m.power_history)).toEqual([[[0, 1], [1000, 2], [2000, 3]], [[0, 5]]]);
  expect(next.meters).toBe(snapshot.meters);
  expect(snapshot.machines[0]!.power_history).toHaveLength(2);
});

test("what is gone is gone", () => {
  expect(merge(snapshot, { gone: { batches: ["A"] } }).batches).toEqual([{ batch: "B" }]);
});

test("a history keeps its span and never goes back", () => {
  const history = appended([[0, 1], [1000, 2]], [[500, 9], [SPAN_MS + 1000, 3]]);
  expect(history).toEqual([[1000, 2], [SPAN_MS + 1000, 3]]);
});
