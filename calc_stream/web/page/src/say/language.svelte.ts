// The page's two languages. Texts are loaded one language at a time; whatever is said through `t`
// or `name` says itself anew when the language changes.

import type en from "../texts/en.json";

export type Language = "en" | "zh";
type Key = keyof typeof en;
type Values = Record<string, string | number>;

export const LANGUAGES: Record<Language, { tag: string; label: string }> = {
  en: { tag: "en", label: "EN" },
  zh: { tag: "zh-CN", label: "中文" },
};
const KEPT_AS = "wattprint.language";
const LOADERS: Record<Language, () => Promise<{ default: Record<string, string> }>> = {
  en: () => import("../texts/en.json"),
  zh: () => import("../texts/zh.json"),
};

class Speech {
  language = $state.raw<Language>("en");
  texts = $state.raw<Record<string, string>>({});
}
export const speech = new Speech();

const isLanguage = (tag: string | null): tag is Language => tag !== null && tag in LANGUAGES;

/** The language kept from last time, else the browser's, else English. */
function preferred(): Language {
  const kept = localStorage.getItem(KEPT_AS);
  if (isLanguage(kept)) return kept;
  return navigator.languages.map((tag) => tag.slice(0, 2)).find(isLanguage) ?? "en";
}

/** The locale for numbers and dates: the browser's own where it is of the page's language. */
export function locale(): string {
  const { language } = speech;
  return navigator.languages.find((tag) => tag.slice(0, 2) === language) ?? LANGUAGES[language].tag;
}

/** The text of `key`, with {name} replaced from `values`. */
export function t(key: Key, values: Values = {}): string {
  const text = speech.texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, word: string) => String(values[word] ?? ""));
}

/** What people call `word` among its `kind` (a state, a source …); the word itself if nobody said. */
export const name = (kind: string, word: string): string => speech.texts[`${kind}.${word}`] ?? word;

/** A text of a family whose words come from records; "" when nobody said one for this word. */
export const maybe = (kind: string, word: string, values: Values = {}): string =>
  speech.texts[`${kind}.${word}`] ? t(`${kind}.${word}` as Key, values) : "";

/** Speak `language`, from now on and next time; without one, the preferred. */
export async function speak(language?: Language): Promise<void> {
  if (language) localStorage.setItem(KEPT_AS, language);
  const wanted = language ?? preferred();
  const { default: texts } = await LOADERS[wanted]();
  speech.texts = texts;
  speech.language = wanted;
  document.documentElement.lang = LANGUAGES[wanted].tag;
}
