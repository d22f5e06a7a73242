// Questions to the calculator's API, and words to it.

import { t } from "../say/language.svelte";
import { type Fault, inWords } from "../say/reasons";

export interface Answer<T> {
  value: T | null;
  /** "" when it went well; else what the server said, in the page's language where it has a code. */
  problem: string;
  faults?: Fault[];
  /** 0 when nobody answered. */
  status: number;
}

/** An id nobody else gives. A plant's page may come without TLS, so without `randomUUID`. */
export function freshId(): string {
  const dice = crypto.getRandomValues(new Uint32Array(3));
  return `page-${[...dice].map((each) => each.toString(36)).join("")}`;
}

async function answered<T>(response: Response): Promise<Answer<T>> {
  const type = response.headers.get("content-type") ?? "";
  const body: unknown = type.includes("json") ? await response.json() : null;
  const { ok, status } = response;
  if (ok) return { value: body as T, problem: "", status };
  const told = body as { detail?: string; title?: string; faults?: Fault[] } | null;
  const problem = inWords(told?.faults?.[0]) || (told?.detail ?? told?.title ?? `HTTP ${status}`);
  return { value: null, problem, faults: told?.faults, status };
}

/** The file at `path` goes to the downloads as `file`; what the server said against it, or "". */
export async function saved(path: string, file: string): Promise<string> {
  try {
    const response = await fetch(path);
    if (!response.ok) return (await answered(response)).problem;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await response.blob());
    link.download = file;
    link.click();
    // Not at once: the download may not have begun to read it.
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    return "";
  } catch {
    return t("why.no_server");
  }
}

/** GET `path`; with `body`, POST it: a string as CSV, anything else as JSON. Never throws. */
export async function ask<T>(path: string, body?: unknown): Promise<Answer<T>> {
  try {
    if (body === undefined) return await answered<T>(await fetch(path));
    const csv = typeof body === "string";
    return await answered<T>(
      await fetch(path, {
        method: "POST",
        body: csv ? body : JSON.stringify(body),
        headers: {
          "Content-Type": csv ? "text/csv" : "application/json",
          "X-Requested-With": "wattprint",
        },
      }),
    );
  } catch {
    return { value: null, problem: t("why.no_server"), status: 0 };
  }
}
