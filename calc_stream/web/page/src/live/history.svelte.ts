// The latest closed batches of each product, asked for anew when another one has closed.

import { untrack } from "svelte";
import { ask } from "./ask";
import { live } from "./live.svelte";
import type { Batch } from "./types";

const LAST = 10;
const CLOSED = ["closed", "settled", "restated"];

class Product {
  rows = $state.raw<Batch[]>([]);
  asked = "";
}
const products = new Map<string, Product>();

/** Of the batches in the stream, the one of this product that ended last of those that closed. */
function newest(product: string): string {
  const closed = (live.snapshot?.batches ?? []).filter((b) => b.product === product && CLOSED.includes(b.state));
  const [last] = closed.sort((a, b) => (b.ended_ms ?? 0) - (a.ended_ms ?? 0));
  return last?.batch ?? "none";
}

/** The last ten closed batches of a product, the newest first; none until they are known. */
export function lastOf(product: string): Batch[] {
  const known = products.get(product) ?? new Product();
  products.set(product, known);
  const key = newest(product);
  if (known.asked !== key) {
    known.asked = key;
    const query = new URLSearchParams({ product, state: "closed", limit: String(LAST) });
    void ask<{ batches: Batch[] }>(`v1/batches?${query}`).then(({ value }) => {
      untrack(() => (known.rows = value?.batches ?? known.rows));
    });
  }
  return known.rows;
}
