// A product's figure by period: one line a run, and a mark where another begins. Pure.

import type { Point } from "../live/footprints";
import { scaleOf } from "./control";
import type { Palette } from "./palette.svelte";

interface Drawing {
  value(index: number): number;
  coord(at: [number, number]): [number, number];
}

export interface Words {
  figure(value: number): string;
  point(point: Point): string;
  broken(point: Point): string;
}

const numbersOf = ({ kg_co2e, u95 }: Point): { value: number; u95: number | null } => ({
  value: Number(kg_co2e),
  u95: u95 === null ? null : Number(u95),
});

/** What ECharts needs to draw it, the oldest period first. */
export function seriesOption(points: Point[], palette: Palette, words: Words): object {
  const label = { color: palette.muted, fontFamily: palette.font, fontSize: 0.74 * palette.rem };
  const figures = points.map(numbersOf);
  const [least, most] = scaleOf(figures.map((figure) => ({ batch: "", out: false, ...figure })), null);
  const runs = [...new Set(points.map(({ run }) => run))];
  const breaks = points.flatMap(({ breaks }, at) => (breaks.length ? [at] : []));
  const drawn = { type: "custom", silent: true, z: 1 };
  return {
    animation: false,
    grid: { left: 4 * palette.rem, right: 1 * palette.rem, top: 1.6 * palette.rem, bottom: 2 * palette.rem },
    tooltip: {
      renderMode: "richText",
      backgroundColor: palette.surface,
      borderColor: palette.line,
      textStyle: { ...label, color: palette.ink },
      formatter: ({ value }: { value: [number, number] }) => words.point(points[value[0]]!),
    },
    xAxis: {
      type: "category",
      data: points.map(({ period }) => period),
      axisTick: { show: false },
      axisLine: { lineStyle: { color: palette.line } },
      axisLabel: { ...label, hideOverlap: true },
    },
    yAxis: {
      type: "value",
      min: least,
      max: most,
      splitLine: { lineStyle: { color: palette.line } },
      axisLabel: { ...label, formatter: words.figure, hideOverlap: true },
    },
    series: [
      {
        ...drawn,
        name: "u95",
        data: figures.map(({ value, u95 }, at) => [at, value - (u95 ?? 0), value + (u95 ?? 0)]),
        renderItem: (_: unknown, drawing: Drawing) => {
          const [x, low] = drawing.coord([drawing.value(0), drawing.value(1)]);
          const [, high] = drawing.coord([drawing.value(0), drawing.value(2)]);
          return {
            type: "line",
            shape: { x1: x, x2: x, y1: low, y2: high },
            style: { stroke: palette.muted, lineWidth: 0.25 * palette.rem, opacity: 0.4, lineCap: "round" },
          };
        },
      },
      {
        ...drawn,
        name: "breaks",
        data: breaks.map((at) => [at, least, most]),
        // Between the last period of one run and the first of the next.
        renderItem: (_: unknown, drawing: Drawing) => {
          const at = drawing.value(0);
          const [after, low] = drawing.coord([at, drawing.value(1)]);
          const [before, high] = drawing.coord([at - 1, drawing.value(2)]);
          const x = (before + after) / 2;
          const style = { stroke: palette.warn, lineWidth: 1, lineDash: [4, 3] };
          const text = { text: words.broken(points[at]!), x, y: high - 2, fill: palette.warn, align: "center", verticalAlign: "bottom" };
          return {
            type: "group",
            children: [
              { type: "line", shape: { x1: x, x2: x, y1: low, y2: high }, style },
              { type: "text", style: { ...text, fontFamily: palette.font, fontSize: 0.74 * palette.rem } },
            ],
          };
        },
      },
      ...runs.map((run) => ({
        type: "line",
        name: `run ${run}`,
        lineStyle: { color: palette.line, width: 1 },
        itemStyle: { color: palette.accent },
        data: points.flatMap((point, at) =>
          point.run === run
            ? [{ value: [at, figures[at]!.value], symbol: point.running ? "emptyCircle" : "circle", symbolSize: 0.6 * palette.rem }]
            : [],
        ),
      })),
    ],
  };
}
