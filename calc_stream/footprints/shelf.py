"""Published footprints on disk: they come in, and never change or leave.

One SQLite file beside the ledger, for it is written by hand, too, while the calculator runs. What is
published of a product, unit, method and period is a line, not a tree: a footprint takes the place of
the newest there, or it is not taken. It may take that of others of its product, which have no batches
any more. The newest may be withdrawn: it then stands for nothing, and is what the next one supersedes.
"""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from calc_stream.footprints.footprint import Footprint, Withdrawal, Withdrawn, successors
from calc_stream.footprints.identity import content_id
from wire.errors import BadData, ConfigError, TransientError
from wire.files import open_database

_FIRST = """
CREATE TABLE IF NOT EXISTS footprint (
    place INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, site TEXT NOT NULL, product TEXT NOT NULL,
    unit TEXT NOT NULL, method TEXT NOT NULL, period TEXT NOT NULL, data BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS series ON footprint (site, product, period);
CREATE TABLE IF NOT EXISTS superseded (id TEXT PRIMARY KEY, site TEXT NOT NULL, successor TEXT NOT NULL);
CREATE TRIGGER IF NOT EXISTS footprints_stay BEFORE UPDATE ON footprint
    BEGIN SELECT RAISE(ABORT, 'a footprint is never changed'); END;
CREATE TRIGGER IF NOT EXISTS footprints_remain BEFORE DELETE ON footprint
    BEGIN SELECT RAISE(ABORT, 'a footprint is never deleted'); END;
CREATE TRIGGER IF NOT EXISTS footprints_are_new BEFORE INSERT ON footprint WHEN EXISTS (
    SELECT 1 FROM footprint WHERE id = NEW.id OR place = NEW.place)
    BEGIN SELECT RAISE(ABORT, 'a footprint is never replaced'); END;
CREATE TRIGGER IF NOT EXISTS successors_stay BEFORE UPDATE ON superseded
    BEGIN SELECT RAISE(ABORT, 'a successor is never changed'); END;
CREATE TRIGGER IF NOT EXISTS successors_remain BEFORE DELETE ON superseded
    BEGIN SELECT RAISE(ABORT, 'a successor is never deleted'); END;
CREATE TRIGGER IF NOT EXISTS successors_are_new BEFORE INSERT ON superseded WHEN EXISTS (
    SELECT 1 FROM superseded WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, 'a footprint has one successor'); END;
"""
# `after`: the place of the footprint published last before.
_WITHDRAWN = """
CREATE TABLE IF NOT EXISTS withdrawn (
    place INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, site TEXT NOT NULL, after INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE TRIGGER IF NOT EXISTS withdrawals_stay BEFORE UPDATE ON withdrawn
    BEGIN SELECT RAISE(ABORT, 'a withdrawal is never changed'); END;
CREATE TRIGGER IF NOT EXISTS withdrawals_remain BEFORE DELETE ON withdrawn
    BEGIN SELECT RAISE(ABORT, 'a withdrawal is never deleted'); END;
CREATE TRIGGER IF NOT EXISTS withdrawals_are_new BEFORE INSERT ON withdrawn WHEN EXISTS (
    SELECT 1 FROM withdrawn WHERE id = NEW.id OR place = NEW.place)
    BEGIN SELECT RAISE(ABORT, 'a withdrawal is never replaced'); END;
"""
_SINCE = (_FIRST, _WITHDRAWN)  # what each version added
_VERSION = len(_SINCE)
_MOST_REASON = 500
FILE = "footprints.db"

T = TypeVar("T")


class Shelf:
    """The published footprints of one state directory."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._writing = threading.Lock()

    def add(self, footprint: Footprint) -> bool:
        """On disk when this returns; False where it was there already.

        Raises BadData for one whose id or predecessors are not its own, TransientError where another
        was published meanwhile: look again at what stands.
        """
        if footprint.id != content_id(footprint):
            raise BadData(f"footprint {footprint.id}: is not the id of what it says")
        return self._written(lambda: self._add(footprint))

    def withdraw(self, id_: str, reason: str, by: str, now_ms: int) -> Withdrawal:
        """On disk when this returns. Raises BadData for a reason that is none, and for a footprint
        that stands for nothing any more, or never did."""
        if not (reason.strip() and len(reason) <= _MOST_REASON and reason.isprintable()):
            raise BadData(f"reason: say why on one line, in {_MOST_REASON} characters or less")
        return self._written(lambda: self._withdraw(id_, Withdrawn(now_ms, reason.strip()), by))

    def all(self, site: str) -> list[Footprint]:
        """Every one, superseded or not, in the order of publishing."""
        return self._decoded("SELECT data FROM footprint WHERE site = ? ORDER BY place", site)

    def of(self, site: str, product: str) -> list[Footprint]:
        """Every one of a product, in the order of publishing."""
        query = "SELECT data FROM footprint WHERE site = ? AND product = ? ORDER BY place"
        return self._decoded(query, site, product)

    def find(self, id_: str) -> Footprint | None:
        return next(iter(self._decoded("SELECT data FROM footprint WHERE id = ?", id_)), None)

    def withdrawn(self, site: str) -> dict[str, Withdrawal]:
        """By id, in the order in which they were."""
        query = "SELECT data FROM withdrawn WHERE site = ? ORDER BY place"
        found = [msgspec.json.decode(d, type=Withdrawal) for (d,) in self._asked(query, site)]
        return {each.id: each for each in found}

    def history(self, site: str) -> list[Footprint | Withdrawal]:
        """All that was published and withdrawn, in that order."""
        query = (
            "SELECT place AS at, 0 AS turn, data FROM footprint WHERE site = ? UNION ALL"
            " SELECT after, place, data FROM withdrawn WHERE site = ? ORDER BY at, turn"
        )
        types: tuple[type[Footprint], type[Withdrawal]] = Footprint, Withdrawal
        return [
            msgspec.json.decode(data, type=types[turn > 0])
            for _, turn, data in self._asked(query, site, site)
        ]

    def newest(self, site: str) -> list[Footprint]:
        """One a product, unit, method and period, withdrawn or not, in the order of publishing: what
        the next one takes the place of."""
        query = (
            "SELECT data FROM footprint f WHERE site = ? AND NOT EXISTS (SELECT 1 FROM superseded s"
            " WHERE s.id = f.id) ORDER BY place"
        )
        return self._decoded(query, site)

    def count(self, site: str) -> int:
        """How often something was published or withdrawn: what is asked for is as it was while this is."""
        counts = (
            f"(SELECT COUNT(*) FROM {name} WHERE site = ?)" for name in ("footprint", "withdrawn")
        )
        return int(self._asked(f"SELECT {' + '.join(counts)}", site, site)[0][0])

    def close(self) -> None:
        self._db.close()

    def _add(self, footprint: Footprint) -> bool:
        if self.find(footprint.id) is not None:
            return False
        named = set(footprint.supersedes)
        for id_ in footprint.supersedes:
            if self.find(id_) is None:
                raise BadData(f"footprint {footprint.id}: supersedes {id_}, which is not there")
        newest = self.newest(footprint.site)
        stands = {each.id for each in newest if _place(each) == _place(footprint)}
        besides = {each.id for each in newest if _is_alike(each, footprint)} & (named - stands)
        if stands | besides != named:
            raise TransientError(
                f"footprint {footprint.id}: for its product and period stand"
                f" {', '.join(sorted(stands)) or 'none'}, not those it supersedes"
            )
        row = (footprint.id, *_place(footprint), msgspec.json.encode(footprint))
        columns = "id, site, product, unit, method, period, data"
        self._db.execute(f"INSERT INTO footprint ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        before = [(id_, footprint.site, footprint.id) for id_ in footprint.supersedes]
        self._db.executemany("INSERT INTO superseded VALUES (?, ?, ?)", before)
        return True

    def _withdraw(self, id_: str, said: Withdrawn, by: str) -> Withdrawal:
        found = self.find(id_)
        if found is None:
            raise BadData(f"there is no footprint {id_!r}")
        before = self.withdrawn(found.site).get(id_)
        if before is not None:
            raise BadData(f"footprint {id_}: was withdrawn already: {before.withdrawn.reason}")
        successor = successors(self.of(found.site, found.product)).get(id_)
        if successor is not None:
            raise BadData(f"footprint {id_}: does not stand any more: {successor} took its place")
        made = Withdrawal(id_, found.site, found.product, by, said)
        insert = (
            "INSERT INTO withdrawn (id, site, after, data)"
            " SELECT ?, ?, MAX(place), ? FROM footprint"
        )
        self._db.execute(insert, (id_, found.site, msgspec.json.encode(made)))
        return made

    def _written(self, write: Callable[[], T]) -> T:
        """In one step. Raises TransientError."""
        try:
            with self._writing, self._db:
                self._db.execute("BEGIN IMMEDIATE")
                return write()
        except sqlite3.OperationalError as exc:
            raise TransientError(f"footprints cannot be written: {exc}") from exc

    def _decoded(self, query: str, *values: str) -> list[Footprint]:
        return [msgspec.json.decode(d, type=Footprint) for (d,) in self._asked(query, *values)]

    def _asked(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        """Raises TransientError, or ConfigError for a file that is damaged."""
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.OperationalError as exc:
            raise TransientError(f"footprints cannot be read: {exc}") from exc
        except sqlite3.DatabaseError as exc:
            cure = "put a copy of it in its place"
            raise ConfigError(f"{FILE}: footprints cannot be read: {exc}; {cure}") from exc


def open_shelf(directory: Path) -> Shelf:
    """The shelf of a state directory; an empty one is made where there is none, and is its folder's
    owner's, so that root may publish for a service. Raises ConfigError."""
    path = directory / FILE
    try:
        db = open_database(path)
        if (version := _version(db)) < _VERSION:  # two processes may be the first ones
            added = "".join(_SINCE[version:])
            db.executescript(f"BEGIN IMMEDIATE; {added} PRAGMA user_version = {_VERSION}; COMMIT;")
        found = _version(db)
    except (OSError, sqlite3.Error) as exc:
        raise ConfigError(f"{path}: footprints cannot be opened: {exc}") from exc
    if found != _VERSION:
        raise ConfigError(f"{path}: footprints version {found}, this program knows {_VERSION}")
    return Shelf(db)


def _place(footprint: Footprint) -> tuple[str, str, str, str, str]:
    """What one footprint at a time stands for."""
    return (
        footprint.site,
        footprint.product,
        footprint.unit,
        footprint.method,
        footprint.period,
    )


def _is_alike(one: Footprint, other: Footprint) -> bool:
    """Whether the place of one may become part of the other's: a batch went from there to here."""
    return (one.product, one.method) == (other.product, other.method)


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])
