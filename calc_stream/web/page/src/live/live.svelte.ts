// What the page knows right now, for every part of it to read.

import { Latency } from "./latency";
import { merge } from "./merge";
import { type Line, follow } from "./stream";
import type { Snapshot } from "./types";
import { askWho } from "./who.svelte";

const STALE_MS = 8_000;

class Live {
  snapshot = $state.raw<Snapshot | null>(null);
  /** The same once a second, for what is too much to draw at every change. */
  second = $state.raw<Snapshot | null>(null);
  line = $state<Line>("connecting");
  age_ms = $state(0);
  /** The clock on this wall, once a second. */
  clock_ms = $state(Date.now());
  latency_ms = $state<number | null>(null);
  readonly latency = new Latency();
  received_ms = 0;

  get stale(): boolean {
    return this.snapshot !== null && (this.line !== "live" || this.age_ms > STALE_MS);
  }
}

export const live = new Live();

// What came between two frames is shown as one; a hidden page takes in and shows later.
let next: Snapshot | null = null;
let waiting = false;

function show(): void {
  waiting = false;
  live.snapshot = next;
  live.second ??= next;
  requestAnimationFrame(() => {
    // The offset goes last: whoever sees it sees everything of that offset.
    document.body.dataset.offset = String(live.snapshot?.offset);
    const ms = live.latency.painted(live.snapshot?.latest_reading_ms ?? null);
    if (ms !== null) live.latency_ms = ms;
  });
}

function take(snapshot: Snapshot): void {
  next = snapshot;
  live.received_ms = performance.now();
  live.age_ms = 0;
  live.latency.received(snapshot.now_ms);
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(show);
}

/** Follow the stream from now on. */
export function watch(): void {
  void askWho();
  follow("v1/live", {
    snapshot: take,
    change: (change) => {
      if (next) take(merge(next, change));
    },
    line: (line) => {
      // A key may have ended meanwhile.
      if (line === "reconnecting" && live.line !== line) void askWho();
      live.line = line;
    },
  });
  setInterval(() => {
    live.clock_ms = Date.now();
    live.second = live.snapshot;
    live.age_ms = performance.now() - live.received_ms;
  }, 1000);
}
