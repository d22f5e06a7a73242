// The live stream's line: snapshots, the changes between them, and how well it is connected.

import type { Change, Snapshot } from "./types";

export type Line = "connecting" | "live" | "reconnecting";
export interface Heard {
  snapshot(snapshot: Snapshot): void;
  change(change: Change): void;
  line(state: Line): void;
}

const SILENT_MS = 12_000; // the server speaks at least every 5 s
const LONGEST_WAIT_MS = 15_000;

/**
 * Follow the server-sent events of `url` for as long as the page is open. The browser's EventSource
 * retries a lost line by itself, and says what it heard last; a refused one and one that went
 * silent are opened anew here, and begin with a snapshot.
 */
export function follow(url: string, heard: Heard): void {
  let source: EventSource;
  let heard_ms = 0;
  let refusals = 0;

  function take<T>(event: string, then: (told: T) => void): void {
    source.addEventListener(event, (message: MessageEvent<string>) => {
      heard_ms = performance.now();
      refusals = 0;
      heard.line("live");
      then(JSON.parse(message.data) as T);
    });
  }

  function open(): void {
    source?.close();
    heard_ms = performance.now();
    source = new EventSource(url);
    const mine = source;
    take("snapshot", heard.snapshot);
    take("change", heard.change);
    mine.addEventListener("error", () => {
      heard.line("reconnecting");
      if (mine.readyState !== EventSource.CLOSED) return;
      refusals += 1;
      setTimeout(open, Math.min(LONGEST_WAIT_MS, 500 * 2 ** refusals));
    });
  }

  setInterval(() => {
    const refused = source.readyState === EventSource.CLOSED; // waits for its own next try
    if (refused || performance.now() - heard_ms < SILENT_MS) return;
    heard.line("reconnecting");
    open();
  }, 1000);
  heard.line("connecting");
  open();
}
