"""Child processes that come back when they die, and leave in order when asked."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from wire.files import keep

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG, _SIGTERM = 1, int(signal.SIGTERM)
_LEAVE_S = 10.0
_BACKOFF_S = (0.2, 5.0)
_STABLE_S = 10.0


@dataclass
class Child:
    """One process to keep running; `log` receives what it prints."""

    name: str
    argv: list[str]
    log: Path
    process: "subprocess.Popen[bytes] | None" = None
    starts: int = 0
    started_at: float = 0.0
    backoff_s: float = _BACKOFF_S[0]
    restart_at: float | None = None


@dataclass
class Supervisor:
    """Keeps its children running; `pids_file` always names the processes of now."""

    pids_file: Path
    children: list[Child] = field(default_factory=list)

    def start(self, name: str, argv: list[str], log: Path) -> Child:
        """Start a child and look after it from now on."""
        child = Child(name, argv, log)
        self.children.append(child)
        self._spawn(child)
        return child

    def look(self) -> list[str]:
        """Start again what has died; one line for each change. Call a few times a second."""
        news = []
        for child in self.children:
            process = child.process
            if process is None or process.poll() is None:
                continue
            now = time.monotonic()
            if child.restart_at is None:
                if now - child.started_at > _STABLE_S:
                    child.backoff_s = _BACKOFF_S[0]
                child.restart_at = now + child.backoff_s
                child.backoff_s = min(2 * child.backoff_s, _BACKOFF_S[1])
                news.append(
                    f"{child.name} ended ({_ending(process.returncode)}); starting it again"
                )
            elif now >= child.restart_at:
                self._spawn(child)
        return news

    def stop(self) -> list[str]:
        """End all children, last started first; names those that had to be killed."""
        killed = []
        for child in reversed(self.children):
            if child.process is None or child.process.poll() is not None:
                continue
            child.process.terminate()
            try:
                child.process.wait(_LEAVE_S)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
                killed.append(child.name)
        return killed

    def _spawn(self, child: Child) -> None:
        with child.log.open("ab") as log:
            # A session of its own: Ctrl-C reaches only the supervisor, which then ends each in turn.
            child.process = subprocess.Popen(
                child.argv,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                # Beside a thread this may only do what cannot wait for a lock: two system calls.
                preexec_fn=partial(_die_with_parent, os.getpid()),  # noqa: PLW1509
            )
        child.starts += 1
        child.started_at = time.monotonic()
        child.restart_at = None
        pids = {c.name: c.process.pid for c in self.children if c.process}
        keep(self.pids_file, json.dumps(pids).encode(), 0o644)


def module(name: str, *arguments: str | Path) -> list[str]:
    """The command line of one of our packages in this very interpreter."""
    return [sys.executable, "-m", name, *map(str, arguments)]


def last_lines(log: Path, count: int = 5) -> str:
    """The end of a log, for a message about a process that would not start."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:])


def _die_with_parent(parent: int) -> None:
    """Even a supervisor that is killed leaves no process behind (Linux)."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, _SIGTERM)
    if os.getppid() != parent:
        os._exit(1)


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit {code}"
