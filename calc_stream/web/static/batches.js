// Running batches as cards, ended ones as a table.

import { byId, h, lack, list, mark, say, show } from "./dom.js";
import { name, t } from "./language.js";
import * as numbers from "./numbers.js";
import { label, mixBar, mixWords } from "./sources.js";

// A batch between two stations has stopped everywhere and is not closed yet: it keeps its card.
const isRunning = (batch) => batch.state === "live" || batch.state === "provisional";

// Its emission factor was not read in the publisher's own document.
const isSecondHand = (batch) => batch.factor_status === "secondary";

const noFactor = (batch) =>
  t("why.no_factor", { sources: (batch.unknown_sources ?? []).map(label).join(", ") });

/** Why a figure per unit is missing, as people need to hear it. */
function whyNone(batch) {
  if (Number(batch.good) === 0) return t("why.no_good");
  return batch.kg_co2e === null ? noFactor(batch) : t("why.unknown");
}

function perUnit(node, value, batch) {
  if (value === null) lack(node, whyNone(batch));
  else show(node, value, numbers.factor(value));
}

function kilograms(node, batch) {
  if (batch.kg_co2e === null) lack(node, noFactor(batch));
  else {
    show(node, batch.kg_co2e, numbers.mass(batch.kg_co2e));
    if (isSecondHand(batch)) mark(node, "title", t("running.second_hand"));
  }
}

/** A batch's state in words, with what limits it. */
function showState(badge, batch) {
  const state = name("batch", batch.state);
  say(badge, batch.incomplete ? `${state} · ${t("batch.incomplete")}` : state);
  mark(badge, "data-state", batch.incomplete ? "incomplete" : batch.state);
}

const unitOf = (batch) => (batch.unit ? name("unit", batch.unit) : t("unit.any"));

function measure(label, unit) {
  const term = h("dt", {}, label);
  const value = h("data");
  const per = h("span", { class: "unit" }, unit);
  return { node: h("div", {}, term, h("dd", {}, value, per)), term, value, per };
}

/**
 * The footprint in large: per unit once a good piece was reported, in total until then. The other
 * of the two stands small beside it.
 */
function footprint(other) {
  const value = h("data");
  const unit = h("span", { class: "unit" });
  const note = h("p", { class: "note" });
  const node = h("div", { class: "headline" }, h("p", { class: "big" }, value, unit), note);
  return {
    node,
    update(batch) {
      const known = batch.kg_co2e_per_unit !== null;
      mark(node, "data-per-unit", known);
      perUnit(known ? value : other.value, batch.kg_co2e_per_unit, batch);
      kilograms(known ? other.value : value, batch);
      say(unit, known ? `kg CO₂e / ${unitOf(batch)}` : "kg CO₂e");
      say(other.term, known ? t("running.mass") : t("running.mass_per_unit"));
      const words = [batch.state === "live" ? t("running.so_far") : t("running.stopped")];
      if (batch.kg_co2e === null) words.push(noFactor(batch));
      else if (isSecondHand(batch)) words.push(t("running.second_hand"));
      say(note, words.join(" · "));
    },
  };
}

function runningCard({ batch: id }) {
  const product = h("h3");
  const where = h("p", { class: "where" });
  const clock = h("time", { class: "elapsed" });
  const badge = h("span", { class: "badge" });
  const energy = measure(t("running.energy"), "kWh");
  const mass = measure("", "kg CO₂e");
  const headline = footprint(mass);
  const energyPer = measure(t("running.energy_per_unit"), "kWh");
  const pieces = measure(t("column.good_scrap"), "");
  const mix = mixBar();
  const words = h("p", { class: "mix-words" });
  energy.value.classList.add("energy");
  const node = h("li", {},
    h("article", { class: "batch", "data-batch": id },
      h("header", {}, h("div", {}, product, badge), h("div", {}, where, clock)),
      headline.node,
      h("dl", { class: "measures" }, energy.node, mass.node, energyPer.node, pieces.node),
      h("div", { class: "mix-line" }, mix.node, words)));
  const article = node.firstElementChild;

  return {
    node,
    update(batch) {
      mark(article, "data-state", batch.state);
      mark(article, "aria-label", `${batch.product} ${id}`);
      say(product, batch.product ?? t("why.no_product"));
      say(where, `${id} · ${batch.nodes.join(", ")}`);
      showState(badge, batch);
      if (batch.started_ms !== null) {
        say(clock, numbers.stopwatch((batch.ended_ms ?? batch.now_ms) - batch.started_ms));
        mark(clock, "title", t("running.since", { time: numbers.moment(batch.started_ms) }));
      }
      headline.update(batch);
      show(energy.value, batch.energy_kwh, numbers.energy(batch.energy_kwh));
      perUnit(energyPer.value, batch.kwh_per_unit, batch);
      show(pieces.value, batch.good, `${numbers.exact(batch.good)} / ${numbers.exact(batch.scrap)}`);
      say(pieces.per, batch.unit ? unitOf(batch) : "");
      mix.update(batch.by_source);
      mixWords(words, batch.by_source);
    },
  };
}

function endedRow({ batch: id }) {
  const product = h("span");
  const badge = h("span", { class: "badge" });
  const ended = h("time");
  const [energy, mass, pieces, massPer, energyPer, measured, revision, offset] =
    Array.from({ length: 8 }, () => h("data"));
  const unit = h("span", { class: "unit" });
  const method = h("span");
  const mix = mixBar();
  const td = (...inside) => h("td", {}, ...inside);
  const n = (...inside) => h("td", { class: "n" }, ...inside);
  const node = h("tr", { "data-batch": id },
    h("th", { scope: "row" }, id), td(product), td(badge), n(ended), n(energy), td(mix.node), n(mass),
    n(pieces, unit), n(massPer), n(energyPer), n(measured), td(method), n(revision), n(offset));

  return {
    node,
    update(batch) {
      say(product, batch.product ?? t("why.no_product"));
      showState(badge, batch);
      say(ended, batch.ended_ms === null ? "–" : numbers.moment(batch.ended_ms));
      show(energy, batch.energy_kwh, numbers.energy(batch.energy_kwh));
      mix.update(batch.by_source);
      kilograms(mass, batch);
      show(pieces, batch.good, `${numbers.exact(batch.good)} / ${numbers.exact(batch.scrap)}`);
      say(unit, batch.unit ? name("unit", batch.unit) : "");
      perUnit(massPer, batch.kg_co2e_per_unit, batch);
      perUnit(energyPer, batch.kwh_per_unit, batch);
      show(measured, batch.measured_share, numbers.share(batch.measured_share));
      say(method, name("method", batch.method));
      if (batch.revision === 0) lack(revision, t("why.not_closed"));
      else show(revision, batch.revision, String(batch.revision));
      show(offset, batch.offset, numbers.exact(batch.offset));
    },
  };
}

/** Show running batches as cards and the others in the table. */
export function showBatches({ batches, now_ms }) {
  const running = batches.filter(isRunning).map((batch) => ({ ...batch, now_ms }));
  const ended = batches.filter((batch) => !isRunning(batch));
  list(byId("running"), running, (b) => b.batch, runningCard);
  list(byId("closed"), ended, (b) => b.batch, endedRow);
  byId("running-empty").hidden = running.length > 0;
  byId("closed-empty").hidden = ended.length > 0;
}
