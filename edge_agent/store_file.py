"""The one SQLite file under the store: made, upgraded, checked, and opened again after what disks do.

WAL and synchronous=FULL: what was committed is there after a power cut; a torn tail of the log is
cut by SQLite itself. A disk that is full, fails or became read-only is transient: who asked is told
and asks again, and after a failed read or write the file is opened and checked anew, for nobody
knows what a failed fsync has left. A file that is damaged is set aside under another name and
everything that can still be read moves into a new one (`salvage.py`). So the agent always starts.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from edge_agent import salvage
from wire.errors import TransientError

log = logging.getLogger(__name__)

VERSION = 2
SCHEMA = """
CREATE TABLE IF NOT EXISTS stream (stream TEXT PRIMARY KEY, begun_ms INTEGER NOT NULL,
    last_seq INTEGER NOT NULL, last_hash TEXT NOT NULL, receipted INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS pending (id INTEGER PRIMARY KEY, wall_ms INTEGER NOT NULL,
    mono_ms INTEGER NOT NULL, boot TEXT NOT NULL, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS segment (stream TEXT NOT NULL, seq INTEGER NOT NULL, hash TEXT NOT NULL,
    sealed_ms INTEGER NOT NULL, receipted_ms INTEGER, refused TEXT, data BLOB NOT NULL,
    PRIMARY KEY (stream, seq));
CREATE TABLE IF NOT EXISTS memory (meter TEXT PRIMARY KEY, data BLOB NOT NULL);
-- The latest time each meter's readings have left with.
CREATE TABLE IF NOT EXISTS last (meter TEXT PRIMARY KEY, t_ms INTEGER NOT NULL);
-- Sealed while nobody took anything: without a number, so that the newest need not wait for them.
CREATE TABLE IF NOT EXISTS bundle (id INTEGER PRIMARY KEY, t_first_ms INTEGER NOT NULL,
    t_last_ms INTEGER NOT NULL, readings INTEGER NOT NULL, thinned INTEGER NOT NULL,
    data BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS refused ON segment (stream, seq) WHERE refused IS NOT NULL;
CREATE INDEX IF NOT EXISTS receipted ON segment (receipted_ms) WHERE receipted_ms IS NOT NULL;
"""
_TABLES = ("stream", "segment", "bundle", "pending", "memory", "last")

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_GONE = frozenset(
    {
        *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN),
        *(sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_PERM),
    }
)
_PASSING = _GONE | {
    *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM)
}


class StoreFile:
    """The file in `path`. Not for two threads at once.

    `opened` is called with each new connection; `renewed`, in the transaction that moves what is
    left of a damaged file, with the new one and what there was (or `left`, why it stays there).
    """

    def __init__(
        self,
        path: Path,
        opened: Callable[[sqlite3.Connection], None],
        renewed: Callable[[sqlite3.Connection, dict[str, str]], None],
    ) -> None:
        self.path = path
        self._opened = opened
        self._renewed = renewed
        self._db: sqlite3.Connection | None = None
        self._is_damaged = False
        self._is_checked = False

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection to read with. Raises TransientError for what the disk does."""
        try:
            yield self._db or self._open()
        except (sqlite3.Error, OSError) as exc:
            self._after(exc)
            raise TransientError(f"the store cannot be used: {exc}") from exc

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """BEGIN IMMEDIATE … COMMIT: when it ends, what was done is on disk. Raises TransientError."""
        with self.reading() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    db.execute("ROLLBACK")
                raise

    def used_bytes(self) -> int:
        """What the rows take; a file never shrinks, but is filled again."""
        with self.reading() as db:
            pages, free, size = (
                int(db.execute(f"PRAGMA {what}").fetchone()[0])
                for what in ("page_count", "freelist_count", "page_size")
            )
        return (pages - free) * size

    def close(self) -> None:
        """Let go of it; the next use opens it again."""
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def _after(self, exc: Exception) -> None:
        """What `exc` says of the file; one that says nothing of it is raised again."""
        if isinstance(exc, OSError):
            return
        code = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in _DAMAGED:
            self._is_damaged = True
            self.close()
        elif code not in _PASSING:
            raise exc
        elif code in _GONE:
            self._is_checked = self._is_checked and code != sqlite3.SQLITE_IOERR
            self.close()

    def _open(self) -> sqlite3.Connection:
        salvage.finish(self.path)
        if not self._is_damaged:
            if (db := self._as_it_is()) is not None:
                return db
            self._is_damaged = True
        salvage.renew(self.path, self._moved, self._begun)
        self._is_damaged, self._is_checked = False, True
        db = connect(self.path)
        return self._ready(db)

    def _as_it_is(self) -> sqlite3.Connection | None:
        """A connection to the file; None if it is damaged or of no version known here."""
        db = None
        try:
            db = connect(self.path)
            self._is_checked = self._is_checked or _is_sound(db)
            if self._is_checked and version(db) <= VERSION:
                return self._ready(db)
        except sqlite3.Error as exc:
            if db is not None:
                db.close()
            if getattr(exc, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
                return None
            raise
        db.close()
        return None

    def _ready(self, db: sqlite3.Connection) -> sqlite3.Connection:
        try:
            if version(db) < VERSION:
                make(db)
            self._opened(db)
        except BaseException:
            db.close()
            raise
        self._db = db
        return db

    def _moved(self, new: Path) -> None:
        self._fill(new, lambda db: salvage.move(self.path, db, _TABLES))

    def _begun(self, new: Path) -> None:
        self._fill(new, lambda _: {"left": "all of it: there is no room for both"})

    def _fill(self, new: Path, find: Callable[[sqlite3.Connection], dict[str, str]]) -> None:
        # Without a log beside: it would need the room twice, and what a full disk keeps in it stays
        # behind when the file gets its name.
        with closing(sqlite3.connect(new, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = MEMORY")
            db.execute("PRAGMA synchronous = FULL")
            make(db)
            db.execute("BEGIN IMMEDIATE")
            found = find(db)
            self._renewed(db, found)
            db.execute("COMMIT")
        log.error("%s was damaged; in a new one are %s", self.path, found)


def connect(path: Path) -> sqlite3.Connection:
    """A connection that has a commit on disk before it returns."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA journal_size_limit = 8388608")
    except BaseException:
        db.close()
        raise
    return db


def make(db: sqlite3.Connection) -> None:
    """Make of an empty file, or of an older version's, one of this version; what is in it stays."""
    db.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")


def version(db: sqlite3.Connection) -> int:
    """0: an empty file."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _is_sound(db: sqlite3.Connection) -> bool:
    """Whether SQLite finds its pages in order; what a segment holds, its own hash says."""
    return bool(db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
