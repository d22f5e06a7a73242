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
export interface At {
  column: number;
  row: number;
}
export interface Spot extends Place, At {}
export interface Layout {
  spots: Spot[];
  /** Where an edge passes columns between its ends, so that it runs through nothing else. */
  bends: Map<Edge, At[]>;
  columns: number;
  rows: number;
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

const BEND = 0.4; // of the height a place takes

/** Each place's column: as far right as the longest way to it; consumers all at the end. */
function columnsOf(places: Place[], ways: Edge[]): Map<string, number> {
  const column = new Map<string, number>(places.map(({ id }) => [id, 0]));
  for (let round = 0; round < places.length; round += 1) {
    for (const { from, to } of ways) column.set(to, Math.max(column.get(to) ?? 0, (column.get(from) ?? 0) + 1));
  }
  const last = Math.max(0, ...column.values());
  for (const { id, kind } of places) if (ENDS.includes(kind)) column.set(id, last);
  return column;
}

interface Stop {
  key: string;
  column: number;
  high: number;
  line: string;
  before: string[];
}

/** Columns, and rows near what feeds them. What leaves a place passes a column on one way. */
export function laidOut(places: Place[], edges: Edge[]): Layout {
  const ways = forward(places, edges);
  const columns = columnsOf(places, ways);
  const stops = new Map<string, Stop>(
    places.map(({ id, line }) => [id, { key: id, column: columns.get(id) ?? 0, high: 1, line: line ?? "", before: [] }]),
  );
  const passed = new Map<Edge, string[]>();
  for (const edge of ways) {
    const own: string[] = [];
    let before = edge.from;
    for (let column = (columns.get(edge.from) ?? 0) + 1; column < (columns.get(edge.to) ?? 0); column += 1) {
      const key = JSON.stringify([edge.from, column]);
      if (!stops.has(key)) stops.set(key, { key, column, high: BEND, line: "", before: [before] });
      own.push(key);
      before = key;
    }
    stops.get(edge.to)?.before.push(before);
    passed.set(edge, own);
  }

  const row = new Map<string, number>(places.map(({ id }, at) => [id, at / places.length]));
  const last = Math.max(0, ...columns.values());
  const heights: number[] = [];
  for (let column = 0; column <= last; column += 1) {
    const stack = [...stops.values()].filter((stop) => stop.column === column);
    const pull = ({ key, before }: Stop): number =>
      before.length ? before.reduce((sum, each) => sum + (row.get(each) ?? 0), 0) / before.length : (row.get(key) ?? 0);
    const wanted = new Map(stack.map((stop) => [stop, pull(stop)]));
    stack.sort((a, b) => wanted.get(a)! - wanted.get(b)! || a.line.localeCompare(b.line));
    const whole = stack.reduce((sum, { high }) => sum + high, 0);
    let top = 0;
    for (const { key, high } of stack) {
      row.set(key, (top + high / 2) / whole);
      top += high;
    }
    heights.push(whole);
  }
  const at = (key: string): At => ({ column: stops.get(key)?.column ?? 0, row: row.get(key) ?? 0 });
  return {
    spots: places.map((place) => ({ ...place, ...at(place.id) })),
    bends: new Map([...passed].map(([edge, keys]) => [edge, keys.map(at)])),
    columns: last + 1,
    rows: Math.ceil(Math.max(0, ...heights)),
  };
}
