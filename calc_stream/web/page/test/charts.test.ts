import { expect, test } from "vitest";
import { controlOption } from "../src/charts/control";
import { scaleOf } from "../src/charts/figures";
import type { Palette } from "../src/charts/palette.svelte";
import { laidOut } from "../src/charts/network";
import { seriesOption } from "../src/charts/series";
import { ceilingOf, layersOf, niceStep, range, resample, sampleTimes } from "../src/charts/stack";
import { bandOf, timelineOption } from "../src/charts/timeline";
import { type Run, pointsOf, standing } from "../src/live/footprints";
import type { Machine } from "../src/live/types";

const machine = (node: string, w: number): Machine => ({
  node, state: "producing", power_w: w, batches: [], power_history: [[0, w]],
});

test("power is a line between readings, and nothing over a long silence", () => {
  expect(resample([[0, 100], [2000, 200]], [-1, 0, 1000, 2000, 3000])).toEqual([0, 100, 150, 200, 200]);
  expect(resample([[0, 100], [60_000, 100]], [30_000])).toEqual([0]);
  expect(resample([[0, -5]], [0])).toEqual([0]);
  expect(sampleTimes(200_000).at(-1)).toBe(200_000);
});

test("the scale is round and does not breathe", () => {
  expect([1, 90, 900, 12_345].map(niceStep)).toEqual([0.25, 25, 250, 5000]);
  const first = ceilingOf(450_000, 0);
  expect(first).toBe(600_000);
  expect(ceilingOf(400_000, first)).toBe(first);
});

test("five hundred machines are eleven layers and the others", () => {
  const machines = Array.from({ length: 500 }, (_, at) => machine(`m${at}`, at));
  const colours = Array.from({ length: 11 }, (_, at) => `c${at}`);
  const layers = layersOf(machines, colours, "rest", new Set());
  expect(layers).toHaveLength(12);
  expect(layers[0]!.key).toBe("m489");
  expect(layers.at(-1)!.machines).toHaveLength(489);
  expect(layersOf(machines.slice(0, 3), colours, "rest", new Set()).map(({ key }) => key)).toEqual(["m0", "m1", "m2"]);
});

test("a history has a mean, a least and a most", () => {
  expect(range([[0, 1], [1, 3]])).toEqual({ mean: 2, least: 1, most: 3 });
  expect(range([])).toBeNull();
});

test("a network runs from sources to consumers though the plant feeds itself", () => {
  const place = (id: string, kind: "source" | "bus" | "utility" | "node") => ({ id, kind, carrier: null, line: null });
  const edge = (from: string, to: string) => ({ from, to, meter: null, carrier: "", unit: "" });
  const places = [place("grid", "source"), place("main", "bus"), place("chiller", "utility"), place("comp", "utility"), place("press", "node")];
  const edges = [edge("grid", "main"), edge("main", "chiller"), edge("main", "comp"), edge("chiller", "comp"), edge("comp", "chiller"), edge("comp", "press")];
  const { spots, columns } = laidOut(places, edges);
  const columnOf = Object.fromEntries(spots.map(({ id, column }) => [id, column]));
  expect(columnOf.grid).toBe(0);
  expect(columnOf.press).toBe(columns - 1);
  expect(columnOf.main).toBeLessThan(columnOf.comp!);
  expect(columnOf.main).toBeLessThan(columnOf.chiller!);
});

test("an edge that passes a column runs beside its places", () => {
  const place = (id: string, kind: "source" | "bus" | "node") => ({ id, kind, carrier: null, line: null });
  const edge = (from: string, to: string) => ({ from, to, meter: null, carrier: "", unit: "" });
  const places = [place("gas", "source"), place("grid", "source"), place("main", "bus"), place("hall", "bus"), place("oven", "node"), place("press", "node")];
  const edges = [edge("grid", "main"), edge("main", "hall"), edge("hall", "press"), edge("main", "oven"), edge("gas", "oven"), edge("gas", "press")];
  const { spots, bends, rows } = laidOut(places, edges);
  const long = edges.filter((each) => bends.get(each)!.length);
  expect(long.map(({ from, to }) => `${from} ${to}`)).toEqual(["main oven", "gas oven", "gas press"]);
  expect(bends.get(long[1]!)).toEqual(bends.get(long[2]!)); // one way for what leaves one place
  for (const { column, row } of long.flatMap((each) => bends.get(each)!)) {
    const beside = spots.filter((spot) => spot.column === column).map((spot) => Math.abs(spot.row - row) * rows);
    expect(Math.min(...beside)).toBeGreaterThan(0.5);
  }
});

test("a state is told by its height, too", () => {
  const own = ["producing", "setup", "cleaning", "idle_in_order", "fault", "idle"].map((state) => bandOf(state).part);
  expect(new Set(own).size).toBe(own.length);
  const row = { node: "p", states: [{ from_ms: 0, to_ms: 5, state: "fault" }], power: [] };
  const words = { time: String, kw: String, state: String };
  const palette = { rem: 16, layers: ["#000"], of: (name: string) => name } as unknown as Palette;
  const { series } = timelineOption([row], [0, 10], palette, words) as { series: { data: { itemStyle: { color: string } }[] }[] };
  expect(series[0]!.data[0]!.itemStyle.color).toBe("--alarm");
});

test("limits are drawn where they are and always in sight", () => {
  const palette = { rem: 16 } as Palette;
  const words = { figure: String, point: () => "", mean: "", upper: "", lower: "" };
  const points = [{ batch: "A", value: 0.0121, u95: null, out: false }];
  const option = controlOption(points, { mean: 0.0122, lower: 0.0004, upper: 0.031 }, palette, words) as {
    yAxis: { min: number; max: number };
    series: { markLine?: { precision: number; data: { yAxis: number }[] } }[];
  };
  expect([option.yAxis.min, option.yAxis.max]).toEqual([0, 0.04]);
  expect(scaleOf([{ ...points[0]!, value: 0.0065 }, { ...points[0]!, value: 0.018, u95: 0.003 }], null)).toEqual([0, 0.03]);
  const lines = option.series.find(({ markLine }) => markLine)!.markLine!;
  expect(lines.data.map(({ yAxis }) => yAxis)).toEqual([0.0122, 0.031, 0.0004]);
  expect(lines.precision).toBeGreaterThan(10);
  const wide = controlOption(points, { mean: 0.0122, lower: -0.004, upper: 0.031 }, palette, words) as typeof option;
  expect(wide.yAxis.min).toBe(0);
  expect(wide.series.find(({ markLine }) => markLine)!.markLine!.data.map(({ yAxis }) => yAxis)).toEqual([0.0122, 0.031]);
});

test("what is counted otherwise is another line, with a mark before it", () => {
  const constant = { method: "gbt24067", standard: "s", gwp: "AR6", unit: "piece", allocation: "a", every: "month", models: ["1"] };
  const point = (period: string, kg_co2e: string): Run["points"][number] => ({ period, id: period, kg_co2e, u95: "0.1", running: false, change_percent: null, superseded: [] });
  const runs: Run[] = [
    { constant, points: [point("2026-09", "7"), point("2026-10", "6.3")] },
    { constant: { ...constant, unit: "kg" }, points: [point("2026-10", "0.6")] },
    { constant: { ...constant, models: ["1", "2"], gwp: "AR5" }, points: [point("2026-11", "6.5"), point("2026-12", "6.4")] },
  ];
  const gone = { ...point("2026-13", "60"), withdrawn: { t_ms: 0, reason: "wired the wrong way" } };
  const last = runs.at(-1)!;
  const told = [...runs.slice(0, -1), { ...last, points: [gone, ...last.points] }, { ...last, points: [gone] }];
  expect(standing(told)).toEqual(runs); // a break stays where it is
  const points = pointsOf(runs, "piece");
  expect(points.map(({ period, run, breaks }) => [period, run, breaks.join()])).toEqual([
    ["2026-09", 0, ""], ["2026-10", 0, ""], ["2026-11", 1, "gwp,models"], ["2026-12", 1, ""],
  ]);
  const words = { figure: String, point: () => "", broken: ({ breaks }: { breaks: string[] }) => breaks.join() };
  const option = seriesOption(points, { rem: 16 } as Palette, words) as {
    yAxis: { min: number; max: number };
    series: { name: string; data: (number[] | { value: number[] })[]; renderItem(_: unknown, drawing: object): { children: { shape?: object; style: { text?: string } }[] } }[];
  };
  expect([option.yAxis.min, option.yAxis.max]).toEqual([6.2, 7.1]);
  const of = (name: string) => option.series.find((each) => each.name === name)!;
  expect(of("run 0").data.map((each) => (each as { value: number[] }).value)).toEqual([[0, 7], [1, 6.3]]);
  expect(of("run 1").data.map((each) => (each as { value: number[] }).value)).toEqual([[2, 6.5], [3, 6.4]]);
  expect(of("breaks").data).toEqual([[2, 6.2, 7.1]]);
  const drawing = { value: (at: number) => [2, 6.2, 7.1][at], coord: ([x, y]: [number, number]) => [100 * x, 10 * y] };
  const [line, text] = of("breaks").renderItem(null, drawing).children;
  expect(line!.shape).toEqual({ x1: 150, x2: 150, y1: 62, y2: 71 });
  expect(text!.style.text).toBe("gwp,models");
});
