// The live stream: one snapshot after another, and how well it is connected.

const SILENT_MS = 12_000; // the server speaks at least every 5 s
const LONGEST_WAIT_MS = 15_000;

/**
 * Follow the server-sent snapshots of `url` for as long as the page is open. `onSnapshot(snapshot)`
 * gets each one; `onState` gets "connecting", "live" or "reconnecting". The browser's EventSource
 * retries a lost line by itself; a refused one and one that went silent are opened anew here.
 */
export function follow(url, onSnapshot, onState) {
  let source = null;
  let heard_ms = 0;
  let refusals = 0;

  function open() {
    source?.close();
    heard_ms = performance.now();
    source = new EventSource(url);
    source.addEventListener("snapshot", (message) => {
      heard_ms = performance.now();
      refusals = 0;
      onState("live");
      onSnapshot(JSON.parse(message.data));
    });
    source.addEventListener("error", () => {
      onState("reconnecting");
      if (source.readyState !== EventSource.CLOSED) return;
      refusals += 1;
      setTimeout(open, Math.min(LONGEST_WAIT_MS, 500 * 2 ** refusals));
    });
  }

  setInterval(() => {
    const refused = source.readyState === EventSource.CLOSED; // waits for its own next try
    if (refused || performance.now() - heard_ms < SILENT_MS) return;
    onState("reconnecting");
    open();
  }, 1000);
  onState("connecting");
  open();
}

/**
 * How long a meter's answer takes to the page, measured when it is painted. Clocks that agree to
 * half a second count as one clock; a larger difference is taken from the fastest snapshot lately.
 */
export class Latency {
  #offsets = [];
  #seen_ms = 0;
  #latencies = [];

  received(snapshot) {
    this.#offsets.push(Date.now() - snapshot.now_ms);
    if (this.#offsets.length > 240) this.#offsets.shift();
  }

  /** The latency of this snapshot's newest reading, or null when it brought no new one. */
  painted(snapshot) {
    if (!snapshot.latest_reading_ms || snapshot.latest_reading_ms <= this.#seen_ms) return null;
    this.#seen_ms = snapshot.latest_reading_ms;
    const least = Math.min(...this.#offsets);
    const offset = least >= 0 && least <= 500 ? 0 : least;
    const latency = Math.max(0, Date.now() - offset - snapshot.latest_reading_ms);
    this.#latencies.push(latency);
    if (this.#latencies.length > 500) this.#latencies.shift();
    return latency;
  }

  /** The latency that `part` of the last 500 new readings stayed within. */
  quantile(part) {
    const sorted = this.#latencies.toSorted((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
  }
}
