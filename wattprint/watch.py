"""Asks the running services over HTTP: are you up, what do you say, how old is what you show."""

import http.client
import json
import statistics
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any


def ask(url: str, token: str | None = None, timeout_s: float = 5.0) -> Any:
    """The JSON at `url`. Raises OSError while the service is not up."""
    request = urllib.request.Request(url)  # noqa: S310  our own http address
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
            return json.load(answer)
    except http.client.HTTPException as exc:
        raise OSError(f"{url}: {exc}") from exc


def is_up(url: str) -> bool:
    """Whether the service answers at all."""
    try:
        ask(url, timeout_s=1.0)
    except (OSError, ValueError):
        return False
    return True


@dataclass
class LatencyWatch:
    """Follows the page's own event stream and notes, for each meter's newest reading shown, how
    long ago the meter had answered. What a browser on this machine would see, without drawing."""

    url: str
    latencies_ms: list[int] = field(default_factory=list)
    snapshots: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._follow, name="latency", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join(10)

    def percentile(self, percent: int) -> int | None:
        """In ms; None before two readings were seen."""
        if len(self.latencies_ms) < 2:
            return None
        return round(statistics.quantiles(self.latencies_ms, n=100)[percent - 1])

    def _follow(self) -> None:
        newest: dict[str, int] = {}
        while not self._stop.is_set():
            try:
                with urllib.request.urlopen(self.url, timeout=5) as stream:  # noqa: S310
                    for line in stream:
                        if self._stop.is_set():
                            return
                        if line.startswith(b"data:"):
                            self._note(json.loads(line[5:]), newest)
            except (OSError, http.client.HTTPException):
                # The page's server is restarting: a browser would reconnect, and so do we.
                self._stop.wait(0.5)

    def _note(self, told: dict[str, Any], newest: dict[str, int]) -> None:
        """A snapshot, or a change that may tell of no meter."""
        now_ms = time.time_ns() // 1_000_000
        first = not newest
        self.snapshots += 1
        for meter in told.get("meters", ()):
            last_ms = meter["last_ms"]
            if last_ms is not None and last_ms > newest.get(meter["meter"], 0):
                newest[meter["meter"]] = last_ms
                if not first:
                    self.latencies_ms.append(now_ms - last_ms)
