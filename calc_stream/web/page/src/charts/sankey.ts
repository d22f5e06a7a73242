// The flow of energy, drawn. Pure.

import type { Ribbon } from "../live/flows";
import type { Palette } from "./palette.svelte";

export interface Names {
  /** What a place is called, and its colour's custom property. */
  title(place: string): string;
  property(place: string): string | null;
  amounts(ribbon: Ribbon): string;
}

/** What ECharts needs to draw the ribbons from left to right. */
export function sankeyOption(drawn: Ribbon[], palette: Palette, names: Names): object {
  const places = [...new Set(drawn.flatMap(({ from, to }) => [from, to]))];
  // Many places leave little room: what flows is more than the gaps between.
  const gap = Math.min(0.9, 12 / places.length);
  const text = { color: palette.ink, fontFamily: palette.font, fontSize: 0.78 * palette.rem };
  const colourOf = (place: string): string => {
    const property = names.property(place);
    return property ? palette.of(property) : palette.muted;
  };
  const mostly = (ribbon: Ribbon): string => {
    const [source] = Object.entries(ribbon.amounts).sort(([, a], [, b]) => Number(b) - Number(a))[0] ?? [""];
    return colourOf(source);
  };
  return {
    animation: false,
    tooltip: {
      renderMode: "richText",
      backgroundColor: palette.surface,
      borderColor: palette.line,
      textStyle: text,
      formatter: ({ data }: { data: { ribbon?: Ribbon; name?: string } }) =>
        data.ribbon
          ? `${names.title(data.ribbon.from)} → ${names.title(data.ribbon.to)}\n${names.amounts(data.ribbon)}`
          : names.title(data.name ?? ""),
    },
    series: [
      {
        type: "sankey",
        left: 2,
        right: 9 * palette.rem,
        top: 0.6 * palette.rem,
        bottom: 0.6 * palette.rem,
        nodeWidth: 0.5 * palette.rem,
        nodeGap: gap * palette.rem,
        nodeAlign: "justify",
        draggable: false,
        labelLayout: { hideOverlap: true },
        emphasis: { focus: "adjacency" },
        lineStyle: { opacity: 0.36, curveness: 0.5 },
        data: places.map((place) => ({
          name: place,
          itemStyle: { color: colourOf(place), borderWidth: 0 },
          label: { ...text, position: "right", formatter: names.title(place) },
        })),
        links: drawn.map((ribbon) => ({
          source: ribbon.from,
          target: ribbon.to,
          value: ribbon.width,
          ribbon,
          lineStyle: { color: mostly(ribbon) },
        })),
      },
    ],
  };
}
