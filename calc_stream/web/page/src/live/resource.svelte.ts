// An answer of the API that a view shows: asked for when its path changes, kept until the next is here.

import { untrack } from "svelte";
import { ask } from "./ask";

export class Resource<T> {
  value = $state.raw<T | null>(null);
  problem = $state("");
  status = $state(0);
  #asked = "";

  /** Nothing is known yet, and nothing went wrong. */
  get waiting(): boolean {
    return this.value === null && !this.problem;
  }

  /** Ask for `path`; an answer that comes after a newer question is dropped. */
  async load(path: string): Promise<void> {
    this.#asked = path;
    const answer = await ask<T>(path);
    if (this.#asked !== path) return;
    untrack(() => {
      this.value = answer.value ?? this.value;
      this.problem = answer.problem;
      this.status = answer.status;
    });
  }
}
