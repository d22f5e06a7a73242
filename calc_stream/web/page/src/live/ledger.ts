// What a batch's own accounts hold, by what its machines did meanwhile. Pure.

import { STATES } from "./production";
import type { Amounts } from "./types";
import { sum } from "../say/decimals";

export interface Ledger {
  accounts: { account: string; node: string; state: string; amounts: Amounts }[];
}

export interface Spent {
  state: string;
  amounts: Amounts;
  nodes: { node: string; amounts: Amounts }[];
}

function added(several: Amounts[]): Amounts {
  const sources = [...new Set(several.flatMap((amounts) => Object.keys(amounts)))];
  return Object.fromEntries(sources.map((source) => [source, sum(several.map((amounts) => amounts[source] ?? "0"))]));
}

const rank = (state: string): number => (STATES.includes(state) ? STATES.indexOf(state) : STATES.length);

/** What the batch got in each state, producing first; what others gave it is not among it. */
export function byState({ accounts }: Ledger, batch: string): Spent[] {
  const own = accounts.filter(({ account }) => account === `batch:${batch}`);
  const states = [...new Set(own.map(({ state }) => state))].sort((a, b) => rank(a) - rank(b));
  return states.map((state) => {
    const nodes = own.filter((each) => each.state === state).map(({ node, amounts }) => ({ node, amounts }));
    return { state, amounts: added(nodes.map(({ amounts }) => amounts)), nodes };
  });
}
