"""Alarms as they were raised, acknowledged and cleared: kept in a file of their own.

The ledger follows from the journal; that a person has seen something does not, so it stands apart.
What became of an alarm waits in the same file until every webhook has it.
"""

import hashlib
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from calc_stream.alarm import Alarm, Kind
from calc_stream.web.alarm_words import words
from wire.errors import BadData, ConfigError, TransientError
from wire.files import open_database

FILE = "alarms.db"
CLEAR_MS = 10_000  # what comes and goes within this time was there all along
_VERSION = 1
_SCHEMA = """
CREATE TABLE alarm (id TEXT PRIMARY KEY, raised_ms INTEGER NOT NULL, cleared_ms INTEGER, row BLOB NOT NULL);
CREATE INDEX alarm_time ON alarm (raised_ms);
CREATE TABLE outbox (
    n INTEGER PRIMARY KEY AUTOINCREMENT, hook TEXT NOT NULL, made_ms INTEGER NOT NULL, body BLOB NOT NULL
);
"""


class Acknowledgement(msgspec.Struct, frozen=True):
    """Who has seen it, and what they say of it."""

    by: str
    reason: str
    t_ms: int


class AlarmNow(msgspec.Struct, frozen=True):
    """An alarm from when it was raised. `t_ms`: since when it is so, as far as is known; `texts`:
    `text` by language; `cleared_ms`: None while it stands."""

    id: str
    kind: Kind
    about: str
    text: str
    t_ms: int | None
    raised_ms: int
    detail: dict[str, str] = {}
    texts: dict[str, str] = {}
    acknowledged: Acknowledgement | None = None
    cleared_ms: int | None = None


class AlarmBook:
    """What stands now is in memory; the file is written only when something changes."""

    def __init__(self, db: sqlite3.Connection, hooks: Sequence[str] = ()) -> None:
        self._db, self._hooks = db, hooks
        self._lock = threading.Lock()
        rows = db.execute("SELECT row FROM alarm WHERE cleared_ms IS NULL ORDER BY raised_ms, id")
        known = [msgspec.json.decode(row, type=AlarmNow) for (row,) in rows]
        self._standing = {(each.kind, each.about): each for each in known}
        self._missing: dict[tuple[Kind, str], int] = {}  # since when it is found no more

    def standing(self) -> list[AlarmNow]:
        """What needs a person now, in the order of finding."""
        return list(self._standing.values())

    def follow(self, found: Iterable[Alarm], now_ms: int) -> list[AlarmNow]:
        """Takes in what is found now; what was raised or cleared by it. Raises TransientError."""
        with self._lock:
            known, standing = self._standing, {}
            changed: list[AlarmNow] = []
            for alarm in found:
                key = alarm.kind, alarm.about
                if key in standing:
                    continue
                before = known.get(key)
                standing[key] = _again(before, alarm) if before else _raised(alarm, now_ms)
                if before is None:
                    changed.append(standing[key])
            missing = {key: self._missing.get(key, now_ms) for key in known.keys() - standing}
            for key, since_ms in sorted(missing.items()):
                if now_ms - since_ms < CLEAR_MS:
                    standing[key] = known[key]
                else:
                    changed.append(msgspec.structs.replace(known[key], cleared_ms=now_ms))
            self._write(changed, now_ms)
            self._standing, self._missing = standing, missing
        return changed

    def acknowledge(self, identity: str, by: str, reason: str, now_ms: int) -> AlarmNow:
        """Raises BadData for an alarm that does not stand."""
        with self._lock:
            for key, alarm in self._standing.items():
                if alarm.id == identity:
                    seen = Acknowledgement(by, reason, now_ms)
                    told = msgspec.structs.replace(alarm, acknowledged=seen)
                    self._write([told], now_ms)
                    self._standing[key] = told
                    return told
        raise BadData(f"there is no alarm {identity!r} now")

    def past(self, before_ms: int, limit: int) -> list[AlarmNow]:
        """What was raised before an instant, the latest first, standing or not."""
        query = "SELECT row FROM alarm WHERE raised_ms < ? ORDER BY raised_ms DESC, id LIMIT ?"
        with self._lock:
            rows = self._db.execute(query, (before_ms, limit)).fetchall()
        return [msgspec.json.decode(row, type=AlarmNow) for (row,) in rows]

    def waiting(self, hook: str) -> tuple[int, int, bytes] | None:
        """The oldest message a webhook has not got: its number, when it was made, what it says."""
        query = "SELECT n, made_ms, body FROM outbox WHERE hook = ? ORDER BY n LIMIT 1"
        with self._lock:
            found: tuple[int, int, bytes] | None = self._db.execute(query, (hook,)).fetchone()
        return found

    def sent(self, number: int) -> None:
        """That message waits no longer."""
        with self._lock, self._db:
            self._db.execute("DELETE FROM outbox WHERE n = ?", (number,))

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _write(self, changed: Sequence[AlarmNow], now_ms: int) -> None:
        if not changed:
            return
        rows = [(a.id, a.raised_ms, a.cleared_ms, msgspec.json.encode(a)) for a in changed]
        bodies = [message(alarm) for alarm in changed]
        out = [(hook, now_ms, body) for body in bodies for hook in self._hooks]
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.executemany("INSERT OR REPLACE INTO alarm VALUES (?, ?, ?, ?)", rows)
                insert = "INSERT INTO outbox (hook, made_ms, body) VALUES (?, ?, ?)"
                self._db.executemany(insert, out)
        except sqlite3.OperationalError as exc:
            raise TransientError(f"alarms cannot be written: {exc}") from exc


def message(alarm: AlarmNow) -> bytes:
    """What leaves for the broker and webhooks: the alarm and what became of it."""
    seen = "acknowledged" if alarm.acknowledged else "raised"
    state = "cleared" if alarm.cleared_ms is not None else seen
    told: Mapping[str, object] = {"state": state, "key": f"alarm.{alarm.kind}"}
    return msgspec.json.encode({**told, **msgspec.to_builtins(alarm)})


def open_book(folder: Path, hooks: Sequence[str] = ()) -> AlarmBook:
    """The book of a directory; made where there is none. Raises ConfigError."""
    path = folder / FILE
    try:
        db = open_database(path)
        if not (found := _version(db)):
            db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
            found = _VERSION
    except (OSError, sqlite3.Error) as exc:
        raise ConfigError(f"{path}: alarms cannot be opened: {exc}") from exc
    if found != _VERSION:
        raise ConfigError(f"{path}: alarms of version {found}, this program knows {_VERSION}")
    return AlarmBook(db, hooks)


def _version(db: sqlite3.Connection) -> int:
    with closing(db.execute("PRAGMA user_version")) as cursor:
        return int(cursor.fetchone()[0])


def _raised(alarm: Alarm, now_ms: int) -> AlarmNow:
    about = hashlib.sha256(f"{alarm.kind} {alarm.about}".encode()).hexdigest()[:10]
    head = (f"{alarm.kind}-{about}-{now_ms}", alarm.kind, alarm.about, alarm.text)
    since_ms = now_ms if alarm.t_ms is None else alarm.t_ms
    return AlarmNow(*head, since_ms, now_ms, alarm.detail, words(alarm))


def _again(before: AlarmNow, alarm: Alarm) -> AlarmNow:
    """The same alarm, as it is now."""
    if (before.text, before.detail) == (alarm.text, alarm.detail):
        return before
    told = {"text": alarm.text, "detail": alarm.detail, "texts": words(alarm)}
    since_ms = before.t_ms if alarm.t_ms is None else alarm.t_ms
    return msgspec.structs.replace(before, t_ms=since_ms, **told)
