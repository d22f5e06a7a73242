// States of machines as bands over time, and the power each of them drew. Pure.

import type { Point } from "../live/types";
import type { Palette } from "./palette.svelte";

export interface Stretch {
  from_ms: number;
  to_ms: number;
  state: string;
}
export interface Row {
  node: string;
  states: Stretch[];
  power: Point[];
}

interface Drawing {
  value(index: number): number;
  coord(at: [number, number]): [number, number];
  size(of: [number, number]): [number, number];
}

/** A state's colour and how much of its row it fills: its height says it without the colour. */
export interface Band {
  property: string;
  part: number;
}
const BANDS: Record<string, Band> = {
  producing: { property: "--good", part: 0.66 },
  setup: { property: "--setup", part: 0.46 },
  cleaning: { property: "--setup", part: 0.36 },
  idle_in_order: { property: "--waiting", part: 0.26 },
  fault: { property: "--alarm", part: 0.92 },
};
export const bandOf = (state: string): Band => BANDS[state] ?? { property: "--muted", part: 0.08 };

const LETTER = 0.46; // rem, of a machine's name

export interface Words {
  time(ms: number): string;
  kw(watts: number): string;
  state(state: string): string;
}

/** What ECharts needs: a band of states above, the machines' power below, on one axis of time. */
export function timelineOption(rows: Row[], span: [number, number], palette: Palette, words: Words): object {
  const label = { color: palette.muted, fontFamily: palette.font, fontSize: 0.74 * palette.rem };
  const bands_px = rows.length * 1.5 * palette.rem;
  const longest = Math.max(3, ...rows.map(({ node }) => node.length));
  const side = Math.min(9, 1 + LETTER * longest) * palette.rem;
  const sides = { left: side, right: side };
  const stretches = rows.flatMap(({ states }, at) => states.map((stretch) => ({ ...stretch, at })));
  const time = (gridIndex: number, shown: boolean): object => ({
    gridIndex,
    type: "time",
    min: span[0],
    max: span[1],
    axisLine: { lineStyle: { color: palette.line } },
    axisTick: { show: false },
    splitLine: { show: false },
    axisLabel: { ...label, show: shown, hideOverlap: true, formatter: words.time },
  });
  return {
    animation: false,
    grid: [
      { ...sides, top: 4, height: bands_px },
      { ...sides, top: bands_px + 1.2 * palette.rem, bottom: 1.6 * palette.rem },
    ],
    xAxis: [time(0, false), time(1, true)],
    yAxis: [
      {
        gridIndex: 0,
        type: "category",
        inverse: true,
        data: rows.map(({ node }) => node),
        axisLine: { show: false },
        axisTick: { show: false },
        axisLabel: { ...label, color: palette.ink },
      },
      {
        gridIndex: 1,
        type: "value",
        min: 0,
        splitNumber: 3,
        splitLine: { lineStyle: { color: palette.line } },
        axisLabel: { ...label, formatter: words.kw },
      },
    ],
    tooltip: {
      renderMode: "richText",
      backgroundColor: palette.surface,
      borderColor: palette.line,
      textStyle: { ...label, color: palette.ink },
      formatter: ({ data }: { data: { name?: string } }) => data.name ?? "",
    },
    series: [
      {
        type: "custom",
        data: stretches.map(({ from_ms, to_ms, state, at }) => ({
          value: [from_ms, to_ms, at],
          name: `${rows[at]!.node}  ${words.state(state)}  ${words.time(from_ms)} – ${words.time(to_ms)}`,
          itemStyle: { color: palette.of(bandOf(state).property) },
        })),
        encode: { x: [0, 1], y: 2 },
        renderItem: (params: { dataIndex: number; coordSys: { x: number; width: number } }, drawing: Drawing & { visual(name: string): string }) => {
          const [x1, y] = drawing.coord([drawing.value(0), drawing.value(2)]);
          const [x2] = drawing.coord([drawing.value(1), drawing.value(2)]);
          const height = drawing.size([0, 1])[1] * bandOf(stretches[params.dataIndex]!.state).part;
          const left = Math.max(x1, params.coordSys.x);
          const right = Math.min(x2, params.coordSys.x + params.coordSys.width);
          if (right <= left) return null;
          return {
            type: "rect",
            shape: { x: left, y: y - height / 2, width: right - left, height },
            style: { fill: drawing.visual("color") },
          };
        },
      },
      ...rows.map(({ node, power }, at) => ({
        name: node,
        type: "line",
        xAxisIndex: 1,
        yAxisIndex: 1,
        symbol: "none",
        silent: true,
        color: palette.layers[at % palette.layers.length],
        lineStyle: { width: 1.5 },
        endLabel: { show: true, formatter: node, ...label, color: palette.ink },
        labelLayout: { moveOverlap: "shiftY" },
        data: power,
      })),
    ],
  };
}
