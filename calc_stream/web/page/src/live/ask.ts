// Questions to the calculator's API, and words to it.

export interface Answer<T> {
  value: T | null;
  /** "" when it went well; else what the server said. */
  problem: string;
  /** The calculator has no such door: an older one, or one that is read only. */
  unserved: boolean;
}

const UNSERVED = [404, 405, 501];
// Doors the calculator has by now, and those within a batch; the others are not knocked at.
const DOORS = ["batches", "products", "meters"];
const BATCH_DOORS = ["revisions"];
const NOTHING = { value: null, problem: "", unserved: true };

function isDoor(path: string): boolean {
  const [, door = "", , within] = (path.split("?")[0] ?? "").split("/");
  return DOORS.includes(door) && (door !== "batches" || !within || BATCH_DOORS.includes(within));
}

/** An id nobody else gives. A plant's page may come without TLS, so without `randomUUID`. */
export function freshId(): string {
  const dice = crypto.getRandomValues(new Uint32Array(3));
  return `page-${[...dice].map((each) => each.toString(36)).join("")}`;
}

async function answered<T>(response: Response): Promise<Answer<T>> {
  const type = response.headers.get("content-type") ?? "";
  const body: unknown = type.includes("json") ? await response.json() : null;
  if (response.ok) return { value: body as T, problem: "", unserved: false };
  const told = body as { detail?: string; title?: string } | null;
  const problem = told?.detail ?? told?.title ?? `HTTP ${response.status}`;
  return { value: null, problem, unserved: UNSERVED.includes(response.status) };
}

/** GET `path`; with `body`, POST it: a string as CSV, anything else as JSON. Never throws. */
export async function ask<T>(path: string, body?: unknown): Promise<Answer<T>> {
  if (!isDoor(path)) return NOTHING;
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
  } catch (fault) {
    return { value: null, problem: String(fault), unserved: false };
  }
}
