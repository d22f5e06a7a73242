// Power per machine: the stacked chart, the bars that are its legend, and the table behind it.

import { StackedAreas, layerColour, range } from "./chart.js";
import { byId, h, lack, list, mark, say, show } from "./dom.js";
import { name, t } from "./language.js";
import * as numbers from "./numbers.js";

function machineRow({ node: id }) {
  const swatch = h("i", { class: "swatch" });
  const state = h("span", { class: "badge" });
  const batches = h("span", { class: "of" });
  const bar = h("i");
  const value = h("data");
  const node = h("li", { "data-node": id },
    swatch,
    h("span", { class: "name" }, id),
    state,
    h("span", { class: "track", "aria-hidden": "true" }, bar),
    h("span", { class: "watts" }, value, h("span", { class: "unit" }, "kW")),
    batches);
  return {
    node,
    update(machine) {
      swatch.style.background = machine.colour;
      bar.style.background = machine.colour;
      say(state, name("state", machine.state));
      mark(state, "data-state", machine.state);
      say(batches, machine.batches.join(", "));
      const watts = machine.power_w;
      if (watts === null) lack(value, t("why.no_power"));
      else show(value, watts, numbers.power(watts));
      bar.style.width = `${Math.min(100, (100 * Math.max(0, watts ?? 0)) / machine.scale_w)}%`;
    },
  };
}

function tableRow({ node: id }) {
  const values = Array.from({ length: 4 }, () => h("data"));
  const cells = values.map((value) => h("td", { class: "n" }, value));
  return {
    node: h("tr", {}, h("th", { scope: "row" }, id), ...cells),
    update({ power_w, power_history }) {
      const { mean, least, most } = range(power_history) ?? {};
      [power_w, mean, least, most].forEach((watts, i) => {
        if (watts === null || watts === undefined) lack(values[i], t("why.no_power"));
        else show(values[i], Math.round(watts), numbers.power(watts));
      });
    },
  };
}

/** Hovering a machine's row lifts its layer out of the stack. */
function linkRowsToLayers() {
  const chart = byId("chart");
  const rows = byId("machines");
  const choose = (id) => {
    chart.classList.toggle("choosing", id !== null);
    for (const layer of chart.querySelectorAll("path")) {
      layer.classList.toggle("chosen", layer.dataset.node === id);
    }
  };
  rows.addEventListener("pointerover", (e) => choose(e.target.closest("li")?.dataset.node ?? null));
  rows.addEventListener("pointerleave", () => choose(null));
}

let chart = null;

/** Show the power of every machine now and over the last two minutes. */
export function showMachines({ machines, now_ms }) {
  if (!chart) {
    chart = new StackedAreas(byId("chart"));
    linkRowsToLayers();
  }
  const most_w = Math.max(1, ...machines.map((m) => range(m.power_history)?.most ?? m.power_w ?? 0));
  const rows = machines.map((machine, place) => ({
    ...machine,
    colour: layerColour(place, machines.length),
    scale_w: most_w,
  }));
  list(byId("machines"), rows, (m) => m.node, machineRow);
  if (byId("power-table").open) list(byId("power-rows"), rows, (m) => m.node, tableRow);
  byId("machines-empty").hidden = machines.length > 0;
  byId("chart").hidden = machines.length === 0;
  byId("power-table").hidden = machines.length === 0;

  const total_w = machines.reduce((sum, m) => sum + (m.power_w ?? 0), 0);
  const total = `${numbers.power(total_w)}${numbers.SPACE}kW`;
  if (machines.length) show(byId("power-total"), total_w, total);
  else lack(byId("power-total"), t("why.no_power"));
  const series = rows.map((m) => ({ key: m.node, colour: m.colour, history: m.power_history }));
  chart.draw(series, now_ms, {
    title: t("power.chart", { total, count: machines.length }),
    kw: (watts) => numbers.exact(watts / 1000),
    at: (s) => (s ? t("power.ago", { seconds: s }) : t("power.now_short")),
  });
}

/** Bring the table up to date when it is opened. */
export const whenTableOpens = (then) => byId("power-table").addEventListener("toggle", then);
