"""Who read or changed what: one JSON line each, append-only, in files of a bounded size.

A change, and what was refused, is written every time, and before its answer leaves. That somebody
reads a thing is written once an hour, for a page asks for the same again and again. Nothing of keys,
tokens, bodies or queries is written. Of whoever is not known here, and of other companies, so much an
hour is written and no more: nobody pushes older entries out by asking for nonsense.
"""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

FILE = "audit.jsonl"
_MOST_BYTES = 16 * 1024 * 1024
_KEPT = 9  # files before the newest
_HOUR_MS = 3_600_000
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_WATCHED = ("/v1/", "/auth/", "/3/")
_STRANGE = ("/auth/", "/3/")
_MOST_STRANGE = 1000  # entries of one name in an hour
_LONGEST = 300  # characters of a path, and of what is told


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """`name`: None where nobody was known; `told`: what a route says of it beside its path."""

    t_ms: int
    name: str | None
    address: str
    method: str
    path: str
    status: int
    told: str = ""


class Audit:
    """The newest file and those before it, `audit.jsonl.1` the latest of them."""

    def __init__(
        self, folder: Path, now_ms: Callable[[], int], most_bytes: int = _MOST_BYTES
    ) -> None:
        self._path = folder / FILE
        self._now_ms, self._most_bytes = now_ms, most_bytes
        self._lock = threading.Lock()
        self._hour = 0
        self._read: set[tuple[str | None, str, str]] = set()
        self._strange: Counter[str | None] = Counter()
        self._failing = False

    def due(self, name: str | None, address: str, method: str, path: str, status: int) -> bool:
        """Whether this has to be written."""
        if not path.startswith(_WATCHED):
            return False
        hour, what = self._now_ms() // _HOUR_MS, (name, address, path)
        if hour != self._hour:
            self._hour, self._read, self._strange = hour, set(), Counter()
        is_strange = name is None or path.startswith(_STRANGE)
        if is_strange and self._strange[name] >= _MOST_STRANGE:
            return False
        if method in _READING and status not in (401, 403):
            if what in self._read:
                return False
            self._read.add(what)
        if is_strange:
            self._count(name)
        return True

    def _count(self, name: str | None) -> None:
        self._strange[name] += 1
        if self._strange[name] == _MOST_STRANGE:
            who = name or "those who are not known here"
            log.warning("audit: what %s ask for besides in this hour is not written", who)

    def write(self, entry: Entry) -> None:
        """Append; what cannot be written is said in the log, once."""
        line = msgspec.json.encode(entry) + b"\n"
        try:
            with self._lock:
                self._turn(len(line))
                with self._path.open("ab") as file:
                    file.write(line)
        except OSError as exc:
            if not self._failing:
                log.error("%s: cannot be written: %s", self._path, exc.strerror)
            self._failing = True
            return
        self._failing = False

    def newest(self, limit: int) -> list[Entry]:
        """The latest entries, newest first."""
        found: list[Entry] = []
        with self._lock:
            for path in (self._path, *map(self._older, range(1, _KEPT + 1))):
                if len(found) >= limit or not path.exists():
                    break
                lines = path.read_bytes().splitlines()[len(found) - limit :]
                found += [msgspec.json.decode(line, type=Entry) for line in reversed(lines)]
        return found

    def _turn(self, more: int) -> None:
        """Begin another file when this one is full."""
        if not self._path.exists() or self._path.stat().st_size + more <= self._most_bytes:
            return
        for number in range(_KEPT, 0, -1):
            older = self._older(number - 1) if number > 1 else self._path
            if older.exists():
                older.replace(self._older(number))

    def _older(self, number: int) -> Path:
        return self._path.with_name(f"{FILE}.{number}")


class Audited:
    """Around the application: sees who asked (`guard.py`) and what became of it."""

    def __init__(self, app: ASGIApp, audit: Audit, now_ms: Callable[[], int]) -> None:
        self._app, self._audit, self._now_ms = app, audit, now_ms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                await self._note(scope, message["status"])
            await send(message)

        await self._app(scope, receive, sent)

    async def _note(self, scope: Scope, status: int) -> None:
        state = scope.get("state", {})
        caller = state.get("caller")
        name = caller.name if caller else None
        address = scope["client"][0] if scope.get("client") else ""
        method, path = scope["method"], scope["path"][:_LONGEST]
        if self._audit.due(name, address, method, path, status):
            told = state.get("told", "")[:_LONGEST]
            entry = Entry(self._now_ms(), name, address, method, path, status, told)
            await asyncio.to_thread(self._audit.write, entry)
