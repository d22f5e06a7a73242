// Power over time, one layer a machine, stacked bottom up. Pure.

import { SPAN_MS } from "../live/merge";
import type { Machine, Point } from "../live/types";
import type { Palette } from "./palette.svelte";

const STEP_MS = 1000;
const LONGEST_GAP_MS = 10_000; // over a longer silence no line is drawn

export interface Layer {
  key: string;
  colour: string;
  machines: Machine[];
}

/** The power of one history at each of `times`; 0 where nothing is known. */
export function resample(history: Point[], times: number[]): number[] {
  let next = 0;
  return times.map((t) => {
    while (next < history.length && history[next]![0] <= t) next += 1;
    const before = history[next - 1];
    const after = history[next];
    if (!before) return 0;
    const [t0, w0] = before;
    if (!after) return t - t0 <= LONGEST_GAP_MS ? Math.max(0, w0) : 0;
    const [t1, w1] = after;
    if (t1 - t0 > LONGEST_GAP_MS) return 0;
    return Math.max(0, w0 + ((w1 - w0) * (t - t0)) / (t1 - t0));
  });
}

/** Both ends of the span and every whole second between, so that shapes slide and never shimmer. */
export function sampleTimes(now_ms: number): number[] {
  const from = now_ms - SPAN_MS;
  const times = [from];
  for (let t = Math.ceil((from + 1) / STEP_MS) * STEP_MS; t < now_ms; t += STEP_MS) times.push(t);
  return [...times, now_ms];
}

const drawn_w = ({ power_history }: Machine): number =>
  power_history.reduce((sum, [, w]) => sum + Math.max(0, w), 0) / Math.max(1, power_history.length);

/** A layer each for as many machines as there are colours, the largest ones, in the site's order;
 * what is left is one layer. `kept`: machines that had a layer before keep it while they come near. */
export function layersOf(machines: Machine[], colours: string[], rest: string, kept: Set<string>): Layer[] {
  const most = colours.length;
  if (machines.length <= most) {
    return machines.map((m, at) => ({ key: m.node, colour: colours[at]!, machines: [m] }));
  }
  const scores = machines.map((m): [string, number] => [m.node, drawn_w(m) * (kept.has(m.node) ? 1.3 : 1)]);
  const ranked = scores.sort(([, a], [, b]) => b - a).slice(0, most);
  const chosen = new Set(ranked.map(([node]) => node));
  const own = machines.filter((m) => chosen.has(m.node));
  return [
    ...own.map((m, at) => ({ key: m.node, colour: colours[at]!, machines: [m] })),
    { key: "", colour: rest, machines: machines.filter((m) => !chosen.has(m.node)) },
  ];
}

/** The mean, least and most of a history, in watts; null for an empty one. */
export function range(history: Point[]): { mean: number; least: number; most: number } | null {
  if (!history.length) return null;
  const watts = history.map(([, w]) => w);
  const mean = watts.reduce((sum, w) => sum + w, 0) / watts.length;
  return { mean, least: Math.min(...watts), most: Math.max(...watts) };
}

/** A round step so that about four of them reach `most`. */
export function niceStep(most: number): number {
  const rough = Math.max(most, 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 2.5, 5, 10].map((m) => m * power).find((step) => step >= rough) ?? power * 10;
}

/** The scale's end: it grows at once and shrinks only when much too tall, so that it never breathes. */
export function ceilingOf(most: number, before: number): number {
  const wanted = most > before || most < before * 0.5 ? most * 1.05 : before;
  const step = niceStep(wanted);
  return Math.max(step, Math.ceil(wanted / step) * step);
}

export interface Words {
  kw(watts: number): string;
  ago(seconds: number): string;
}

/** What ECharts needs to draw the layers; `ceiling_w` as `ceilingOf` gives it. */
export function stackOption(layers: Layer[], now_ms: number, before_w: number, palette: Palette, words: Words) {
  const times = sampleTimes(now_ms);
  const totals = times.map(() => 0);
  const series = layers.map(({ key, colour, machines }) => {
    const watts = times.map(() => 0);
    for (const machine of machines) {
      resample(machine.power_history, times).forEach((w, at) => {
        watts[at] = watts[at]! + w;
        totals[at] = totals[at]! + w;
      });
    }
    return {
      id: key,
      type: "line",
      stack: "power",
      symbol: "none",
      silent: true,
      animation: false,
      lineStyle: { width: 1, color: palette.surface },
      areaStyle: { color: colour, opacity: 1 },
      data: times.map((t, at) => [t - now_ms, watts[at]!]),
    };
  });
  const ceiling_w = ceilingOf(Math.max(...totals), before_w);
  const label = { color: palette.muted, fontFamily: palette.font, fontSize: 0.74 * palette.rem };
  const option = {
    animation: false,
    grid: { left: 3 * palette.rem, right: 0.9 * palette.rem, top: 0.7 * palette.rem, bottom: 1.5 * palette.rem },
    xAxis: {
      type: "value",
      min: -SPAN_MS,
      max: 0,
      interval: SPAN_MS / 4,
      axisLine: { show: false },
      axisTick: { show: false },
      splitLine: { show: false },
      axisLabel: { ...label, formatter: (ms: number) => words.ago(Math.round(-ms / 1000)) },
    },
    yAxis: {
      type: "value",
      min: 0,
      max: ceiling_w,
      interval: niceStep(ceiling_w),
      axisLine: { show: false },
      axisTick: { show: false },
      splitLine: { lineStyle: { color: palette.line } },
      axisLabel: { ...label, formatter: words.kw },
    },
    series,
  };
  return { option, ceiling_w };
}
