/**
 * How long a meter's answer takes to the page, measured when it is painted. Clocks that agree to
 * half a second count as one clock; a larger difference is taken from the fastest snapshot lately.
 */
export class Latency {
  #offsets: number[] = [];
  #seen_ms = 0;
  #latencies: number[] = [];

  received(now_ms: number, at_ms = Date.now()): void {
    this.#offsets.push(at_ms - now_ms);
    if (this.#offsets.length > 240) this.#offsets.shift();
  }

  /** The latency of the newest reading, or null when it was painted before. */
  painted(reading_ms: number | null, at_ms = Date.now()): number | null {
    if (!reading_ms || reading_ms <= this.#seen_ms) return null;
    this.#seen_ms = reading_ms;
    const least = Math.min(...this.#offsets);
    const offset = least >= 0 && least <= 500 ? 0 : least;
    const latency = Math.max(0, at_ms - offset - reading_ms);
    this.#latencies.push(latency);
    if (this.#latencies.length > 500) this.#latencies.shift();
    return latency;
  }

  /** The latency that `part` of the last 500 new readings stayed within. */
  quantile(part: number): number {
    const sorted = [...this.#latencies].sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
  }
}
