"""One SQLite file: a site's state, the journal offset it stands at, and the results, together.

State, offset and results are written in one transaction (WAL, synchronous=FULL), so the file
always holds what a prefix of the journal gives. Writing may be rare: what came after the last
commit is computed again from the journal, and since every step is a pure function of the records
in their order, it comes out the same, byte for byte. Nothing leaves for accounting but what is in
this file.
"""

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from calc_stream.ledger.rows import BatchRow
from wire.errors import ConfigError, TransientError

_VERSION = 1
_SCHEMA = """
CREATE TABLE state (site TEXT PRIMARY KEY, offset INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE batch (
    site TEXT NOT NULL, batch TEXT NOT NULL, offset INTEGER NOT NULL, row BLOB NOT NULL,
    PRIMARY KEY (site, batch)
);
CREATE TABLE revision (
    site TEXT NOT NULL, batch TEXT NOT NULL, revision INTEGER NOT NULL, row BLOB NOT NULL,
    PRIMARY KEY (site, batch, revision)
);
CREATE TABLE account (
    site TEXT NOT NULL, account TEXT NOT NULL, source TEXT NOT NULL, quanta TEXT NOT NULL,
    PRIMARY KEY (site, account, source)
);
CREATE TABLE health (site TEXT PRIMARY KEY, data BLOB NOT NULL);
CREATE TRIGGER revisions_stay BEFORE UPDATE ON revision
    BEGIN SELECT RAISE(ABORT, 'a revision is never changed'); END;
CREATE TRIGGER revisions_remain BEFORE DELETE ON revision
    BEGIN SELECT RAISE(ABORT, 'a revision is never deleted'); END;
CREATE TRIGGER revisions_are_new BEFORE INSERT ON revision WHEN EXISTS (SELECT 1 FROM revision WHERE
    site = NEW.site AND batch = NEW.batch AND revision = NEW.revision)
    BEGIN SELECT RAISE(ABORT, 'a revision is never replaced'); END;
CREATE TRIGGER only_forward BEFORE INSERT ON state WHEN EXISTS (SELECT 1 FROM state WHERE
    site = NEW.site AND offset > NEW.offset)
    BEGIN SELECT RAISE(ABORT, 'another calculator is further in this ledger'); END;
"""
_NEWEST = (
    "revision r WHERE site = ? AND revision = (SELECT MAX(revision) FROM revision"
    " WHERE site = r.site AND batch = r.batch) ORDER BY batch"
)
# Who else reads what is stated, and how far; the one thing here that follows from no journal.
_CURSOR = """
CREATE TABLE IF NOT EXISTS cursor (
    reader TEXT NOT NULL, site TEXT NOT NULL, upto INTEGER NOT NULL, PRIMARY KEY (reader, site)
)
"""
FILE = "ledger.db"


@dataclass(frozen=True)
class Commit:
    """What belongs together: everything up to `offset`. `health`: what the engine keeps besides;
    `gone`: batches of which nothing stands any more."""

    offset: int
    state: bytes
    health: bytes
    accounts: dict[str, dict[str, int]]
    rows: Sequence[BatchRow]
    revisions: Sequence[BatchRow]
    gone: Sequence[str] = ()


class Store:
    """The ledger of one directory. One process writes it; reading is safe beside it."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def state(self, site: str) -> tuple[int, bytes, bytes]:
        """(offset, state, health); (0, b"", b"") for a site not begun."""
        query = (
            "SELECT s.offset, s.data, h.data FROM state s JOIN health h USING (site) WHERE site = ?"
        )
        offset, data, health = self._db.execute(query, (site,)).fetchone() or (0, b"", b"")
        return offset, data, health

    def sites(self) -> list[str]:
        return [site for (site,) in self._db.execute("SELECT site FROM state ORDER BY site")]

    def rows(self, site: str) -> list[BatchRow]:
        """Every batch as it stood at the last commit, by id."""
        return self._decoded("SELECT row FROM batch WHERE site = ? ORDER BY batch", site)

    def revisions(self, site: str, batch: str) -> list[BatchRow]:
        """A batch's revisions, the first one first."""
        query = "SELECT row FROM revision WHERE site = ? AND batch = ? ORDER BY revision"
        return self._decoded(query, site, batch)

    def latest(self, site: str) -> list[BatchRow]:
        """The newest revision of every batch that has one, by id."""
        return self._decoded(f"SELECT row FROM {_NEWEST}", site)

    def hashes(self, site: str) -> dict[str, str]:
        """SHA-256 of the newest revision of every batch that has one, as it is kept here."""
        query = f"SELECT batch, row FROM {_NEWEST}"
        rows = self._db.execute(query, (site,))
        return {batch: hashlib.sha256(row).hexdigest() for batch, row in rows}

    @contextmanager
    def still(self) -> Iterator[None]:
        """What is read within belongs together, whatever is written meanwhile."""
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("COMMIT")

    def stated(self, site: str, after: int, most: int) -> list[tuple[int, BatchRow]]:
        """Revisions behind a place in the order they were committed, each with its own place."""
        # Numbered by SQLite as they come: none is ever changed or deleted.
        query = (
            "SELECT rowid, row FROM revision WHERE site = ? AND rowid > ? ORDER BY rowid LIMIT ?"
        )
        found = self._db.execute(query, (site, after, most))
        return [(place, msgspec.json.decode(row, type=BatchRow)) for place, row in found]

    def cursor(self, reader: str, site: str) -> int:
        """How far somebody has come with what is stated. Raises TransientError."""
        query = "SELECT upto FROM cursor WHERE reader = ? AND site = ?"
        try:
            self._db.execute(_CURSOR)
            row = self._db.execute(query, (reader, site)).fetchone()
        except sqlite3.OperationalError as exc:
            raise TransientError(f"ledger cannot be written: {exc}") from exc
        return int(row[0]) if row else 0

    def advance(self, reader: str, site: str, upto: int) -> None:
        """Raises TransientError."""
        try:
            statement = "INSERT OR REPLACE INTO cursor VALUES (?, ?, ?)"
            self._db.execute(statement, (reader, site, upto))
        except sqlite3.OperationalError as exc:
            raise TransientError(f"ledger cannot be written: {exc}") from exc

    def accounts(self, site: str) -> dict[str, dict[str, int]]:
        """Posted quanta by account and source."""
        found: dict[str, dict[str, int]] = {}
        query = (
            "SELECT account, source, quanta FROM account WHERE site = ? ORDER BY account, source"
        )
        for account, source, quanta in self._db.execute(query, (site,)):
            found.setdefault(account, {})[source] = int(quanta)
        return found

    def commit(self, site: str, commit: Commit) -> None:
        """All of it or nothing; on disk when this returns. Raises TransientError."""
        accounts = [
            (site, account, source, str(quanta))
            for account, sums in commit.accounts.items()
            for source, quanta in sums.items()
        ]
        rows = [(site, r.batch, r.offset, msgspec.json.encode(r)) for r in commit.rows]
        made = [(site, r.batch, r.revision, msgspec.json.encode(r)) for r in commit.revisions]
        head = (site, commit.offset, commit.state)
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", head)
                self._db.execute(
                    "INSERT OR REPLACE INTO health VALUES (?, ?)", (site, commit.health)
                )
                self._db.execute("DELETE FROM account WHERE site = ?", (site,))
                self._db.executemany("INSERT INTO account VALUES (?, ?, ?, ?)", accounts)
                forgotten = [(site, batch) for batch in commit.gone]
                self._db.executemany("DELETE FROM batch WHERE site = ? AND batch = ?", forgotten)
                self._db.executemany("INSERT OR REPLACE INTO batch VALUES (?, ?, ?, ?)", rows)
                self._db.executemany("INSERT INTO revision VALUES (?, ?, ?, ?)", made)
        except sqlite3.OperationalError as exc:
            raise TransientError(f"ledger cannot be written: {exc}") from exc

    def close(self) -> None:
        self._db.close()

    def _decoded(self, query: str, *values: str) -> list[BatchRow]:
        return [msgspec.json.decode(r, type=BatchRow) for (r,) in self._db.execute(query, values)]


def open_store(directory: Path, *, create: bool = False) -> Store:
    """The ledger in this directory; made where there is none if `create`. Raises ConfigError."""
    path = directory / FILE
    if not create and not path.exists():
        raise ConfigError(f"{path}: there is no ledger here; give the calculator's state directory")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA busy_timeout = 5000")
        if create:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            if not _version(db):
                db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
        found = _version(db)
    except (OSError, sqlite3.Error) as exc:
        raise ConfigError(f"{path}: ledger cannot be opened: {exc}") from exc
    if found != _VERSION:
        raise ConfigError(f"{path}: ledger version {found}, this program knows {_VERSION}")
    return Store(db)


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])
