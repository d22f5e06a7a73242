// What needs a person. The strip is a polite live region: it changes only when an alarm does.

import { byId, h, list } from "./dom.js";
import { t } from "./language.js";
import * as numbers from "./numbers.js";
import { label } from "./sources.js";

const NO_READING_MS = 30_000;
const MOST_SHOWN = 6;
// The calculator's own alarms whose cause stands in their text.
const WITH_CAUSE = ["unmapped", "record", "event", "doubt"];

/** The alarms of a snapshot, the gravest first: {grave, text, cause}. */
export function alarmsOf(snapshot) {
  const alarms = [];
  const raise = (grave, kind, values, cause = "") =>
    alarms.push({ grave, text: t(`alarm.${kind}`, values), cause });
  for (const [source, kwh] of Object.entries(snapshot.closure)) {
    if (!numbers.isZero(kwh)) raise(true, "closure", { source: label(source), kwh });
  }
  const latest_ms = snapshot.latest_reading_ms;
  if (latest_ms && snapshot.now_ms - latest_ms > NO_READING_MS) {
    raise(true, "no_reading", { time: numbers.moment(latest_ms) });
  }
  for (const { meter, health, last_ms } of snapshot.meters) {
    if (health !== "silent") continue;
    if (last_ms === null) raise(false, "never_answered", { meter });
    else raise(false, "silent", { meter, time: numbers.moment(last_ms) });
  }
  for (const { kind, about, text, t_ms } of snapshot.alarms ?? []) {
    if (["closure", "silent", "unread"].includes(kind)) continue; // said above, with the time
    const values = { about: about.replace(/^residual:/, ""), time: t_ms ? numbers.moment(t_ms) : "" };
    raise(false, kind, values, WITH_CAUSE.includes(kind) ? text : "");
  }
  return alarms;
}

export function showAlarms(snapshot) {
  const all = alarmsOf(snapshot);
  const shown = all.slice(0, MOST_SHOWN);
  const more = all.length - shown.length;
  if (more) shown.push({ grave: false, text: t("alarm.more", { count: more }), cause: "" });
  list(byId("alarms"), shown, (alarm) => alarm.text + alarm.cause, ({ grave, text, cause }) => {
    const why = cause ? [" ", h("span", { class: "note" }, cause)] : [];
    return { node: h("p", { class: grave ? "alarm grave" : "alarm" }, text, ...why), update() {} };
  });
}
