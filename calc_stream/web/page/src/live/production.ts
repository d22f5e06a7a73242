// Words of the plant to the journal: an event by hand, a file of them. Pure, but for its ids.

import type { Happening } from "./types";

export const TYPES = ["start", "stop", "state", "quantity"] as const;
export type Type = (typeof TYPES)[number];
export const STATES = ["producing", "setup", "cleaning", "idle_in_order", "fault", "idle", "standby", "off"];

/** The fields of each type, those that must be said first. */
export const FIELDS: Record<Type, { wanted: string[]; more: string[] }> = {
  start: { wanted: ["node", "batch"], more: ["product"] },
  stop: { wanted: ["node", "batch"], more: [] },
  state: { wanted: ["node", "state"], more: [] },
  quantity: { wanted: ["batch", "good"], more: ["scrap", "unit"] },
};

export type Event = Record<string, string>;

/** An event as the records format has it: only what was said, and when. */
export function written(type: Type, said: Record<string, string>, t_ms: number, id: string): Event {
  const { wanted, more } = FIELDS[type];
  const told = [...wanted, ...more].map((field) => [field, (said[field] ?? "").trim()]);
  return { id, t: new Date(t_ms).toISOString(), type, ...Object.fromEntries(told.filter(([, value]) => value)) };
}

/** What takes an event back. */
export const undone = (of: string, t_ms: number, id: string): Event => ({
  id,
  t: new Date(t_ms).toISOString(),
  type: "void",
  of,
});

export interface Told {
  id: string;
  t_ms: number;
  type: string;
  detail: Record<string, string>;
  voided: boolean;
}

/** The production events of the stream, newest first, and whether each was taken back. */
export function told(events: Happening[]): Told[] {
  const production = events.filter(({ kind }) => kind === "production");
  const voided = new Set(production.filter(({ event }) => event === "void").map(({ detail }) => detail.of));
  return production
    .map(({ t_ms, event, detail }) => {
      const { id = "", ...rest } = detail;
      return { id, t_ms, type: event, detail: rest, voided: voided.has(id) };
    })
    .sort((a, b) => b.t_ms - a.t_ms);
}
