// The page's colours for what is drawn on a canvas, read anew when the screen turns dark or light.

import "../router.svelte"; // which says first whether this is a wall

export const LAYERS = 11;

export interface Palette {
  ink: string;
  muted: string;
  line: string;
  surface: string;
  track: string;
  accent: string;
  alarm: string;
  warn: string;
  /** Machines, bottom up; the last is for all the others together. */
  layers: string[];
  rest: string;
  /** The value of a custom property. */
  of(property: string): string;
  /** The font's size in px. */
  rem: number;
  font: string;
}

function read(): Palette {
  const style = getComputedStyle(document.documentElement);
  const of = (property: string): string => style.getPropertyValue(property).trim();
  const layers = Array.from({ length: LAYERS }, (_, at) => of(`--layer-${at + 1}`));
  const [ink, muted, line] = [of("--ink"), of("--muted"), of("--line")];
  const [surface, track, accent] = [of("--surface"), of("--track"), of("--accent")];
  const [alarm, warn, rest] = [of("--alarm"), of("--warn"), of("--layer-rest")];
  const font = getComputedStyle(document.body).fontFamily;
  const rem = parseFloat(style.fontSize);
  return { ink, muted, line, surface, track, accent, alarm, warn, layers, rest, of, rem, font };
}

class Screen {
  palette = $state.raw<Palette>(read());
}
export const screen = new Screen();

const again = (): void => {
  screen.palette = read();
};
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
addEventListener("resize", again);
// Paper is always light.
matchMedia("print").addEventListener("change", again);
