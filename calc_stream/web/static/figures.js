// The big figures: power of each source now, energy so far, closure.

import { byId, h, lack, list, mark, say, show, svg } from "./dom.js";
import { t } from "./language.js";
import * as numbers from "./numbers.js";
import { colour, label, mixBar, mixWords } from "./sources.js";

const TICK = "M5 12.5l4.5 4.5L19 7.5";
const CROSS = "M6 6l12 12M18 6L6 18";

function card(kind, unit) {
  const title = h("h2");
  const value = h("data");
  const note = h("p", { class: "note" });
  const big = h("p", { class: "big" }, value, h("span", { class: "unit" }, unit));
  return { node: h("section", { class: `figure ${kind}` }, title, big, note), title, value, note };
}

function sourceCard({ source }) {
  const { node, title, value, note } = card("source", "kW");
  const bar = h("i");
  const track = h("div", { class: "share", "aria-hidden": "true" }, bar);
  bar.style.background = colour(source);
  mark(node, "data-source", source);
  node.append(track);
  return {
    node,
    update({ power_w, supply_w }) {
      say(title, t("figure.power", { source: label(source) }));
      if (power_w === null) {
        lack(value, t("why.no_power"));
        say(note, t("why.no_power"));
        bar.style.width = "0";
        return;
      }
      show(value, power_w, numbers.power(power_w));
      const share = supply_w > 0 ? Math.min(1, Math.max(0, power_w / supply_w)) : 0;
      say(note, t("figure.share", { share: numbers.percent(share) }));
      bar.style.width = `${share * 100}%`;
    },
  };
}

function energyCard() {
  const { node, title, value, note } = card("energy", "kWh");
  const mix = mixBar();
  mix.node.classList.add("share");
  node.append(mix.node);
  return {
    node,
    update({ sources }) {
      say(title, t("figure.energy"));
      if (!sources.length) {
        lack(value, t("why.no_reading"));
        say(note, t("why.no_reading"));
        return;
      }
      const total = numbers.sum(sources.map((s) => s.kwh));
      show(value, total, numbers.energy(total));
      const bySource = Object.fromEntries(sources.map((s) => [s.source, s.kwh]));
      mixWords(note, bySource);
      mix.update(bySource);
    },
  };
}

function closureCard() {
  const { node, title, value, note } = card("closure", "kWh");
  const path = svg("path", { d: TICK });
  const sign = svg("svg", { class: "sign", viewBox: "0 0 24 24", role: "img" }, path);
  const detail = h("p", { class: "note exact" });
  node.id = "closure";
  node.querySelector(".big").prepend(sign);
  node.append(detail);
  return {
    node,
    update({ closure }) {
      const parts = Object.entries(closure);
      const open = parts.filter(([, kwh]) => !numbers.isZero(kwh));
      const state = !parts.length ? "none" : open.length ? "off" : "closed";
      mark(node, "data-state", state);
      mark(sign, "aria-label", t(`closure.${state}`));
      mark(path, "d", state === "off" ? CROSS : TICK);
      say(title, t("figure.closure"));
      say(note, t(`closure.${state}`));
      say(detail, parts.map(([s, kwh]) => `${label(s)}${numbers.NBSP}${kwh}`).join(" · "));
      if (state === "none") return lack(value, t("why.no_interval"));
      // Opposite errors must not hide each other: the figure is the largest one.
      const worst = open.map(([, kwh]) => kwh).sort((a, b) => Math.abs(b) - Math.abs(a))[0] ?? "0";
      return show(value, worst, numbers.exact(worst));
    },
  };
}

/** Show the figures; sources with power come first, in the site model's order. */
export function showFigures({ sources, closure }) {
  const electric = sources.filter((s) => s.carrier === "electricity");
  const supply_w = electric.reduce((sum, s) => sum + Math.max(0, s.power_w ?? 0), 0);
  const cards = [
    ...electric.map((s) => ({ key: `source:${s.source}`, make: sourceCard, ...s, supply_w })),
    { key: "energy", make: energyCard, sources: electric },
    { key: "closure", make: closureCard, closure },
  ];
  list(byId("now"), cards, (c) => c.key, (c) => c.make(c));
}
