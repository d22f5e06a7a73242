// A control chart: one figure a batch, its uncertainty, and the limits of the process. Pure.

import type { Palette } from "./palette.svelte";

export interface Point {
  batch: string;
  value: number;
  /** Half the width of its 95 % interval; null when that is not known. */
  u95: number | null;
  /** Beyond the limits. */
  out: boolean;
}
export interface Limits {
  mean: number;
  lower: number;
  upper: number;
}

interface Drawing {
  value(index: number): number;
  coord(at: [number, number]): [number, number];
}

export interface Words {
  figure(value: number): string;
  point(point: Point): string;
  mean: string;
  upper: string;
  lower: string;
}

/** Round ends of the scale with every batch, its uncertainty and the limits between them. */
export function scaleOf(points: Point[], limits: Limits | null): [least: number, most: number] {
  const all = points.flatMap(({ value, u95 }) => [value - (u95 ?? 0), value + (u95 ?? 0)]);
  const known = limits ? [...all, Math.max(0, limits.lower), limits.upper] : all;
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const step = 10 ** Math.floor(Math.log10(high - low || Math.abs(high) || 1));
  const round = (steps: number): number => Number((steps * step).toPrecision(12));
  return [round(Math.floor(low / step)), round(Math.ceil(high / step) + (high === low ? 1 : 0))];
}

/** What ECharts needs to draw it, the oldest batch first. */
export function controlOption(points: Point[], limits: Limits | null, palette: Palette, words: Words): object {
  const label = { color: palette.muted, fontFamily: palette.font, fontSize: 0.74 * palette.rem };
  const line = (yAxis: number, name: string, type: string): object => ({
    yAxis,
    name,
    lineStyle: { type, color: palette.muted, width: 1 },
    label: { ...label, formatter: name, position: "insideEndTop" },
  });
  const [least, most] = scaleOf(points, limits);
  const marks = limits
    ? [line(limits.mean, words.mean, "solid"), line(limits.upper, words.upper, "dashed")]
    : [];
  // Below nothing there is nothing to watch for.
  if (limits && limits.lower > 0) marks.push(line(limits.lower, words.lower, "dashed"));
  return {
    animation: false,
    grid: { left: 4 * palette.rem, right: 1 * palette.rem, top: 1 * palette.rem, bottom: 2 * palette.rem },
    tooltip: {
      renderMode: "richText",
      backgroundColor: palette.surface,
      borderColor: palette.line,
      textStyle: { ...label, color: palette.ink },
      formatter: ({ dataIndex }: { dataIndex: number }) => words.point(points[dataIndex]!),
    },
    xAxis: {
      type: "category",
      data: points.map(({ batch }) => batch),
      axisTick: { show: false },
      axisLine: { lineStyle: { color: palette.line } },
      axisLabel: { ...label, hideOverlap: true },
    },
    yAxis: {
      type: "value",
      scale: true,
      min: least,
      max: most,
      splitLine: { lineStyle: { color: palette.line } },
      axisLabel: { ...label, formatter: words.figure, hideOverlap: true },
    },
    series: [
      {
        type: "custom",
        silent: true,
        z: 1,
        data: points.map(({ value, u95 }, at) => [at, value - (u95 ?? 0), value + (u95 ?? 0)]),
        renderItem: (_: unknown, drawing: Drawing) => {
          const at = drawing.value(0);
          const [x, low] = drawing.coord([at, drawing.value(1)]);
          const [, high] = drawing.coord([at, drawing.value(2)]);
          return {
            type: "line",
            shape: { x1: x, x2: x, y1: low, y2: high },
            style: { stroke: palette.muted, lineWidth: 0.25 * palette.rem, opacity: 0.4, lineCap: "round" },
          };
        },
      },
      {
        type: "line",
        lineStyle: { color: palette.line, width: 1 },
        symbolSize: 0.6 * palette.rem,
        // Drawn where they are: rounded to two digits they would stand elsewhere.
        markLine: { silent: true, symbol: "none", animation: false, precision: 15, data: marks },
        data: points.map((point) => {
          const { out } = point;
          return {
            value: point.value,
            name: point.batch,
            symbol: out ? "diamond" : "circle",
            symbolSize: (out ? 0.9 : 0.6) * palette.rem,
            itemStyle: { color: out ? palette.alarm : palette.accent },
          };
        }),
      },
    ],
  };
}
