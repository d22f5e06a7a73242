// A product's figure by period: one line a run, and a mark where another begins. Pure.

import type { Point } from "../live/footprints";
import { type Drawing, type Figure, frameOf, intervals, scaleOf } from "./figures";
import type { Palette } from "./palette.svelte";

export interface Words {
  figure(value: number): string;
  point(point: Point): string;
  broken(point: Point): string;
}

const figureOf = ({ kg_co2e, u95 }: Point): Figure => ({
  value: Number(kg_co2e),
  u95: u95 === null ? null : Number(u95),
});

/** What ECharts needs to draw it, the oldest period first. */
export function seriesOption(points: Point[], palette: Palette, words: Words): object {
  const figures = points.map(figureOf);
  const [least, most] = scaleOf(figures, null);
  const runs = [...new Set(points.map(({ run }) => run))];
  const breaks = points.flatMap(({ breaks }, at) => (breaks.length ? [at] : []));
  return {
    ...frameOf(points.map(({ period }) => period), [least, most], palette, {
      figure: words.figure,
      point: (at) => words.point(points[at]!),
    }),
    series: [
      intervals(figures, palette),
      {
        type: "custom",
        name: "breaks",
        silent: true,
        z: 1,
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
