// Meters, accounts, events and the products' downloads.

import { byId, h, lack, list, mark, say, show } from "./dom.js";
import { name, t } from "./language.js";
import * as numbers from "./numbers.js";
import { mixBar } from "./sources.js";

const SHOWN_EVENTS = 30;

function meterRow({ meter: id }) {
  const health = h("span", { class: "badge" });
  const [answered, power, register] = [h("data"), h("data"), h("data")];
  const [quality, notice] = [h("span"), h("p", { class: "note" })];
  const n = (inside, unit) => h("td", { class: "n" }, inside, h("span", { class: "unit" }, unit));
  const node = h("tr", { "data-meter": id },
    h("th", { scope: "row" }, id), h("td", {}, health), h("td", { class: "n" }, answered),
    n(power, "kW"), n(register, "kWh"), h("td", {}, quality, notice));
  return {
    node,
    update(meter) {
      mark(node, "data-health", meter.health);
      say(health, name("health", meter.health));
      mark(health, "data-state", meter.health);
      if (meter.last_ms === null) lack(answered, t("why.no_answer"));
      else show(answered, meter.last_ms, numbers.age(meter.now_ms - meter.last_ms));
      if (meter.power_w === null) lack(power, t("why.no_power"));
      else show(power, meter.power_w, numbers.power(meter.power_w));
      if (meter.energy_kwh === null) lack(register, t("why.no_answer"));
      else show(register, meter.energy_kwh, numbers.energy(meter.energy_kwh));
      say(quality, meter.quality === null ? "–" : name("quality", meter.quality));
      mark(quality, "data-quality", meter.quality);
      const { event, t_ms } = meter.notice ?? {};
      say(notice, event ? `${name("event", event)} ${numbers.moment(t_ms)}` : "");
      mark(notice, "data-event", event);
    },
  };
}

export function showMeters({ meters, now_ms }) {
  const rows = meters.map((meter) => ({ ...meter, now_ms }));
  list(byId("meters"), rows, (m) => m.meter, meterRow);
  byId("meters-empty").hidden = meters.length > 0;
  const ok = meters.filter((m) => m.health === "ok").length;
  say(byId("meters-count"), meters.length ? t("meters.count", { ok, all: meters.length }) : "");
}

function accountRow({ account }) {
  const [kind, place = ""] = account.split(/:(.*)/s);
  const energy = h("data");
  const mix = mixBar();
  const node = h("tr", { "data-account": account, title: name("account_hint", kind) },
    h("th", { scope: "row" }, h("span", { class: "kind" }, name("account", kind)), place),
    h("td", {}, mix.node),
    h("td", { class: "n" }, energy, h("span", { class: "unit" }, "kWh")));
  return {
    node,
    update({ kwh, by_source }) {
      show(energy, kwh, numbers.energy(kwh));
      mix.update(by_source);
    },
  };
}

export function showAccounts({ accounts }) {
  list(byId("accounts"), accounts, (a) => a.account, accountRow);
  byId("accounts-empty").hidden = accounts.length > 0;
}

/** The details of an event in words; what it is about stands before them already. */
const told = (detail, about) =>
  Object.entries(detail)
    .filter(([key, value]) => key !== "id" && value !== about)
    .map(([key, value]) => [key, key === "quantity" ? name("register", value) : name(key, value)])
    .map(([key, value]) => `${name("detail", key)} ${value}`)
    .join(" · ");

function eventRow({ t_ms, meter, event, detail }) {
  const time = h("time", { datetime: new Date(t_ms).toISOString() }, numbers.moment(t_ms));
  const what = h("span", { class: "what" }, name("event", event));
  const about = meter ?? detail.meter ?? detail.batch ?? detail.node ?? "";
  const text = h("p", {}, h("b", {}, about), " ", what);
  const more = h("p", { class: "note" }, told(detail, about));
  return { node: h("li", { "data-event": event }, time, h("div", {}, text, more)), update() {} };
}

export function showEvents({ events }) {
  const newest = [...events].sort((a, b) => b.t_ms - a.t_ms).slice(0, SHOWN_EVENTS);
  list(byId("events"), newest, (e) => JSON.stringify(e), eventRow);
  byId("events-empty").hidden = events.length > 0;
}

const products = new Set();

function productRow(product) {
  const link = (format) =>
    h("a", {
      class: "button",
      href: `v1/products/${encodeURIComponent(product)}/factors?format=${format}`,
      download: `${product}-factors.${format}`,
      "aria-label": t("products.download", { product, format: format.toUpperCase() }),
    }, format.toUpperCase());
  const buttons = h("span", { class: "buttons" }, link("csv"), link("json"));
  return { node: h("li", {}, h("span", { class: "name" }, product), buttons), update() {} };
}

/** Offer the factors of every product seen since the page was opened. */
export function showProducts({ batches }) {
  for (const { product } of batches) if (product !== null) products.add(product);
  list(byId("products"), [...products].sort(), (p) => p, productRow);
  byId("products-empty").hidden = products.size > 0;
}
