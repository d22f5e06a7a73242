// The page's two languages: which one, its texts, and putting them where index.html asks for them.

const LANGUAGES = ["en", "zh"];
const KEPT_AS = "wattprint.language";

let current = "en";
let texts = {};

/** The language kept from last time, else the browser's, else English. */
function preferred() {
  const kept = localStorage.getItem(KEPT_AS);
  if (LANGUAGES.includes(kept)) return kept;
  const wanted = navigator.languages.map((tag) => tag.slice(0, 2));
  return wanted.find((tag) => LANGUAGES.includes(tag)) ?? "en";
}

/** The locale for numbers and dates: the browser's own where it is of the page's language. */
export function locale() {
  const own = navigator.languages.find((tag) => tag.slice(0, 2) === current);
  return own ?? { en: "en", zh: "zh-CN" }[current];
}

/** The text of `key`, with {name} replaced from `values`. */
export function t(key, values = {}) {
  return texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** What people call `word` among its `kind` (a state, a source …); the word itself if nobody said. */
export const name = (kind, word) => texts[`${kind}.${word}`] ?? word;

async function load(language) {
  const answer = await fetch(new URL(`texts/${language}.json`, import.meta.url));
  if (!answer.ok) throw new Error(`texts/${language}.json: ${answer.status}`);
  texts = await answer.json();
  current = language;
  document.documentElement.lang = { en: "en", zh: "zh-CN" }[language];
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll("[data-t-title]")) node.title = t(node.dataset.tTitle);
  for (const node of document.querySelectorAll("[data-t-label]")) {
    node.setAttribute("aria-label", t(node.dataset.tLabel));
  }
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === language));
  }
}

/** Load the preferred language and let the header's buttons change it; `changed` runs after each. */
export async function speak(changed) {
  for (const button of document.querySelectorAll("[data-language]")) {
    button.addEventListener("click", async () => {
      localStorage.setItem(KEPT_AS, button.dataset.language);
      await load(button.dataset.language);
      changed();
    });
  }
  await load(preferred());
  changed();
}
