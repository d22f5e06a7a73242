"""How long it is from a meter's answer to the pixel that shows it, the whole way being real.

`python -m bench.pixel [--meters 500] [--gateways 1] [--for 60] [--json]` (needs mosquitto and chromium)

Made-up meters answer once a second, each at its own instant; signed segments of a second go through
Mosquitto, ingestor, journal and calculator to the page in Chromium. Every power says when it was read
(`bench/pixel_load.py`); the page's clock is the machine's, and is looked at when the frame after the
one that shows the value begins. So up to a second of each time is the agent's waiting for the next
segment. Told are the figures of the sources, which move with each change; the rows of machines; and
the rows of the view of meters. `painted`: of the readings of those rows, how many came to be seen.
"""

import argparse
import json
import multiprocessing
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import urllib3

from bench import pixel_load
from bench.page import FLAGS
from bench.pipeline import free_port, running
from bench.pixel_load import SITE, Plant
from bench.recompute import model_text
from wire.callers import CallersFile

MOST_S = 2.0
_RUNNING = 12
_SETTLE_S = 10
# Notes each new value of a row or figure, and when the frame behind it begins.
WATCH = """() => {
  window.painted = [];
  const note = (part, value) => requestAnimationFrame(() => {
    const row = part.closest("[data-node], [data-meter], [data-source]");
    if (row) window.painted.push([{ ...row.dataset }, value, Date.now()]);
  });
  const told = (part) => { if (part.value !== undefined) note(part, part.getAttribute("value")); };
  new MutationObserver((changes) => {
    for (const { type, target, addedNodes } of changes) {
      if (type === "attributes") told(target);
      else for (const part of addedNodes) part.querySelectorAll?.("data[value]").forEach(told);
    }
  }).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["value"] });
}"""
Found = dict[str, dict[str, float]]


class Site:
    """Broker, ingestor and calculator with their files in `folder`."""

    def __init__(self, folder: Path, gateways: int) -> None:
        self._folder, self._gateways = folder, gateways
        self.mqtt, self.http, self.web = free_port(), free_port(), free_port()
        self._key = CallersFile(folder / "api.keys", lambda: secrets.token_urlsafe(32)).add(
            "bench", ("operator", "auditor"), 0
        )

    @contextmanager
    def serving(self, meters: int) -> Iterator[None]:
        place, ingestor = self._folder, self._ingestor()
        (place / "mosquitto.conf").write_text(
            f"listener {self.mqtt} 127.0.0.1\nallow_anonymous true\npersistence false\n"
            f"max_queued_messages 100000\nuser {os.environ.get('USER', 'root')}\n"
        )
        (place / "model.toml").write_text(model_text(meters))
        (place / "token").write_text(self._key)
        (place / "calc.toml").write_text(
            f'journal = "{place}/journal.db"\nstate = "{place}/calc"\nsite = "{SITE}"\n'
            f'model = "{place}/model.toml"\n[ingestor]\nurl = "http://127.0.0.1:{self.http}"\n'
            f'token_file = "{place}/token"\n[web]\nport = {self.web}\n'
        )
        with ExitStack() as stack:
            start = stack.enter_context
            start(running("mosquitto", "-c", f"{place}/mosquitto.conf", port=self.mqtt))
            start(running(*_module("ingestor", ingestor), port=self.http))
            # What is published before the first subscription, a broker throws away.
            while self.ask("GET", "/v1/status")["broker"] != "connected":
                time.sleep(0.1)
            start(running(*_module("calc_stream", place / "calc.toml"), port=self.web))
            yield

    def begin_batches(self) -> None:
        """One on each of some machines."""
        t = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        events = [
            {"id": f"e{n}", "t": t, "type": "start", "node": f"n{n:04}", "batch": f"B-{n}"}
            for n in range(1, _RUNNING + 1)
        ]
        self.ask("POST", f"/v1/{SITE}/events", events)

    def ask(self, method: str, path: str, told: Any = None) -> Any:
        """The ingestor's answer."""
        headers = {"Authorization": f"Bearer {self._key}"}
        url = f"http://127.0.0.1:{self.http}{path}"
        answer = urllib3.request(method, url, headers=headers, json=told)
        assert answer.status in (200, 201), answer.data
        return answer.json()

    def _ingestor(self) -> Path:
        place = self._folder
        text = (
            f'journal = "{place}/journal.db"\nstate = "{place}/state"\n'
            f'receipt_key = "{place}/receipt.key"\n[broker]\nport = {self.mqtt}\n'
            f'[api]\nport = {self.http}\nkeys_file = "{place}/api.keys"\n'
        )
        for gateway in range(self._gateways):
            public = place / f"{gateway}.pub"
            public.write_text(f"{pixel_load.key(gateway).public}\n")
            where = f'site = "{SITE}"\ngateway = "{pixel_load.name(gateway)}"\n'
            text += f'[[gateways]]\n{where}public_key_file = "{public}"\n'
        (place / "ingestor.toml").write_text(text)
        return place / "ingestor.toml"


def _module(name: str, config: Path) -> tuple[str, ...]:
    return (sys.executable, "-m", name, "run", "--config", str(config))


def measure(meters: int, gateways: int, seconds: int) -> Found:
    """Both views, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder), gateways)
        with site.serving(meters):
            plant = Plant(meters, gateways, time.time_ns() // 1_000_000 + 2000)
            load = multiprocessing.Process(target=pixel_load.run, args=(plant, site.mqtt))
            load.start()
            try:
                site.begin_batches()
                time.sleep(_SETTLE_S)
                return look(f"http://127.0.0.1:{site.web}/", plant, seconds)
            finally:
                load.terminate()
                load.join()


def look(url: str, plant: Plant, seconds: int) -> Found:
    """What a browser paints, and when."""
    from playwright.sync_api import sync_playwright

    found: Found = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for view, ready in (("now", "#chart canvas"), ("meters", "#meters tr")):
            page = browser.new_page(viewport={"width": 1440, "height": 900}, locale="en-GB")
            page.goto(f"{url}#/{view}")
            page.wait_for_selector(ready, timeout=60_000)
            page.wait_for_timeout(3000)
            page.evaluate(WATCH)
            page.wait_for_timeout(1000 * seconds)
            found |= told(plant, page.evaluate("window.painted"), seconds)
            page.close()
        browser.close()
    return found


def told(plant: Plant, painted: list[Any], seconds: int) -> Found:
    """By kind of place: how late the values were, in s; each the first time it was seen."""
    first: dict[str, dict[tuple[int, int], float]] = {}
    for row, value, at_ms in painted:
        kind = next(each for each in ("node", "meter", "source") if each in row)
        number = 0 if kind == "source" else int((row[kind] or "n-1")[1:])
        power_w = int(value) if value and value.isdigit() else -1
        read_ms = plant.read_when(number, power_w) if number >= 0 else None
        if read_ms is not None:
            first.setdefault(kind, {}).setdefault((number, read_ms), (at_ms - read_ms) / 1000)
    return {kind: _quantiles(waits, seconds) for kind, waits in first.items()}


def _quantiles(waits: dict[tuple[int, int], float], seconds: int) -> dict[str, float]:
    ordered = sorted(waits.values())
    rows = len({number for number, _ in waits})
    return {
        "values": len(ordered),
        "painted": len(ordered) / (rows * seconds),
        "p50_s": ordered[len(ordered) // 2],
        "p99_s": ordered[int(0.99 * len(ordered))],
        "most_s": ordered[-1],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--meters", type=int, default=500)
    parser.add_argument("--gateways", type=int, default=1)
    parser.add_argument("--for", type=int, default=60, dest="seconds", help="in each view")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if shutil.which("mosquitto") is None:
        parser.error("mosquitto is not installed")
    load = os.getloadavg()[0]
    found = measure(arguments.meters, arguments.gateways, arguments.seconds)
    if arguments.json:
        print(json.dumps({"meters": arguments.meters, "load": load, **found}))
    else:
        print(f"{arguments.meters} meters once a second; load of the machine before {load:.1f}")
        for kind, figures in found.items():
            part = figures["p99_s"] / MOST_S
            print(
                f"  {kind:7} p99 {part:4.0%} of {MOST_S:.0f} s; half within {figures['p50_s']:.2f} s,"
                f" all within {figures['most_s']:.2f} s; {figures['painted']:.0%} of"
                f" {figures['values'] / figures['painted']:,.0f} painted"
            )
    kinds = {"source", "node", "meter"}
    late = [figures for figures in found.values() if figures["p99_s"] > MOST_S]
    return 1 if late or found.keys() != kinds else 0


if __name__ == "__main__":
    sys.exit(main())
