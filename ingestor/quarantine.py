"""What will never be good is kept here with the reason, until a person has looked.

Bounded in count and bytes: when it is full the oldest leave, and the log says how many. Of one that
is larger than anything of ours only the beginning is kept: it must not drive out all others. A
repeated item is counted, not kept twice. SQLite, so that the command line can look while the service runs.
"""

import hashlib
import logging
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from wire.files import open_database, unopened, using
from wire.segment import MAX_SEGMENT

log = logging.getLogger(__name__)

_SHOWN_BYTES = 64 * 1024
_CURE = "stop the ingestor and move it away with its -wal"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS item (
    id INTEGER PRIMARY KEY AUTOINCREMENT, hash TEXT NOT NULL UNIQUE, t_ms INTEGER NOT NULL,
    times INTEGER NOT NULL, origin TEXT NOT NULL, reason TEXT NOT NULL, data BLOB NOT NULL
);
"""
_COLUMNS = "id, t_ms, times, origin, reason, data"


@dataclass(frozen=True)
class Poison:
    """Bytes nobody can use. `origin` is the MQTT topic, or `sink:<name>` for a database's line."""

    origin: str
    reason: str
    data: bytes


@dataclass(frozen=True)
class Item:
    """One kept item; it came `times` times, last at `t_ms`."""

    id: int
    t_ms: int
    times: int
    origin: str
    reason: str
    data: bytes


class Quarantine:
    """One file; safe for several threads and processes."""

    def __init__(
        self,
        path: Path,
        now_ms: Callable[[], int],
        most: int = 10_000,
        most_bytes: int = 256 * 1024 * 1024,
    ) -> None:
        self._path = path
        self._now_ms = now_ms
        self._most, self._most_bytes = most, most_bytes
        self._lock = threading.Lock()  # the journal's thread and each sink's come here
        try:
            self._db = open_database(path)
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as exc:
            raise unopened(path, "quarantine", exc, _CURE) from exc

    def keep(self, items: Sequence[Poison]) -> None:
        """Keep all of them; on disk when this returns. Raises TransientError."""
        if not items:
            return
        rows = [(_hash(item), self._now_ms(), item.origin, *_bounded(item)) for item in items]
        with self._lock, self._file(), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "INSERT INTO item (hash, t_ms, times, origin, reason, data)"
                " VALUES (?,?,1,?,?,?) ON CONFLICT (hash) DO UPDATE SET"
                " times = times + 1, t_ms = excluded.t_ms, reason = excluded.reason",
                rows,
            )
            dropped = self._make_room()
        if dropped:
            log.error("quarantine is full: its %d oldest items were dropped", dropped)

    def items(self) -> list[Item]:
        """Everything kept, oldest first. Raises TransientError, as all here do."""
        query = f"SELECT {_COLUMNS} FROM item ORDER BY id"
        with self._file():
            return [Item(*row) for row in self._db.execute(query)]

    def get(self, number: int) -> Item | None:
        query = f"SELECT {_COLUMNS} FROM item WHERE id = ?"
        with self._file():
            row = self._db.execute(query, (number,)).fetchone()
        return Item(*row) if row else None

    def remove(self, number: int) -> None:
        """Let go of an item whose bytes stand somewhere else."""
        with self._file():
            self._db.execute("DELETE FROM item WHERE id = ?", (number,))

    def count(self) -> int:
        with self._file():
            return int(self._db.execute("SELECT count(*) FROM item").fetchone()[0])

    def close(self) -> None:
        self._db.close()

    def _file(self) -> AbstractContextManager[None]:
        return using(self._path, "quarantine", _CURE)

    def _make_room(self) -> int:
        """Drop the oldest until the rest fits; how many."""
        query = "SELECT count(*), coalesce(sum(length(data)), 0) FROM item"
        count, size = self._db.execute(query).fetchone()
        dropped = 0
        oldest = self._db.execute("SELECT id, length(data) FROM item ORDER BY id")
        while count - dropped > self._most or size > self._most_bytes:
            number, length = oldest.fetchone()
            self._db.execute("DELETE FROM item WHERE id = ?", (number,))
            dropped, size = dropped + 1, size - length
        return dropped


def _bounded(item: Poison) -> tuple[str, bytes]:
    """(reason, data) as they are kept."""
    size = len(item.data)
    if size <= MAX_SEGMENT:
        return item.reason, item.data
    digest = hashlib.sha256(item.data).hexdigest()
    reason = f"{item.reason}; the first {_SHOWN_BYTES} of its {size} bytes, SHA-256 {digest}"
    return reason, item.data[:_SHOWN_BYTES]


def _hash(item: Poison) -> str:
    return hashlib.sha256(item.origin.encode() + b"\0" + item.data).hexdigest()
