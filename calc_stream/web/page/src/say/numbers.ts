// Numbers, times and ages as people of a locale write them. Intl takes decimal strings as they are.

import { locale } from "./language.svelte";

export const SPACE = "\u202f"; // between a number and its unit
export const NBSP = "\u00a0";
type Decimal = string | number;

const formats = new Map<string, Intl.NumberFormat | Intl.DateTimeFormat>();

function format<T extends Intl.NumberFormat | Intl.DateTimeFormat>(
  Kind: new (locale: string, options: object) => T,
  options: object,
): T {
  const key = locale() + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Kind(locale(), options));
  return formats.get(key) as T;
}

const number = (value: Decimal, options: Intl.NumberFormatOptions): string =>
  // A decimal string is exact to Intl; the types of the language do not know yet.
  format(Intl.NumberFormat, options).format(value as number);
const fixed = (value: Decimal, digits: number): string =>
  number(value, { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** Watts as kilowatts. */
export const power = (watts: number): string => fixed(watts / 1000, 1);
/** An amount or a mass: three digits after the point while that can be read. */
export function amount(decimal: Decimal): string {
  const size = Math.abs(Number(decimal));
  const tiny = size > 0 && size < 0.0005; // must not read as nothing
  return fixed(decimal, tiny ? 6 : size < 1000 ? 3 : 1);
}
/** A quantity per unit: three significant digits. */
export const factor = (value: Decimal): string =>
  number(value, { minimumSignificantDigits: 3, maximumSignificantDigits: 3 });
export const exact = (decimal: Decimal): string => number(decimal, { maximumFractionDigits: 20 });
/** A share is rounded down: 100 % means all of it. */
export const share = (value: Decimal): string =>
  number(value, { style: "percent", maximumFractionDigits: 1, roundingMode: "floor" } as object);
export const exactShare = (value: Decimal): string => number(value, { style: "percent", maximumFractionDigits: 20 });
export const percent = (part: number): string =>
  number(part, { style: "percent", maximumFractionDigits: 0 });
/** A decimal that is percent already. */
export const ofHundred = (percent: Decimal): string => `${exact(percent)}${NBSP}%`;
/** A difference, its sign always said. */
export const signed = (value: Decimal): string =>
  number(value, { maximumFractionDigits: 6, signDisplay: "exceptZero" });
export const signedPercent = (part: number): string =>
  number(part, { style: "percent", maximumFractionDigits: 0, signDisplay: "exceptZero" });
export const seconds = (ms: number): string => fixed(ms / 1000, ms < 9_950 ? 2 : 0);

const unit = (value: number, name: string): string =>
  number(value, { style: "unit", unit: name, unitDisplay: "narrow", maximumFractionDigits: 0 });

/** A span of time in its largest fitting unit. */
export function age(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 90) return unit(s, "second");
  if (s < 90 * 60) return unit(Math.floor(s / 60), "minute");
  return s < 48 * 3600 ? unit(Math.floor(s / 3600), "hour") : unit(Math.floor(s / 86_400), "day");
}

/** Minutes and seconds, or hours too. */
export function stopwatch(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number): string => String(n).padStart(2, "0");
  const minutes = two(Math.floor(s / 60) % 60);
  return s < 3600
    ? `${minutes}:${two(s % 60)}`
    : `${Math.floor(s / 3600)}:${minutes}:${two(s % 60)}`;
}

const TIME = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
const DAY = { day: "numeric", month: "short" };
const at = (ms: number, options: object): string => format(Intl.DateTimeFormat, options).format(ms);
export const time = (ms: number): string => at(ms, TIME);
export const hour = (ms: number): string => at(ms, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
export const date = (ms: number): string => at(ms, { weekday: "short", ...DAY });
export const day = (ms: number): string => at(ms, { year: "numeric", ...DAY });
/** Of the times shown: what the screen's clock goes by. */
export function zone(ms: number): string {
  const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();
  const parts = new Intl.DateTimeFormat(locale(), { timeZoneName: "shortOffset" } as object).formatToParts(ms);
  const offset = parts.find(({ type }) => type === "timeZoneName")?.value ?? "";
  return timeZone === offset ? offset : `${timeZone} (${offset})`;
}
/** A time of today; with its date when it is of another day. */
export function moment(ms: number, clock: object = TIME): string {
  const today = new Date(ms).toDateString() === new Date().toDateString();
  return at(ms, today ? clock : { ...DAY, ...clock });
}
/** A moment to the millisecond, as the journal has it. */
export const instant = (ms: number): string => moment(ms, { ...TIME, fractionalSecondDigits: 3 });
