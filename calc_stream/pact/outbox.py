"""Events on their way to partners, on disk until they were taken or 72 hours are over.

Requests are remembered as well: one that comes twice is answered once.
"""

import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path

from wire.errors import ConfigError, TransientError

FILE = "pact.db"
GIVE_UP_MS = 72 * 3_600_000
_BACKOFF_MS = (1_000, 3_600_000)
_VERSION = 1
_SCHEMA = """
CREATE TABLE waiting (
    n INTEGER PRIMARY KEY AUTOINCREMENT, partner TEXT NOT NULL, made_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0, body BLOB NOT NULL
);
CREATE TABLE request (partner TEXT, source TEXT, id TEXT, PRIMARY KEY (partner, source, id));
CREATE TABLE told (partner TEXT PRIMARY KEY, upto INTEGER NOT NULL);
"""
# number, when it was made, how often it was tried, what it says
Waiting = tuple[int, int, int, bytes]


class Outbox:
    """Everything that writes raises TransientError when the disk does not."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._lock = threading.Lock()

    def answer(self, partner: str, source: str, id_: str, body: bytes, now_ms: int) -> bool:
        """The answer to a request, in the same step as the request; False: it had come before."""
        with self._lock:
            try:
                with self._db:
                    self._db.execute("BEGIN IMMEDIATE")
                    insert = "INSERT OR IGNORE INTO request VALUES (?, ?, ?)"
                    if not self._db.execute(insert, (partner, source, id_)).rowcount:
                        return False
                    self._put(partner, body, now_ms)
            except sqlite3.OperationalError as exc:
                raise _transient(exc) from exc
        return True

    def told(self, partner: str) -> int | None:
        """How many footprints a partner was told of; None: nobody began to."""
        query = "SELECT upto FROM told WHERE partner = ?"
        with self._lock:
            found = self._db.execute(query, (partner,)).fetchone()
        return None if found is None else int(found[0])

    def tell(self, partner: str, upto: int, bodies: Iterable[bytes], now_ms: int) -> None:
        """What is new, and that it was told of, in one step."""
        with self._lock:
            try:
                with self._db:
                    self._db.execute("BEGIN IMMEDIATE")
                    for body in bodies:
                        self._put(partner, body, now_ms)
                    self._db.execute("INSERT OR REPLACE INTO told VALUES (?, ?)", (partner, upto))
            except sqlite3.OperationalError as exc:
                raise _transient(exc) from exc

    def due(self, partner: str, now_ms: int) -> Waiting | None:
        """The event of a partner to try now, the one that waits longest first."""
        query = (
            "SELECT n, made_ms, tries, body FROM waiting"
            " WHERE partner = ? AND due_ms <= ? ORDER BY due_ms, n LIMIT 1"
        )
        with self._lock:
            found: Waiting | None = self._db.execute(query, (partner, now_ms)).fetchone()
        return found

    def later(self, number: int, tries: int, now_ms: int) -> None:
        """It was not taken: after a time that doubles, up to an hour."""
        wait_ms = min(_BACKOFF_MS[0] << min(tries, 20), _BACKOFF_MS[1])
        self._write(
            "UPDATE waiting SET tries = ?, due_ms = ? WHERE n = ?",
            (tries + 1, now_ms + wait_ms, number),
        )

    def done(self, number: int) -> None:
        """It was taken, or is given up."""
        self._write("DELETE FROM waiting WHERE n = ?", (number,))

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _put(self, partner: str, body: bytes, now_ms: int) -> None:
        insert = "INSERT INTO waiting (partner, made_ms, due_ms, body) VALUES (?, ?, ?, ?)"
        self._db.execute(insert, (partner, now_ms, now_ms, body))

    def _write(self, query: str, values: tuple[int, ...]) -> None:
        with self._lock:
            try:
                with self._db:
                    self._db.execute(query, values)
            except sqlite3.OperationalError as exc:
                raise _transient(exc) from exc


def open_outbox(directory: Path) -> Outbox:
    """Raises ConfigError."""
    path = directory / FILE
    try:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA busy_timeout = 5000")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        if not version:
            script = f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;"
            db.executescript(script)
            version = _VERSION
    except (OSError, sqlite3.Error) as exc:
        raise ConfigError(f"{path}: events to partners cannot be opened: {exc}") from exc
    if version != _VERSION:
        raise ConfigError(f"{path}: events version {version}, this program knows {_VERSION}")
    return Outbox(db)


def _transient(exc: sqlite3.OperationalError) -> TransientError:
    return TransientError(f"events to partners cannot be written: {exc}")
