// The way of energy from sources through the plant to accounts. Pure.

import type { Amounts, Batch } from "./types";
import { isZero, sum } from "../say/decimals";

export interface Flows {
  edges: { from: string; to: string; meter: string | null; carrier: string; unit: string; amount: string | null; by_source: Amounts }[];
  uses: { node: string; account: string; by_source: Amounts }[];
  units: Record<string, string>;
}

export interface Link {
  from: string;
  to: string;
  amounts: Amounts;
}

export const EARLIER = "earlier:";
export const OTHERS = "others:";
const MOST_PLACES = 40; // more cannot be read

/** Where an account stands in the drawing: a running batch by itself, ended ones with their product,
 * the others with their kind. */
export function drawnAs(account: string, batches: Batch[]): string {
  if (!account.startsWith("batch:")) return account.slice(0, account.indexOf(":") + 1) || account;
  const batch = batches.find((each) => `batch:${each.batch}` === account);
  if (!batch) return EARLIER;
  return batch.state === "live" || !batch.product ? account : `product:${batch.product}`;
}

/** The links of what the calculator tells of its network. */
export function linksOf(flows: Flows, batches: Batch[]): Link[] {
  const edges = flows.edges.map(({ from, to, by_source }) => ({ from, to, amounts: by_source }));
  const uses = flows.uses.map((use) => ({
    from: use.node,
    to: drawnAs(use.account, batches),
    amounts: use.by_source,
  }));
  return [...edges, ...uses];
}

export interface Ribbon {
  from: string;
  to: string;
  amounts: Amounts;
  /** For drawing only. */
  width: number;
}

/** The links of one unit, several between the same two places as one. */
function joined(links: Link[], unit: string, unitOf: (source: string) => string): Ribbon[] {
  const by_ends = new Map<string, Ribbon>();
  for (const { from, to, amounts } of links) {
    if (from === to) continue;
    const key = JSON.stringify([from, to]);
    const ribbon = by_ends.get(key) ?? { from, to, amounts: {}, width: 0 };
    for (const [source, amount] of Object.entries(amounts)) {
      if (unitOf(source) !== unit || isZero(amount)) continue;
      ribbon.amounts[source] = sum([ribbon.amounts[source] ?? "0", amount]);
      ribbon.width += Math.max(0, Number(amount));
    }
    by_ends.set(key, ribbon);
  }
  return [...by_ends.values()].filter(({ width }) => width > 0);
}

/** The places through which least goes, as one: the name each place is drawn under. */
function drawnUnder(ribbons: Ribbon[]): (place: string) => string {
  const through = new Map<string, number>();
  for (const { from, to, width } of ribbons) {
    for (const place of [from, to]) through.set(place, Math.max(through.get(place) ?? 0, width));
  }
  const kept = new Set([...through].sort(([, a], [, b]) => b - a).slice(0, MOST_PLACES).map(([place]) => place));
  return through.size <= MOST_PLACES ? (place) => place : (place) => (kept.has(place) ? place : OTHERS);
}

/** What is drawn of one unit, without what closes a ring: a plant may feed itself, a drawing from
 * left to right cannot. */
export function ribbons(links: Link[], unit: string, unitOf: (source: string) => string): { drawn: Ribbon[]; rings: Ribbon[] } {
  const all = joined(links, unit, unitOf);
  const under = drawnUnder(all);
  const fewer = joined(all.map((r) => ({ ...r, from: under(r.from), to: under(r.to) })), unit, unitOf);
  const rings: Ribbon[] = [];
  const drawn: Ribbon[] = [];
  // The widest first: what has to be left out is the thinnest of its ring.
  for (const ribbon of fewer.sort((a, b) => b.width - a.width)) {
    (reaches(drawn, ribbon.to, ribbon.from) ? rings : drawn).push(ribbon);
  }
  return { drawn, rings };
}

function reaches(ribbons: Ribbon[], from: string, to: string): boolean {
  const seen = new Set([from]);
  const open = [from];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (at === to) return true;
    for (const ribbon of ribbons) {
      if (ribbon.from !== at || seen.has(ribbon.to)) continue;
      seen.add(ribbon.to);
      open.push(ribbon.to);
    }
  }
  return false;
}
