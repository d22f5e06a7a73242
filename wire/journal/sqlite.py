"""The journal in one SQLite file: WAL and synchronous=FULL, so an append that returned is on disk.

(With synchronous=NORMAL, committed rows were lost in 25 of 30 power cuts; with FULL in none of 300.)
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from wire.errors import ConfigError, TransientError
from wire.files import unopened
from wire.journal.cold import NOTHING, Cold, Unreadable
from wire.journal.heads import leaf_of
from wire.journal.record import GENESIS, Entry, Record, link

_VERSION = 1
FROZEN_VERSION = 2  # of a journal some of whose data stands in cold files
_SCHEMA = """
CREATE TABLE record (
    site TEXT NOT NULL, offset INTEGER NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
    hash TEXT NOT NULL, prev TEXT NOT NULL, chain TEXT NOT NULL, t_ms INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (site, offset)
);
CREATE UNIQUE INDEX record_key ON record (site, kind, key);
"""
_COLUMNS = "site, offset, kind, key, hash, prev, chain, t_ms, data"
OUTLINE = "site, offset, kind, key, hash, prev, chain, t_ms, x''"
_BUSY_MS = 5000


class SqliteReader:
    """A `Reader` of the file on this machine; a full disk may fail a reader too."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._cold = Cold(db)

    def read(self, site: str, after: int, limit: int = 1000) -> list[Record]:
        """At most `limit` records of `site` with offsets above `after`, in order."""
        query = (
            f"SELECT {_COLUMNS} FROM record WHERE site = ? AND offset > ? ORDER BY offset LIMIT ?"
        )
        try:
            rows = self._rows(query, site, after, limit)
        except Unreadable as exc:
            if limit == 1:
                raise Unreadable(f"{site}: record {after + 1}: {exc}", after + 1) from exc
            # Its neighbours may be sound; what comes before the damage is.
            return self.read(site, after, limit // 2)
        records: list[Record] = []
        for row in rows:
            try:
                records.append(self._filled(Record(*row)))
            except Unreadable:
                if not records:
                    raise
                break
        return records

    def walk(self, site: str, after: int = 0) -> Iterator[Record]:
        """Every record of `site` above `after`."""
        while records := self.read(site, after):
            yield from records
            after = records[-1].offset

    def leaves(self, site: str, after: int, upto: int) -> Iterator[bytes]:
        """The leaves (`heads.py`) of the records above `after`, up to `upto`; no cold file is asked."""
        query = (
            f"SELECT {OUTLINE} FROM record WHERE site = ? AND offset > ? AND offset <= ?"
            " ORDER BY offset LIMIT 1000"
        )
        while rows := self._rows(query, site, after, upto):
            for row in rows:
                record = Record(*row)
                yield leaf_of(record)
                after = record.offset

    def outline(self, site: str, offset: int) -> Record | None:
        """A record without its data."""
        query = f"SELECT {OUTLINE} FROM record WHERE site = ? AND offset = ?"
        rows = self._rows(query, site, offset)
        return Record(*rows[0]) if rows else None

    def head(self, site: str) -> tuple[int, str]:
        """(last offset, its chain value); (0, GENESIS) for a site without records."""
        query = "SELECT offset, chain FROM record WHERE site = ? ORDER BY offset DESC LIMIT 1"
        for offset, chain in self._rows(query, site):
            return offset, chain
        return 0, GENESIS

    def find(self, site: str, kind: str, key: str) -> Record | None:
        """The record with this key, if there is one."""
        query = f"SELECT {_COLUMNS} FROM record WHERE site = ? AND kind = ? AND key = ?"
        rows = self._rows(query, site, kind, key)
        return self._filled(Record(*rows[0])) if rows else None

    def hash_of(self, site: str, kind: str, key: str) -> str | None:
        """The hash of that record's data, for which no cold file is asked."""
        query = "SELECT hash FROM record WHERE site = ? AND kind = ? AND key = ?"
        for (found,) in self._rows(query, site, kind, key):
            return str(found)
        return None

    def some_of_kind(self, site: str, kind: str, after: int, limit: int) -> list[Record]:
        """At most `limit` records of one kind with offsets above `after`, in order."""
        query = (
            f"SELECT {_COLUMNS} FROM record WHERE site = ? AND kind = ? AND offset > ?"
            " ORDER BY offset LIMIT ?"
        )
        rows = self._rows(query, site, kind, after, limit)
        return [self._filled(Record(*row)) for row in rows]

    def of_kind(self, site: str, kind: str) -> list[Record]:
        """Every record of one kind, in order."""
        query = f"SELECT {_COLUMNS} FROM record WHERE site = ? AND kind = ? ORDER BY offset"
        return [self._filled(Record(*row)) for row in self._rows(query, site, kind)]

    def sites(self) -> list[str]:
        """Every site that has a record."""
        # From one to the next by the index: DISTINCT would look at every record.
        query = (
            "WITH RECURSIVE known (site) AS (SELECT min(site) FROM record UNION ALL"
            " SELECT (SELECT min(site) FROM record WHERE site > known.site) FROM known"
            " WHERE site IS NOT NULL) SELECT site FROM known WHERE site IS NOT NULL"
        )
        return [site for (site,) in self._rows(query)]

    def close(self) -> None:
        self._cold.close()
        self._db.close()

    def _filled(self, record: Record) -> Record:
        """With its data, from a cold file if it moved there."""
        if record.data or record.hash == NOTHING:
            return record
        data = self._cold.data(record.site, record.offset, record.hash)
        return msgspec.structs.replace(record, data=data)

    def _rows(self, query: str, *values: str | int) -> list[Any]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.OperationalError as exc:
            raise TransientError(f"journal cannot be read: {exc}") from exc
        except sqlite3.DatabaseError as exc:
            raise Unreadable(f"journal is damaged: {exc}; `journal verify` says where") from exc


class Writer(SqliteReader):
    """The one appender. Not for use from two threads at once."""

    def __init__(self, db: sqlite3.Connection, now_ms: Callable[[], int]) -> None:
        super().__init__(db)
        self._now_ms = now_ms

    def append(self, site: str, entries: Sequence[Entry]) -> list[Record]:
        """Append in one transaction; when this returns the records are on disk.

        Raises TransientError (nothing was appended) when the disk is full or fails, and
        sqlite3.IntegrityError for a key that is already there: asking `find` first is the
        caller's part.
        """
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                offset, chain = self.head(site)
                records = []
                for entry in entries:
                    offset += 1
                    record = link(site, offset, entry, chain, self._now_ms())
                    chain = record.chain
                    records.append(record)
                self._db.executemany(
                    f"INSERT INTO record ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)",
                    [tuple(getattr(r, f) for f in r.__struct_fields__) for r in records],
                )
        except sqlite3.IntegrityError:
            raise
        except sqlite3.DatabaseError as exc:
            raise TransientError(f"journal cannot be written: {exc}") from exc
        return records

    def close(self) -> None:
        """Leave everything in the one file, even while readers still have it open."""
        with suppress(sqlite3.OperationalError):  # a full disk: the records stay in the -wal file
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        super().close()


def open_writer(path: Path, now_ms: Callable[[], int]) -> Writer:
    """Open for appending; made where there is none. Raises ConfigError and TransientError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        db = connect(path)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        if not _version(db):
            with db:
                db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
    except (OSError, sqlite3.Error) as exc:
        raise unopened(path, "journal", exc) from exc
    _check(db, path)
    return Writer(db, now_ms)


def open_file(path: Path) -> SqliteReader:
    """Open for reading an existing journal. Raises TransientError where there is none yet."""
    if not path.exists():
        raise TransientError(f"{path}: there is no journal yet; the ingestor makes it")
    try:
        db = connect(path)
        db.execute("PRAGMA query_only = ON")
        if not _version_of_what_is_left(db):
            raise TransientError(f"{path}: the ingestor has not made the journal yet")
    except sqlite3.Error as exc:
        raise unopened(path, "journal", exc) from exc
    _check(db, path)
    return SqliteReader(db)


def connect(path: Path) -> sqlite3.Connection:
    """To an existing journal or a new file. Raises sqlite3.Error."""
    # Autocommit outside explicit transactions: a reader never holds an old snapshot.
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    return db


def _version_of_what_is_left(db: sqlite3.Connection) -> int:
    try:
        return _version(db)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        # Nothing of a file that was cut off is given without this; what is left then is.
        db.execute("PRAGMA writable_schema = ON")
        return _version(db)


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _check(db: sqlite3.Connection, path: Path) -> None:
    if (found := _version(db)) not in (_VERSION, FROZEN_VERSION):
        known = f"{_VERSION} and {FROZEN_VERSION}"
        raise ConfigError(f"{path}: journal version {found}, this program knows {known}")
