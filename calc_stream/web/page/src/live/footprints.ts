// What the calculator published of its products, as its API says it.

/** Not to be used any more, since when and why. */
export interface Withdrawn {
  t_ms: number;
  reason: string;
}
export interface Published {
  id: string;
  unit: string;
  method: string;
  period: string;
  published_ms: number;
  cause: string;
  good: string;
  /** Of the site's own energy, for one unit. */
  kg_co2e: string;
  u95: string | null;
  upstream_kg_co2e: string | null;
  boundary: "gate_to_gate" | "cradle_to_gate";
  draft: boolean;
  successor: string | null;
  withdrawn: Withdrawn | null;
}

/** What all points of a run share. */
export interface Constant {
  method: string;
  standard: string;
  gwp: string;
  unit: string;
  allocation: string;
  every: string;
  models: string[];
}
export interface Run {
  constant: Constant;
  points: { period: string; id: string; kg_co2e: string; u95: string | null; running: boolean; change_percent: string | null; superseded: unknown[]; withdrawn?: Withdrawn }[];
}
export type Point = Run["points"][number] & {
  /** Of which run it is, counted from 0. */
  run: number;
  /** Where a run begins: what is counted otherwise than in the one before. */
  breaks: (keyof Constant)[];
};

/** One after the other, those in `unit` only. Others may have stood between two runs, so what differs
    is what differs from the one that is shown before. */
export function pointsOf(runs: Run[], unit: string): Point[] {
  const shown = runs.filter(({ constant }) => constant.unit === unit);
  return shown.flatMap(({ constant, points }, run) => {
    const before = shown[run - 1]?.constant;
    const breaks = before
      ? (Object.keys(constant) as (keyof Constant)[]).filter((each) => String(constant[each]) !== String(before[each]))
      : [];
    return points.map((point, at) => ({ ...point, run, breaks: at ? [] : breaks }));
  });
}

/** Without what was withdrawn: it is no figure to draw a line by. */
export const standing = (runs: Run[]): Run[] =>
  runs
    .map((run) => ({ ...run, points: run.points.filter(({ withdrawn }) => !withdrawn) }))
    .filter(({ points }) => points.length);

/** The name of a footprint's file, as the server has it; `ending`: the form's. */
export const fileOf = (product: string, { period, id }: Published, ending: string): string =>
  `${product.replaceAll("/", "-")}-${period}-${id.slice(0, 8)}${ending}`;
