"""A calculator as a process of its own, for tests."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests import plain_http
from tests.integration.servers import PATIENCE_S, free_port, wait_until
from tests.unit.calc_stream_live.plant import MODEL, SITE

ROOT = Path(__file__).resolve().parents[2]


class Calculator:
    """One configuration, and the process while it runs."""

    def __init__(self, folder: Path, ingestor_port: int = 9, lateness_s: int = 0) -> None:
        self.folder, self.port = folder, free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        (folder / "model.toml").write_text(MODEL)
        (folder / "token").write_text("secret\n")
        self.config = folder / "calc.toml"
        self.config.write_text(
            f'journal = "{folder}/journal.db"\nstate = "{folder}/calc"\nsite = "{SITE}"\n'
            f'model = "{folder}/model.toml"\nlateness_s = {lateness_s}\nsilent_after_s = 3600\n'
            f'[ingestor]\nurl = "http://127.0.0.1:{ingestor_port}"\ntoken_file = "{folder}/token"\n'
            f"[web]\nport = {self.port}\n"
        )

    def start(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "calc_stream", "run", "--config", str(self.config)]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
        deadline = time.monotonic() + PATIENCE_S
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if plain_http.get(f"{self.base}/health").status_code == 200:
                    return process
            except httpx.TransportError:
                time.sleep(0.05)
        process.kill()
        raise AssertionError(process.communicate())

    @contextmanager
    def running(self) -> "Iterator[subprocess.Popen[bytes]]":
        process = self.start()
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=PATIENCE_S)

    def get(self, path: str, **headers: str) -> Any:
        answer = plain_http.get(f"{self.base}{path}", headers=headers, timeout=PATIENCE_S)
        return answer.raise_for_status().json()

    def reach(self, offset: int) -> None:
        self._until("/v1/status", offset)

    def shown(self, offset: int) -> dict[str, Any]:
        """The page's snapshot, which comes a little after the ledger, once it has come so far."""
        return self._until("/v1/snapshot", offset)

    def _until(self, path: str, offset: int) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def reached() -> bool:
            answer = plain_http.get(f"{self.base}{path}", timeout=PATIENCE_S)
            found.update(answer.json() if answer.status_code == 200 else {})
            return found.get("offset", -1) >= offset

        wait_until(reached, f"offset {offset}")
        return found

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "calc_stream", *words]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@dataclass
class Follower:
    """What a page knows that follows the stream: snapshots, and changes merged into them."""

    lines: Iterator[str]
    id: str = ""
    event: str = ""
    known: dict[str, Any] = field(default_factory=dict)

    @property
    def offset(self) -> int:
        return int(self.id.partition("-")[0])

    def next(self) -> dict[str, Any]:
        """The whole as it is after the next event."""
        for line in self.lines:
            key, _, value = line.partition(": ")
            if key == "id":
                self.id = value
            elif key == "event":
                self.event = value
            elif key == "data":
                told = json.loads(value)
                self.known = told if self.event == "snapshot" else merged(self.known, told)
                return self.known
        raise AssertionError("the stream ended")

    def until(self, offset: int) -> dict[str, Any]:
        """The whole from this offset on."""
        while not self.id or self.offset < offset:
            self.next()
        return self.known


_KEYS = {
    "sources": "source",
    "batches": "batch",
    "accounts": "account",
    "machines": "node",
    "meters": "meter",
}


def merged(known: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """As the page does it."""
    gone = change.pop("gone", {})
    after = {**known, **change}
    for name, key in _KEYS.items():
        rows = {row[key]: row for row in known[name] if row[key] not in gone.get(name, ())}
        for row in change.get(name, ()):
            if name == "machines" and row[key] in rows:
                history = rows[row[key]]["power_history"] + row["power_history"]
                row["power_history"] = [p for p in history if p[0] >= history[-1][0] - 120_000]
            rows[row[key]] = row
        after[name] = list(rows.values())
    return after
