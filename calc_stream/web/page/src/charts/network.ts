// Where a site's places stand when its network is drawn from left to right. Pure.

export interface Place {
  id: string;
  kind: "source" | "bus" | "utility" | "store" | "node" | "export";
  carrier: string | null;
  line: string | null;
}
export interface Edge {
  from: string;
  to: string;
  meter: string | null;
  carrier: string;
  unit: string;
}
export interface Spot extends Place {
  column: number;
  row: number;
}

const ENDS = ["node", "export"];

/** The edges without those that lead back: a plant may feed itself, columns may not. What a utility
 * gives out is kept, so that it is what a utility takes in that leads back. */
function forward(places: Place[], edges: Edge[]): Edge[] {
  const utilities = new Set(places.filter(({ kind }) => kind === "utility").map(({ id }) => id));
  const order = ({ from, to }: Edge): number => (utilities.has(from) ? 0 : utilities.has(to) ? 2 : 1);
  const after = new Map<string, Set<string>>(places.map(({ id }) => [id, new Set<string>()]));
  const reaches = (from: string, to: string): boolean =>
    from === to || [...(after.get(from) ?? [])].some((next) => reaches(next, to));
  const kept: Edge[] = [];
  for (const edge of [...edges].sort((a, b) => order(a) - order(b))) {
    if (reaches(edge.to, edge.from)) continue;
    after.get(edge.from)?.add(edge.to);
    kept.push(edge);
  }
  return kept;
}

/** Each place's column (as far right as the longest way to it; consumers all at the end) and row
 * (near what feeds it). */
export function laidOut(places: Place[], edges: Edge[]): { spots: Spot[]; columns: number; rows: number } {
  const ways = forward(places, edges);
  const column = new Map<string, number>(places.map(({ id }) => [id, 0]));
  for (let round = 0; round < places.length; round += 1) {
    for (const { from, to } of ways) column.set(to, Math.max(column.get(to) ?? 0, (column.get(from) ?? 0) + 1));
  }
  const last = Math.max(0, ...column.values());
  for (const { id, kind } of places) if (ENDS.includes(kind)) column.set(id, last);

  const row = new Map<string, number>(places.map(({ id }, at) => [id, at]));
  const stacks: Place[][] = Array.from({ length: last + 1 }, (_, at) => places.filter(({ id }) => column.get(id) === at));
  for (const stack of stacks) {
    const pull = ({ id }: Place): number => {
      const feeding = ways.filter(({ to }) => to === id).map(({ from }) => row.get(from) ?? 0);
      return feeding.reduce((sum, at) => sum + at, 0) / Math.max(1, feeding.length);
    };
    stack.sort((a, b) => pull(a) - pull(b) || (a.line ?? "").localeCompare(b.line ?? ""));
    stack.forEach(({ id }, at) => row.set(id, ((at + 0.5) * 100) / stack.length));
  }
  const rows = Math.max(0, ...stacks.map((stack) => stack.length));
  const spots = stacks.flatMap((stack, at) => stack.map((place) => ({ ...place, column: at, row: row.get(place.id)! / 100 })));
  return { spots, columns: last + 1, rows };
}
