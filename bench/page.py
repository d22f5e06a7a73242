"""How light and how smooth the page is, in Debian's Chromium.

`python -m bench.page [--meters 500] [--for 60] [--view now] [--json]`

The page's own files and the calculator's own stream of snapshots and changes, of a made-up site with
that many meters, each read once a second; four changes a second come to the page. Told are: what the
first view weighs (gzip) and how long it takes until its figures are painted; then, for a minute, how
many of the frames a blank page gets this one gets, how many took longer than 50 ms, what part of a
core the page's thread takes, and how long it is from a change to the frame that shows it.
"""

import argparse
import asyncio
import gzip
import json
import multiprocessing
import random
import shutil
import socket
import sys
import time
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.middleware.gzip import GZipMiddleware

from calc_stream.web import pages
from calc_stream.web.live import Live
from calc_stream.web.snapshot import BatchNow, MachineNow, MeterNow, Snapshot, SourceNow

MOST_BYTES, MOST_FIRST_S, LONG_MS = 300_000, 1.0, 50
SPAN_MS = 120_000
FLAGS = ["--no-sandbox", "--disable-gpu"]
# Frame after frame for so many ms: how long each took.
FRAMES = """(ms) => new Promise((done) => {
  const taken = [];
  const began = performance.now();
  let last = began;
  const next = (now) => {
    taken.push(now - last);
    last = now;
    if (now - began < ms) requestAnimationFrame(next);
    else done(taken.slice(1));
  };
  requestAnimationFrame(next);
})"""


# When the frame begins that follows the one with the first figure, in ms since the page was asked for.
FIRST = """() => {
  window.first = new Promise((done) => {
    const seen = new MutationObserver(() => {
      if (!document.querySelector("#now data[value]")) return;
      seen.disconnect();
      requestAnimationFrame(() => done(performance.now()));
    });
    seen.observe(document, { subtree: true, childList: true, attributes: true });
  });
}"""


class Site:
    """A site of so many meters, half of its machines busy; one batch runs on each ten of them."""

    def __init__(self, meters: int, seed: int) -> None:
        self._dice = random.Random(seed)
        self._offset = 0
        self._kwh = 0
        begin_ms = now_ms() - SPAN_MS
        self._histories = [
            [(begin_ms + 1000 * s + at, self._watts(at)) for s in range(SPAN_MS // 1000)]
            for at in range(meters)
        ]

    def _watts(self, at: int) -> int:
        return round(1000 * (1 + at % 40) * self._dice.uniform(0.7, 1.3))

    def snapshot(self) -> Snapshot:
        """As it is now: a quarter of the meters has answered since the last time."""
        at_ms = now_ms()
        self._offset += 1
        self._kwh += 25_000
        for at in range(self._offset % 4, len(self._histories), 4):
            history = [*self._histories[at], (at_ms, self._watts(at))]
            self._histories[at] = [point for point in history if point[0] >= at_ms - SPAN_MS]
        kwh = f"{self._kwh / 1e6:.6f}"
        machines, meters = [], []
        for at, history in enumerate(self._histories):
            last_ms, watts = history[-1]
            names = (f"node-{at}", f"m-{at}")
            batch = (f"B-{at // 10}",) if at % 2 else ()
            machines.append(
                MachineNow(names[0], "L1", (names[1],), "producing", watts, batch, history)
            )
            where = (names[1], "main", names[0], "electricity", "kWh")
            meters.append(MeterNow(*where, "ok", last_ms, f"{at}{kwh}", watts, "good"))
        batches = [
            BatchNow(
                site="bench",
                batch=f"B-{n}",
                product="wheel-18",
                energy_kwh=kwh,
                by_source={"grid": kwh},
                value_adding={"grid": kwh},
                nodes=(f"node-{n}",),
                units={"grid": "kWh"},
                kg_co2e=kwh,
                started_ms=at_ms - 60_000,
            )
            for n in range(min(12, len(meters) // 10))
        ]
        total = sum(machine.power_w or 0 for machine in machines)
        source = SourceNow("grid", "electricity", "kWh", kwh, kwh, total)
        top = ("bench", at_ms, at_ms, self._offset, at_ms, "gbt24067", {"grid": "0.000000"})
        return Snapshot(*top, [source], batches, [], machines, meters)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def application(meters: int) -> FastAPI:
    """The page, its stream, and as much of the API as the first view asks for."""
    app, live, site = FastAPI(), Live("0badc0de"), Site(meters, seed=1)
    app.add_middleware(GZipMiddleware, minimum_size=1024)
    pages.install(app)
    amounts = {"grid": "1.000000"}
    edges = [{"from": "grid", "to": "main", "by_source": {"grid": f"{meters}.000000"}}]
    edges += [{"from": "main", "to": f"node-{n}", "by_source": amounts} for n in range(meters)]
    uses = [
        {"node": f"node-{n}", "account": f"batch:B-{n // 10}", "by_source": amounts}
        for n in range(meters)
    ]
    running: list[asyncio.Task[None]] = []

    @app.get("/v1/live")
    async def stream(request: Request) -> StreamingResponse:
        if not running:
            running.append(asyncio.create_task(live.run(site.snapshot)))
            running.append(asyncio.create_task(_beat(live)))
        told = live.follow(request.headers.get("last-event-id", ""))
        return StreamingResponse(told, media_type="text/event-stream")

    @app.get("/v1/me")
    async def me() -> dict[str, Any]:
        return {"name": "bench", "role": "viewer", "roles": ["viewer"], "open": True}

    @app.get("/v1/flows")
    async def flows() -> dict[str, Any]:
        return {"edges": edges, "uses": uses, "units": {"grid": "kWh"}}

    @app.get("/v1/batches")
    async def batches() -> dict[str, Any]:
        return {"offset": 1, "batches": [], "next": None}

    @app.get("/v1/meters")
    async def known() -> dict[str, Any]:
        return {"meters": []}

    @app.get("/v1/meters/completeness")
    async def completeness() -> dict[str, Any]:
        shares = [1.0] * 90 + [0.5, None, 1.0, 1.0, 0.9, 0.2]
        names = [f"m-{n}" for n in range(meters)]
        return {"from_ms": 0, "slot_ms": 900_000, "meters": dict.fromkeys(names, shares)}

    return app


async def _beat(live: Live) -> None:
    while True:
        live.moved()
        await asyncio.sleep(0.05)


def serve(meters: int, port: int) -> None:
    uvicorn.run(application(meters), host="127.0.0.1", port=port, log_level="error")


def look(url: str, view: str, seconds: int) -> dict[str, float]:
    """A browser's figures of the page at `url`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900}, locale="en-GB")
        blank = page.evaluate(FRAMES, 3000)
        page.add_init_script(f"({FIRST})()")
        page.goto(url)
        first_s = page.evaluate("window.first") / 1000
        page.goto(f"{url}#/{view}")
        page.wait_for_selector("canvas" if view == "now" else ".panel tbody tr")
        page.wait_for_timeout(3000)
        chrome = page.context.new_cdp_session(page)
        # Time on the processor, not on the wall: others may want it, too.
        chrome.send("Performance.enable", {"timeDomain": "threadTicks"})

        def busy_s() -> float:
            metrics = chrome.send("Performance.getMetrics")["metrics"]
            return float(next(m["value"] for m in metrics if m["name"] == "TaskDuration"))

        busy, before = busy_s(), page.get_attribute("body", "data-offset")
        taken = page.evaluate(FRAMES, 1000 * seconds)
        busy, after = busy_s() - busy, page.get_attribute("body", "data-offset")
        hint = page.get_attribute("dd:has(> #latency)", "title") or ""
        waits = [float(word) for word in hint.replace(",", " ").split() if word[0].isdigit()]
        browser.close()
    taken.sort()
    return {
        "first_s": first_s,
        "changes_per_s": (int(after or 0) - int(before or 0)) / seconds,
        "frames_of_blank": (len(taken) / seconds) / (len(blank) / 3),
        "long_frames": sum(ms > LONG_MS for ms in taken) / len(taken),
        "p99_frame_ms": taken[int(0.99 * len(taken))],
        "core": busy / seconds,
        "change_to_pixel_p99_s": waits[2] if len(waits) > 2 else waits[-1] if waits else -1.0,
    }


def weight() -> int:
    """Bytes of the first view, compressed, in one language."""
    first = ["index.html", "style.css", "app.js", "parts.js", "svelte.js", "en.js"]
    first += ["drawing.js", "echarts.js"]
    return sum(len(gzip.compress((pages.STATIC / name).read_bytes(), 5)) for name in first)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--meters", type=int, default=500)
    parser.add_argument("--for", type=int, default=60, dest="seconds")
    parser.add_argument("--view", default="now", choices=["now", "meters"])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = multiprocessing.Process(target=serve, args=(arguments.meters, port), daemon=True)
    server.start()
    try:
        _wait(port)
        found = look(f"http://127.0.0.1:{port}/", arguments.view, arguments.seconds)
    finally:
        server.terminate()
        server.join()
    found["first_view_bytes"] = weight()
    if arguments.json:
        print(json.dumps({"meters": arguments.meters, "view": arguments.view, **found}))
    else:
        _tell(arguments.meters, found)
    good = found["first_view_bytes"] < MOST_BYTES and found["first_s"] < MOST_FIRST_S
    return 0 if good else 1


def _wait(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the server of the bench did not start")


def _tell(meters: int, found: dict[str, float]) -> None:
    part, first = found["first_view_bytes"] / MOST_BYTES, found["first_s"] / MOST_FIRST_S
    print(f"first view: {part:.0%} of 300 kB, figures after {first:.0%} of 1 s")
    print(f"{meters} meters, {found['changes_per_s']:.1f} changes a second:")
    print(f"  {found['frames_of_blank']:.0%} of a blank page's frames; {found['long_frames']:.2%}")
    print(f"  of them longer than {LONG_MS} ms; p99 {found['p99_frame_ms']:.0f} ms")
    print(
        f"  {found['core']:.0%} of a core; change to pixel p99 {found['change_to_pixel_p99_s']} s"
    )


if __name__ == "__main__":
    sys.exit(main())
