// Words of the plant to the journal: an event by hand, a file of them. Pure, but for its ids.

export const TYPES = ["start", "stop", "state", "quantity"] as const;
export type Type = (typeof TYPES)[number];
export const STATES = ["producing", "setup", "cleaning", "idle_in_order", "fault", "idle", "standby", "off"];

/** The fields of each type, those that must be said first. */
export const FIELDS: Record<Type, { wanted: string[]; more: string[] }> = {
  start: { wanted: ["node", "batch"], more: ["product"] },
  stop: { wanted: ["node", "batch"], more: [] },
  state: { wanted: ["node", "state"], more: [] },
  quantity: { wanted: ["batch", "good", "unit"], more: ["scrap"] },
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

/** An event as the journal has it; `by`: who told it by hand; `voided_by`: what took it back. */
export interface Told {
  id: string;
  t_ms: number;
  type: string;
  offset: number;
  by: string | null;
  voided_by: string | null;
  [field: string]: string | number | null | undefined;
}

const ABOUT = ["id", "t", "t_ms", "type", "offset", "by", "voided_by", "source", "n"];

/** What an event says, without when, where and by whom it was told. */
export const detailOf = (event: Told): [field: string, value: string][] =>
  Object.entries(event)
    .filter(([field, value]) => !ABOUT.includes(field) && value !== null && value !== undefined)
    .map(([field, value]) => [field, String(value)]);
