// A control chart: one figure a batch, its uncertainty, and the limits of the process. Pure.

import { type Figure, frameOf, intervals, labelOf, scaleOf } from "./figures";
import type { Palette } from "./palette.svelte";

export interface Point extends Figure {
  batch: string;
  /** Beyond the limits. */
  out: boolean;
}
export interface Limits {
  mean: number;
  lower: number;
  upper: number;
}

export interface Words {
  figure(value: number): string;
  point(point: Point): string;
  mean: string;
  upper: string;
  lower: string;
}

/** What ECharts needs to draw it, the oldest batch first. */
export function controlOption(points: Point[], limits: Limits | null, palette: Palette, words: Words): object {
  const line = (yAxis: number, name: string, type: string): object => ({
    yAxis,
    name,
    lineStyle: { type, color: palette.muted, width: 1 },
    label: { ...labelOf(palette), formatter: name, position: "insideEndTop" },
  });
  const marks = limits
    ? [line(limits.mean, words.mean, "solid"), line(limits.upper, words.upper, "dashed")]
    : [];
  // Below nothing there is nothing to watch for.
  if (limits && limits.lower > 0) marks.push(line(limits.lower, words.lower, "dashed"));
  return {
    ...frameOf(points.map(({ batch }) => batch), scaleOf(points, limits), palette, {
      figure: words.figure,
      point: (at) => words.point(points[at]!),
    }),
    series: [
      intervals(points, palette),
      {
        type: "line",
        lineStyle: { color: palette.line, width: 1 },
        symbolSize: 0.6 * palette.rem,
        // Drawn where they are: rounded to two digits they would stand elsewhere.
        markLine: { silent: true, symbol: "none", animation: false, precision: 15, data: marks },
        data: points.map(({ batch, value, out }, at) => ({
          value: [at, value],
          name: batch,
          symbol: out ? "diamond" : "circle",
          symbolSize: (out ? 0.9 : 0.6) * palette.rem,
          itemStyle: { color: out ? palette.alarm : palette.accent },
        })),
      },
    ],
  };
}
