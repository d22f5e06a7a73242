// Numbers, times and ages as people of a locale write them. Energy and mass arrive as decimal
// strings and are never made floating point before they are shown: Intl takes the string itself.

import { locale } from "./language.js";

export const SPACE = "\u202f"; // between a number and its unit
export const NBSP = "\u00a0";
let formats = new Map();

/** Drop the formats of the language before. */
export function forgetFormats() {
  formats = new Map();
}

function format(Kind, options) {
  const key = Kind.name + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Kind(locale(), options));
  return formats.get(key);
}

const number = (value, options) => format(Intl.NumberFormat, options).format(value);
const fixed = (value, digits) =>
  number(value, { minimumFractionDigits: digits, maximumFractionDigits: digits });

export const isZero = (decimal) => /^[+-]?0*\.?0*$/.test(decimal);

/** Watts as kilowatts. */
export const power = (watts) => fixed(watts / 1000, 1);
/** Kilowatt-hours or kilograms: to the watt-hour or gram while that can be read. */
export function energy(decimal) {
  const size = Math.abs(Number(decimal));
  const tiny = size > 0 && size < 0.0005; // must not read as nothing
  return fixed(decimal, tiny ? 6 : size < 1000 ? 3 : 1);
}
export const mass = energy;
/** A quantity per unit: three significant digits. */
export const factor = (value) =>
  number(value, { minimumSignificantDigits: 3, maximumSignificantDigits: 3 });
export const exact = (decimal) => number(decimal, { maximumFractionDigits: 20 });
/** A share is rounded down: 100 % means all of it. */
export const share = (value) =>
  number(value, { style: "percent", maximumFractionDigits: 1, roundingMode: "floor" });
export const percent = (part) => number(part, { style: "percent", maximumFractionDigits: 0 });
export const seconds = (ms) => fixed(ms / 1000, ms < 9_950 ? 2 : 0);

const unit = (value, name) =>
  number(value, { style: "unit", unit: name, unitDisplay: "narrow", maximumFractionDigits: 0 });

/** A span of time in its largest fitting unit. */
export function age(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 90) return unit(s, "second");
  if (s < 90 * 60) return unit(Math.floor(s / 60), "minute");
  return s < 48 * 3600 ? unit(Math.floor(s / 3600), "hour") : unit(Math.floor(s / 86_400), "day");
}

/** Minutes and seconds, or hours too. */
export function stopwatch(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, "0");
  const minutes = two(Math.floor(s / 60) % 60);
  return s < 3600
    ? `${minutes}:${two(s % 60)}`
    : `${Math.floor(s / 3600)}:${minutes}:${two(s % 60)}`;
}

const TIME = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
export const time = (ms) => format(Intl.DateTimeFormat, TIME).format(ms);
export const date = (ms) =>
  format(Intl.DateTimeFormat, { weekday: "short", day: "numeric", month: "short" }).format(ms);
/** A time of today; with its date when it is of another day. */
export function moment(ms) {
  const today = new Date(ms).toDateString() === new Date().toDateString();
  const day = { day: "numeric", month: "short", ...TIME };
  return today ? time(ms) : format(Intl.DateTimeFormat, day).format(ms);
}

/** The exact sum of decimal strings, as a decimal string. */
export function sum(decimals) {
  const digits = Math.max(0, ...decimals.map((d) => (d.split(".")[1] ?? "").length));
  const whole = (d) => {
    const [units, parts = ""] = d.split(".");
    return BigInt(units + parts.padEnd(digits, "0"));
  };
  const total = decimals.reduce((so_far, d) => so_far + whole(d), 0n);
  const text = String(total < 0n ? -total : total).padStart(digits + 1, "0");
  const point = text.length - digits;
  const decimal = digits ? `${text.slice(0, point)}.${text.slice(point)}` : text;
  return total < 0n ? `-${decimal}` : decimal;
}
