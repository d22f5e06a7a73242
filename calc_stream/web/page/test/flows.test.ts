import { expect, test } from "vitest";
import { drawnAs, linksOf, ribbons } from "../src/live/flows";
import type { Batch } from "../src/live/types";

const batch = (name: string, state: string, by_source = {}) =>
  ({ batch: name, state, product: "wheel", by_source }) as unknown as Batch;
const units: Record<string, string> = { grid: "kWh", gas: "Nm3" };

test("running batches stand alone, ended ones with their product, pools together", () => {
  const batches = [batch("A", "live"), batch("B", "closed")];
  expect(drawnAs("batch:A", batches)).toBe("batch:A");
  expect(drawnAs("batch:B", batches)).toBe("product:wheel");
  expect(drawnAs("batch:Z", batches)).toBe("earlier:");
  expect(drawnAs("pool:press-1", batches)).toBe("pool:");
});

test("a drawing has one unit, and rings are opened at their thinnest", () => {
  const edge = (from: string, to: string, by_source: Record<string, string>) =>
    ({ from, to, by_source, meter: null, carrier: "", unit: "", amount: "" });
  const flows = {
    edges: [
      edge("grid", "room", { grid: "10" }),
      edge("room", "compressor", { grid: "6" }),
      edge("room", "chiller", { grid: "4" }),
      edge("compressor", "chiller", { grid: "0.5" }),
      edge("chiller", "compressor", { grid: "1" }),
      edge("gas", "furnace", { gas: "3" }),
    ],
    uses: [],
    units,
  };
  const { drawn, rings } = ribbons(linksOf(flows, []), "kWh", (source) => units[source]!);
  expect(rings.map(({ from, to }) => `${from} ${to}`)).toEqual(["compressor chiller"]);
  expect(drawn.map(({ from }) => from)).not.toContain("gas");
  expect(drawn).toHaveLength(4);
});

test("of many places the widest are drawn and the others are one", () => {
  const links = Array.from({ length: 500 }, (_, at) => ({ from: "main", to: `n${at}`, amounts: { grid: String(at + 1) } }));
  const { drawn, rings } = ribbons([{ from: "grid", to: "main", amounts: { grid: "125250" } }, ...links], "kWh", () => "kWh");
  expect(rings).toEqual([]);
  expect(drawn).toHaveLength(40);
  const out = drawn.filter(({ from }) => from === "main");
  expect(out.reduce((total, { width }) => total + width, 0)).toBe(125250);
  expect(out.find(({ to }) => to === "others:")!.width).toBeGreaterThan(100_000);
});
