// Why what was told cannot be, worded by its code: in the server's words where nobody has others.

import { maybe, name } from "./language.svelte";

export interface Reason {
  text: string;
  code?: string;
  values?: Record<string, string>;
}
/** One of several things that are wrong; `code` and `values` say the same as `problem`. */
export interface Fault {
  where: string;
  problem: string;
  code?: string;
  values?: Record<string, string>;
}
const MOST = 200; // letters of a stranger's value

export function why({ text, code = "", values = {} }: Reason): string {
  const short = Object.entries(values).map(([name, value]) => [name, value.length > MOST ? `${value.slice(0, MOST)}…` : value]);
  return maybe("reason", code, Object.fromEntries(short)) || text;
}

/** A fault that has a code, and of which field it is; "" for others. */
export function inWords(fault?: Fault): string {
  if (!fault?.code) return "";
  const { key = "" } = fault.values ?? {};
  return `${key && `${name("detail", key)}: `}${why({ text: fault.problem, ...fault })}`;
}
