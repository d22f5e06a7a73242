// A live stacked area chart. The geometry is pure; `StackedAreas` puts it on the page.

import { list, mark, say, svg } from "./dom.js";

export const SPAN_MS = 120_000;
const STEP_MS = 1000;
const LONGEST_GAP_MS = 10_000; // over a longer silence no line is drawn

/** The power of one history [[t_ms, w], …] at each of `times`; 0 where nothing is known. */
export function resample(history, times) {
  let next = 0;
  return times.map((t) => {
    while (next < history.length && history[next][0] <= t) next += 1;
    const before = history[next - 1];
    const after = history[next];
    if (!before) return 0;
    const [t0, w0] = before;
    if (!after) return t - t0 <= LONGEST_GAP_MS ? Math.max(0, w0) : 0;
    const [t1, w1] = after;
    if (t1 - t0 > LONGEST_GAP_MS) return 0;
    return Math.max(0, w0 + ((w1 - w0) * (t - t0)) / (t1 - t0));
  });
}

/** Both ends of the span and every whole second between, so that shapes slide and never shimmer. */
export function sampleTimes(now_ms) {
  const from = now_ms - SPAN_MS;
  const times = [from];
  for (let t = Math.ceil((from + 1) / STEP_MS) * STEP_MS; t < now_ms; t += STEP_MS) times.push(t);
  return [...times, now_ms];
}

/** A round step so that about four of them reach `most`. */
export function niceStep(most) {
  const rough = Math.max(most, 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 2.5, 5, 10].map((m) => m * power).find((step) => step >= rough);
}

const MARGIN_REM = { left: 2.4, right: 0.25, top: 0.6, bottom: 1.4 };

export class StackedAreas {
  #svg = svg("svg", { role: "img" });
  #lines = svg("g", { class: "lines" });
  #areas = svg("g", { class: "areas" });
  #labels = svg("g", { class: "labels" });
  #top_w = 0;
  #size = { width: 0, height: 0, rem: 16, margin: MARGIN_REM };
  #drawn = null;

  constructor(parent) {
    this.#svg.append(this.#areas, this.#lines, this.#labels);
    parent.append(this.#svg);
    new ResizeObserver(([{ contentRect }]) => {
      const { width, height } = contentRect;
      const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
      const sides = Object.entries(MARGIN_REM).map(([side, rems]) => [side, rems * rem]);
      this.#size = { width, height, rem, margin: Object.fromEntries(sides) };
      if (this.#drawn) this.draw(...this.#drawn);
    }).observe(parent);
  }

  /** Draw `series` [{key, colour, history}] stacked bottom up; `words` = {title, kw, at(s)}. */
  draw(series, now_ms, words) {
    this.#drawn = [series, now_ms, words];
    const { width, height, margin } = this.#size;
    if (!width) return;
    mark(this.#svg, "viewBox", `0 0 ${width} ${height}`);
    mark(this.#svg, "aria-label", words.title);
    const times = sampleTimes(now_ms);
    const tops = [times.map(() => 0)];
    for (const { history } of series) {
      const below = tops.at(-1);
      tops.push(resample(history, times).map((w, i) => w + below[i]));
    }
    const most = Math.max(...tops.at(-1));
    // Grow at once, shrink only when much too tall: the scale must not breathe.
    if (most > this.#top_w || most < this.#top_w * 0.55) this.#top_w = most * 1.08;
    const step = niceStep(this.#top_w);
    const ceiling = Math.ceil(Math.max(this.#top_w, 1) / step) * step;
    const across = width - margin.left - margin.right;
    const x = (t) => margin.left + ((t - times[0]) / SPAN_MS) * across;
    const up = height - margin.top - margin.bottom;
    const y = (w) => height - margin.bottom - (w / ceiling) * up;
    this.#drawAreas(series, tops, times.map(x), y);
    this.#drawScale(ceiling, step, now_ms, x, y, words);
  }

  #drawAreas(series, tops, xs, y) {
    const along = (ws) => xs.map((px, i) => `${px.toFixed(1)},${y(ws[i]).toFixed(1)}`);
    const layers = series.map(({ key, colour }, i) => {
      const path = `M${along(tops[i + 1]).join("L")}L${along(tops[i]).reverse().join("L")}Z`;
      return { key, colour, path };
    });
    list(this.#areas, layers, (layer) => layer.key, ({ key }) => {
      const node = svg("path", { "data-node": key });
      return {
        node,
        update({ path, colour }) {
          mark(node, "d", path);
          node.style.fill = colour;
        },
      };
    });
  }

  #drawScale(ceiling, step, now_ms, x, y, words) {
    const { width, rem, margin } = this.#size;
    const [left, right] = [margin.left, width - margin.right];
    const levels = [];
    for (let w = 0; w <= ceiling + 1; w += step) levels.push({ w, py: y(w), left, right });
    list(this.#lines, levels, (level) => level.w, () => {
      const node = svg("line");
      return {
        node,
        update({ py, left, right }) {
          mark(node, "x1", left);
          mark(node, "x2", right);
          for (const end of ["y1", "y2"]) mark(node, end, py.toFixed(1));
        },
      };
    });
    const ages = width > 22 * rem ? [120, 90, 60, 30, 0] : [120, 60, 0];
    const anchor = (s) => (s === 120 ? "start" : s === 0 ? "end" : "middle");
    const texts = [
      ...levels.map(({ w, py }) => ({
        key: `w${w}`, text: words.kw(w), px: left - 0.5 * rem, py: py + 0.25 * rem, anchor: "end",
      })),
      ...ages.map((s) => ({
        key: `s${s}`, text: words.at(s), px: x(now_ms - s * 1000), py: y(0) + 1.05 * rem, anchor: anchor(s),
      })),
    ];
    list(this.#labels, texts, (text) => text.key, () => {
      const node = svg("text");
      return {
        node,
        update({ text, px, py, anchor }) {
          say(node, text);
          mark(node, "x", px.toFixed(1));
          mark(node, "y", py.toFixed(1));
          mark(node, "text-anchor", anchor);
        },
      };
    });
  }
}

/** A colour for each of `n` layers: one calm sweep of hues, neighbours told apart by lightness. */
export function layerColour(place, n) {
  const hue = 262 - (n > 1 ? (222 * place) / (n - 1) : 0);
  const lift = place % 2 ? "var(--layer-lift)" : "0";
  return `oklch(calc(var(--layer-l) + ${lift}) var(--layer-c) ${hue.toFixed(0)})`;
}

/** The mean, least and most of a history, in watts; null for an empty one. */
export function range(history) {
  if (!history.length) return null;
  const watts = history.map(([, w]) => w);
  const mean = watts.reduce((sum, w) => sum + w, 0) / watts.length;
  return { mean, least: Math.min(...watts), most: Math.max(...watts) };
}
