import { expect, test } from "vitest";
import { Latency } from "../src/live/latency";
import { detailOf, undone, written } from "../src/live/production";
import { byState } from "../src/live/ledger";

test("an event by hand says what was said and no more", () => {
  const said = { node: "press-1", batch: " B-7 ", product: "", state: "idle" };
  expect(written("start", said, 0, "page-1")).toEqual({
    id: "page-1", t: "1970-01-01T00:00:00.000Z", type: "start", node: "press-1", batch: "B-7",
  });
  expect(undone("page-1", 0, "page-2")).toMatchObject({ type: "void", of: "page-1" });
});

test("what an event says stands without what is about it", () => {
  const told = { id: "a", t: "…", t_ms: 1, type: "start", node: "press-1", batch: null, offset: 9, by: null, voided_by: null };
  expect(detailOf(told)).toEqual([["node", "press-1"]]);
});

test("clocks that differ by more than half a second are measured, smaller differences count", () => {
  const near = new Latency();
  near.received(1000, 1200);
  expect(near.painted(900, 1300)).toBe(400);
  expect(near.painted(900, 1400)).toBeNull();
  const far = new Latency();
  far.received(1000, 61_000);
  expect(far.painted(900, 61_300)).toBe(400);
  expect(far.quantile(0.5)).toBe(400);
});

test("a batch's own energy is parted by what its machines did", () => {
  const account = (account: string, node: string, state: string, grid: string) => ({ account, node, state, amounts: { grid } });
  const accounts = [
    account("batch:B", "press", "setup", "0.1"),
    account("batch:B", "press", "producing", "1.25"),
    account("batch:B", "oven", "setup", "0.2"),
    account("batch:other", "oven", "producing", "9"),
  ];
  const spent = byState({ accounts }, "B");
  expect(spent.map(({ state, amounts }) => [state, amounts.grid])).toEqual([["producing", "1.25"], ["setup", "0.3"]]);
  expect(spent[1]!.nodes.map(({ node }) => node)).toEqual(["press", "oven"]);
});
