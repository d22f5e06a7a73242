"""Events on their way to partners, on disk until they were taken or 72 hours are over.

Requests are remembered as well: one that comes twice within 30 days is answered once, and of our own
is known which still wait for their answer.
"""

import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path

from wire.errors import ConfigError, TransientError
from wire.files import open_database

FILE = "pact.db"
GIVE_UP_MS = 72 * 3_600_000
REMEMBERED_MS = 30 * 86_400_000
_MOST_WAITING = 100  # answers for one partner: each may hold every document there is
_BACKOFF_MS = (1_000, 3_600_000)
_VERSION = 3
_SCHEMA = """
CREATE TABLE waiting (
    n INTEGER PRIMARY KEY AUTOINCREMENT, partner TEXT NOT NULL, made_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0, body BLOB NOT NULL
);
CREATE TABLE request (partner TEXT, source TEXT, id TEXT, PRIMARY KEY (partner, source, id));
CREATE TABLE told (partner TEXT PRIMARY KEY, upto INTEGER NOT NULL);
"""
_ASKED = """
CREATE TABLE asked (
    id TEXT PRIMARY KEY, partner TEXT NOT NULL, asked_ms INTEGER NOT NULL, answered_ms INTEGER
);
"""
# Those remembered without a time are forgotten with the next request.
_TIMED = """
ALTER TABLE request ADD COLUMN t_ms INTEGER NOT NULL DEFAULT 0;
CREATE INDEX request_times ON request (t_ms);
"""
_SINCE = (_SCHEMA, _ASKED, _TIMED)  # what each version added
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
                    old = "DELETE FROM request WHERE t_ms < ?"
                    self._db.execute(old, (now_ms - REMEMBERED_MS,))
                    insert = "INSERT OR IGNORE INTO request VALUES (?, ?, ?, ?)"
                    if not self._db.execute(insert, (partner, source, id_, now_ms)).rowcount:
                        return False
                    if self._waiting(partner) >= _MOST_WAITING:
                        told = f"{_MOST_WAITING} events wait until {partner} takes them"
                        raise TransientError(f"{told}; ask again then")
                    self._put(partner, body, now_ms)
            except sqlite3.OperationalError as exc:
                raise _transient(exc) from exc
        return True

    def asked(self, partner: str, id_: str, now_ms: int) -> None:
        """We are about to ask; an answer to nothing that was asked is not taken."""
        insert = "INSERT INTO asked (partner, id, asked_ms) VALUES (?, ?, ?)"
        self._write(insert, (partner, id_, now_ms))

    def answered(self, id_: str, now_ms: int) -> None:
        """Its answer was taken."""
        self._write("UPDATE asked SET answered_ms = ? WHERE id = ?", (now_ms, id_))

    def forget(self, id_: str) -> None:
        """It could not be asked."""
        self._write("DELETE FROM asked WHERE id = ?", (id_,))

    def is_open(self, partner: str, id_: str) -> bool | None:
        """Whether an answer of this partner is waited for; None: it was never asked this."""
        query = "SELECT answered_ms IS NULL FROM asked WHERE partner = ? AND id = ?"
        with self._lock:
            found = self._db.execute(query, (partner, id_)).fetchone()
        return None if found is None else bool(found[0])

    def told(self, partner: str) -> int | None:
        """Up to where in the catalogue a partner was told; None: nobody began to."""
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

    def _waiting(self, partner: str) -> int:
        query = "SELECT COUNT(*) FROM waiting WHERE partner = ?"
        return int(self._db.execute(query, (partner,)).fetchone()[0])

    def _put(self, partner: str, body: bytes, now_ms: int) -> None:
        insert = "INSERT INTO waiting (partner, made_ms, due_ms, body) VALUES (?, ?, ?, ?)"
        self._db.execute(insert, (partner, now_ms, now_ms, body))

    def _write(self, query: str, values: tuple[int | str, ...]) -> None:
        with self._lock:
            try:
                with self._db:
                    self._db.execute(query, values)
            except sqlite3.OperationalError as exc:
                raise _transient(exc) from exc


def open_outbox(directory: Path) -> Outbox:
    """Its folder's owner's, so that root may ask for a service. Raises ConfigError."""
    path = directory / FILE
    try:
        db = open_database(path)
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        if version < _VERSION:
            added = "".join(_SINCE[version:])
            db.executescript(f"BEGIN IMMEDIATE; {added} PRAGMA user_version = {_VERSION}; COMMIT;")
            version = _VERSION
    except (OSError, sqlite3.Error) as exc:
        raise ConfigError(f"{path}: events to partners cannot be opened: {exc}") from exc
    if version != _VERSION:
        raise ConfigError(f"{path}: events version {version}, this program knows {_VERSION}")
    return Outbox(db)


def _transient(exc: sqlite3.OperationalError) -> TransientError:
    return TransientError(f"events to partners cannot be written: {exc}")
