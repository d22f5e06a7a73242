"""The whole system as a test starts it: `wattprint up` with its own state and any free port."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PATIENCE_S = 150.0


class System:
    """A running `wattprint up`."""

    def __init__(self, state: Path, *arguments: str) -> None:
        self.state = state
        self._errors = state.with_suffix(".stderr").open("w+b")
        (state / "addresses.json").unlink(missing_ok=True)  # of a run before
        command = [sys.executable, "-m", "wattprint", "up", "--state", str(state), "--port", "0"]
        self.process = subprocess.Popen(
            [*command, *arguments], stdout=subprocess.PIPE, stderr=self._errors
        )
        self.wait_until((state / "addresses.json").exists, "addresses.json")
        addresses = json.loads((state / "addresses.json").read_text())
        self.url: str = addresses["page"]
        self.api_url: str = addresses["api"]

    def api(self, path: str) -> Any:
        """The calculator's JSON at `path`."""
        with urllib.request.urlopen(self.url + path, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def pid(self, name: str) -> int:
        return int(json.loads((self.state / "processes.json").read_text())[name])

    def kill(self, name: str) -> None:
        """kill -9, and wait for the supervisor to have started it again."""
        dead = self.pid(name)
        os.kill(dead, signal.SIGKILL)
        self.wait_until(lambda: self.pid(name) != dead, f"{name} to be started again")

    def is_up(self) -> bool:
        try:
            return bool(self.api("/v1/snapshot")["offset"])
        except OSError:
            return False

    def wait_until(self, ready: Any, what: str, patience_s: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + patience_s
        while not ready():
            assert self.process.poll() is None, f"wattprint up ended: {self.errors()}"
            assert time.monotonic() < deadline, f"waited in vain for {what}: {self.errors()}"
            time.sleep(0.1)

    def wait_up(self) -> None:
        self.wait_until(self.is_up, "the first reading on the page")

    def finish(self) -> dict[str, Any]:
        """Wait for `--for … --json` to end; the object it printed."""
        out, _ = self.process.communicate(timeout=300)
        assert out, self.errors()
        found: dict[str, Any] = json.loads(out)
        return found

    def end(self) -> dict[str, Any]:
        """One Ctrl-C where `--json` was given; the object it printed."""
        self.process.send_signal(signal.SIGINT)
        return self.finish()

    def stop(self) -> int:
        """One Ctrl-C; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=PATIENCE_S)
        self._errors.close()
        return self.process.returncode

    def errors(self) -> str:
        self._errors.flush()
        logs = [f"{p.name}: {p.read_text()[-1500:]}" for p in self.state.glob("logs/*.log")]
        return "\n".join([self.state.with_suffix(".stderr").read_text(), *logs])


@contextlib.contextmanager
def running(state: Path, *arguments: str) -> Iterator[System]:
    system = System(state, *arguments)
    try:
        yield system
    finally:
        system.stop()
