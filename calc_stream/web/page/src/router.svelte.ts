// Which view is shown: the part of the address behind #, so that every view has a link of its own
// and the server knows one page only.

export const VIEWS = ["now", "batches", "products", "meters", "events", "model"] as const;
export type View = (typeof VIEWS)[number];

/** An address somebody typed may be no address: it is taken as it is. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

class Place {
  #hash = $state(location.hash);
  readonly wall = new URLSearchParams(location.search).has("wall");

  constructor() {
    // Before anything is measured: a wall's letters are larger.
    document.documentElement.toggleAttribute("data-wall", this.wall);
    addEventListener("hashchange", () => {
      this.#hash = location.hash;
    });
  }

  get #parts(): string[] {
    return this.#hash.replace(/^#\/?/, "").split("/").map(decoded);
  }
  get view(): View {
    const [view] = this.#parts;
    return VIEWS.find((each) => each === view) ?? "now";
  }
  /** What of the view: the batch, the meter; "" for none. */
  get of(): string {
    return this.#parts.slice(1).join("/");
  }
}
export const place = new Place();

export const to = (view: View, of = ""): string =>
  `#/${view}${of ? `/${encodeURIComponent(of)}` : ""}`;
