// Where energy came from: one colour a source, and the bar that shows the mix.

import { byId, h, list, mark, say } from "./dom.js";
import { name } from "./language.js";
import { NBSP, SPACE, energy } from "./numbers.js";

const OWN_COLOURS = ["grid", "pv"];
const OTHER_COLOURS = 4;
const order = [];

/** Fix the order of the sources, and with it their colours. */
function learn(source) {
  if (!order.includes(source)) order.push(source);
  return order.indexOf(source);
}

export function colour(source) {
  if (OWN_COLOURS.includes(source)) return `var(--${source})`;
  const others = order.filter((s) => !OWN_COLOURS.includes(s));
  return `var(--source-${(others.indexOf(source) % OTHER_COLOURS) + 1})`;
}

export const label = (source) => name("source", source);

export function showLegend(sources) {
  for (const { source } of sources) learn(source);
  list(byId("source-legend"), sources, (s) => s.source, ({ source }) => {
    const swatch = h("i", { class: "swatch" });
    swatch.style.background = colour(source);
    return { node: h("li", {}, swatch, label(source)), update() {} };
  });
}

/** A stacked bar of one account's energy by source; its text is the same in words. */
export function mixBar() {
  const node = h("div", { class: "mix", role: "img" });
  return {
    node,
    update(bySource) {
      const parts = Object.entries(bySource)
        .filter(([, kwh]) => Number(kwh) > 0)
        .sort(([a], [b]) => learn(a) - learn(b));
      const total = parts.reduce((sum, [, kwh]) => sum + Number(kwh), 0);
      const words = parts.map(([s, kwh]) => `${label(s)} ${energy(kwh)}${SPACE}kWh`).join(" · ");
      mark(node, "title", words);
      mark(node, "aria-label", words || "–");
      list(node, parts, ([source]) => source, ([source]) => {
        const piece = h("span");
        piece.style.background = colour(source);
        return {
          node: piece,
          // In percent: growth factors that sum to less than 1 would leave the bar unfilled.
          update: ([, kwh]) => piece.style.setProperty("flex-grow", (100 * Number(kwh)) / total),
        };
      });
    },
  };
}

/** The same mix written out: "Grid 0.938 · PV 0.296". */
export function mixWords(node, bySource) {
  const parts = Object.entries(bySource).sort(([a], [b]) => learn(a) - learn(b));
  say(node, parts.map(([s, kwh]) => `${label(s)}${NBSP}${energy(kwh)}`).join(" · "));
}
