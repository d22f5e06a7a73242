// What charts of figures with their uncertainty have in common: frame, scale, intervals. Pure.

import type { Palette } from "./palette.svelte";

export interface Figure {
  value: number;
  /** Half the width of its 95 % interval; null when that is not known. */
  u95: number | null;
}

export interface Drawing {
  value(index: number): number;
  coord(at: [number, number]): [number, number];
}

export const labelOf = (palette: Palette): object => ({
  color: palette.muted, fontFamily: palette.font, fontSize: 0.74 * palette.rem,
});

const ends = ({ value, u95 }: Figure): [low: number, high: number] => [value - (u95 ?? 0), value + (u95 ?? 0)];

/** Round ends of the scale with every figure, its uncertainty and the limits between them. */
export function scaleOf(figures: Figure[], limits: { lower: number; upper: number } | null): [least: number, most: number] {
  const all = figures.flatMap(ends);
  const known = limits ? [...all, Math.max(0, limits.lower), limits.upper] : all;
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const step = 10 ** Math.floor(Math.log10(high - low || Math.abs(high) || 1));
  const round = (steps: number): number => Number((steps * step).toPrecision(12));
  return [round(Math.floor(low / step)), round(Math.ceil(high / step) + (high === low ? 1 : 0))];
}

/** All but the series: `names` along the bottom; `point` says the one of this place. */
export function frameOf(
  names: string[],
  [min, max]: [least: number, most: number],
  palette: Palette,
  words: { figure(value: number): string; point(at: number): string },
): object {
  const { rem, line } = palette;
  const label = labelOf(palette);
  return {
    animation: false,
    grid: { left: 4 * rem, right: 1 * rem, top: 1.6 * rem, bottom: 2 * rem },
    tooltip: {
      renderMode: "richText",
      backgroundColor: palette.surface,
      borderColor: line,
      textStyle: { ...label, color: palette.ink },
      formatter: ({ value: [at] }: { value: [number, number] }) => words.point(at),
    },
    xAxis: {
      type: "category",
      data: names,
      axisTick: { show: false },
      axisLine: { lineStyle: { color: line } },
      axisLabel: { ...label, hideOverlap: true },
    },
    yAxis: {
      type: "value",
      min,
      max,
      splitLine: { lineStyle: { color: line } },
      axisLabel: { ...label, formatter: words.figure, hideOverlap: true },
    },
  };
}

/** A bar behind each figure, from one end of its interval to the other. */
export const intervals = (figures: Figure[], palette: Palette): object => ({
  type: "custom",
  name: "u95",
  silent: true,
  z: 1,
  data: figures.map((figure, at) => [at, ...ends(figure)]),
  renderItem: (_: unknown, drawing: Drawing) => {
    const [x, low] = drawing.coord([drawing.value(0), drawing.value(1)]);
    const [, high] = drawing.coord([drawing.value(0), drawing.value(2)]);
    return {
      type: "line",
      shape: { x1: x, x2: x, y1: low, y2: high },
      style: { stroke: palette.muted, lineWidth: 0.25 * palette.rem, opacity: 0.4, lineCap: "round" },
    };
  },
});
