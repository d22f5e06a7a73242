// The page: each snapshot of the live stream is shown whole, once a frame at most.

import { showAlarms } from "./alarms.js";
import { showBatches } from "./batches.js";
import { byId, forgetLists, lack, mark, say, show } from "./dom.js";
import { showFigures } from "./figures.js";
import { name, speak, t } from "./language.js";
import { showMachines, whenTableOpens } from "./machines.js";
import * as numbers from "./numbers.js";
import { showAccounts, showEvents, showMeters, showProducts } from "./site.js";
import { showLegend } from "./sources.js";
import { Latency, follow } from "./stream.js";

const STALE_MS = 8_000;
const SLOW_MS = 2_000;

const latency = new Latency();
let snapshot = null;
let received_ms = 0;
let connection = "connecting";
let waiting = false;

function showHeader() {
  const age_ms = performance.now() - received_ms;
  const stale = snapshot !== null && (connection !== "live" || age_ms > STALE_MS);
  const state = stale && connection === "live" ? "stale" : connection;
  const text = t(`connection.${state}`);
  mark(byId("connection"), "data-state", state);
  say(byId("connection-text"), stale ? t("connection.with_age", { text, age: numbers.age(age_ms) }) : text);
  document.body.classList.toggle("stale", stale);
  say(byId("clock"), numbers.time(Date.now()));
  say(byId("date"), numbers.date(Date.now()));
}

function showLatency() {
  const ms = latency.painted(snapshot);
  if (ms === null) return;
  const node = byId("latency");
  show(node, ms, `${numbers.seconds(ms)}${numbers.SPACE}s`);
  mark(node, "data-slow", ms > SLOW_MS ? "true" : null);
  const [p50, p99] = [0.5, 0.99].map((part) => numbers.seconds(latency.quantile(part)));
  mark(node, "title", t("header.latency_quantiles", { p50, p99 }));
}

function showFooter() {
  const { method, offset, frontier_ms } = snapshot;
  say(byId("method"), name("method", method));
  show(byId("offset"), offset, numbers.exact(offset));
  say(byId("frontier"), frontier_ms ? numbers.time(frontier_ms) : "–");
}

function showSnapshot() {
  waiting = false;
  say(byId("site"), snapshot.site);
  document.title = `${snapshot.site} · wattprint`;
  showLegend(snapshot.sources);
  for (const part of [
    showAlarms, showFigures, showBatches, showMachines, showMeters, showAccounts, showEvents,
    showProducts,
  ]) part(snapshot);
  showFooter();
  // The offset goes last: whoever sees it sees everything of that offset.
  mark(document.body, "data-offset", snapshot.offset);
  showLatency();
  showHeader();
}

function showSoon() {
  if (waiting || snapshot === null) return;
  waiting = true;
  requestAnimationFrame(showSnapshot);
}

function languageChanged() {
  forgetLists();
  numbers.forgetFormats();
  if (snapshot === null) lack(byId("latency"), t("connection.connecting"));
  showHeader();
  showSoon();
}

await speak(languageChanged);
whenTableOpens(showSoon);
setInterval(showHeader, 1000);
follow(
  "v1/live",
  (next) => {
    snapshot = next;
    received_ms = performance.now();
    latency.received(next);
    showSoon();
  },
  (state) => {
    connection = state;
    showHeader();
  },
);
