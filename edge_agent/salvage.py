"""What a damaged store still tells: row by row into a new one, whatever lies between them.

A segment moves only if its bytes still have their hash. It keeps its stream and number, so the
cloud knows it again; one that is missing among them is told when the cloud asks for it.
"""

import hashlib
import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from wire.errors import BadData
from wire.segment import GENESIS, read_header

log = logging.getLogger(__name__)

_WORDS = {"segment": "segments", "bundle": "bundles", "pending": "cycles"}
_NO_ROT = frozenset(
    {
        *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM),
        *(sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PROTOCOL),
        *(sqlite3.SQLITE_IOERR_SHMOPEN, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMMAP),
    }
)
_MOST_BETWEEN = 20_000  # row ids tried one by one where the tree of the table is broken


def renew(path: Path, fill: Callable[[Path], None], bare: Callable[[Path], None]) -> None:
    """Put a new file, made by `fill`, in the place of `path`, which gets a name nobody has. Where
    there is no room for both it is made by `bare`, and what the old one holds stays there.

    A crash at any point leaves one of the two in its place: see `finish`. Raises OSError.
    """
    new = _new(path)
    _remove(new)
    try:
        fill(new)
    except sqlite3.OperationalError as exc:
        if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_FULL:
            raise
        _remove(new)
        bare(new)
    aside = _aside(path, _last(path) + 1)
    path.rename(aside)
    log.error("%s is %s now", path, aside)
    finish(path)


def finish(path: Path) -> None:
    """End a renewal that a crash cut short. Raises OSError."""
    if not path.exists() and _new(path).exists():
        aside = _aside(path, _last(path))
        # The log behind its file: the one would open without the other, and lose what that holds.
        with suppress(FileNotFoundError):
            path.with_name(path.name + "-wal").rename(aside.with_name(aside.name + "-wal"))
        path.with_name(path.name + "-shm").unlink(missing_ok=True)
        _new(path).rename(path)


def move(old: Path, new: sqlite3.Connection, tables: Sequence[str]) -> dict[str, str]:
    """Copy every row of `old` that can be read; how many of what, in words."""
    found: dict[str, str] = {}
    with closing(sqlite3.connect(old, isolation_level=None)) as db:
        # Without it a file that was cut short tells nothing at all.
        db.execute("PRAGMA writable_schema = ON")
        # Text that rotted is no reason to stop.
        db.text_factory = lambda raw: raw.decode(errors="replace")
        for table in tables:
            columns = [row[1] for row in new.execute(f"PRAGMA table_info({table})")]
            insert = f"INSERT OR IGNORE INTO {table} VALUES ({','.join('?' * len(columns))})"
            kept = 0
            for row in _rows(db, table, columns):
                if _is_whole(table, dict(zip(columns, row, strict=True))):
                    with suppress(sqlite3.IntegrityError):
                        kept += new.execute(insert, row).rowcount
            found[table] = str(kept)
    _streams(new)
    return {word: found[table] for table, word in _WORDS.items()}


def _new(path: Path) -> Path:
    return path.with_name(f"new-{path.name}")


def _aside(path: Path, number: int) -> Path:
    return path.with_name(f"damaged-{number}-{path.name}")


def _last(path: Path) -> int:
    """The greatest number of what was set aside; 0: nothing was."""
    names = (each.name.split("-")[1] for each in path.parent.glob(f"damaged-*-{path.name}"))
    return max((int(name) for name in names if name.isdecimal()), default=0)


def _remove(path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _rows(db: sqlite3.Connection, table: str, columns: Sequence[str]) -> Iterator[tuple[object]]:
    names = ",".join(columns)
    for id_ in _ids(db, table):
        row = None
        with _past_rot():
            row = db.execute(f"SELECT {names} FROM {table} WHERE rowid = ?", (id_,)).fetchone()
        if row is not None:
            yield row


def _ids(db: sqlite3.Connection, table: str) -> list[int]:
    """Every row id that may be there: from both ends to the damage, and all between."""
    forth, to_the_end = _walk(db, f"SELECT rowid FROM {table} NOT INDEXED ORDER BY rowid")
    if to_the_end:
        return forth
    back, _ = _walk(db, f"SELECT rowid FROM {table} NOT INDEXED ORDER BY rowid DESC")
    if not forth and not back:
        return []
    last = max(forth, default=0)
    first = min(back, default=last + _MOST_BETWEEN)
    return [*forth, *range(last + 1, min(first, last + _MOST_BETWEEN)), *reversed(back)]


def _walk(db: sqlite3.Connection, query: str) -> tuple[list[int], bool]:
    """The row ids as far as they can be read; whether that is to the end."""
    found: list[int] = []
    with _past_rot():
        for (id_,) in db.execute(query):
            found.append(id_)
        return found, True
    return found, False


@contextmanager
def _past_rot() -> Iterator[None]:
    """What cannot be read is passed over; but not for want of room, or because somebody else reads."""
    try:
        yield
    except sqlite3.Error as exc:
        code = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        if code in _NO_ROT or code & 0xFF in _NO_ROT:
            raise


def _is_whole(table: str, row: dict[str, object]) -> bool:
    """Whether a segment's bytes are the ones that were sealed."""
    data = row.get("data")
    if table not in ("segment", "bundle"):
        return True
    if not isinstance(data, bytes):
        return False
    try:
        header = read_header(data)[0]
    except BadData:
        return False
    place = header.stream, header.seq, hashlib.sha256(data).hexdigest()
    return table == "bundle" or place == (row["stream"], row["seq"], row["hash"])


def _streams(new: sqlite3.Connection) -> None:
    """Where a stream's own row is lost, its segments say how far it had come at least."""
    new.execute(
        "INSERT OR IGNORE INTO stream SELECT stream, min(sealed_ms), max(seq), ?,"
        " coalesce(max(seq) FILTER (WHERE receipted_ms IS NOT NULL), 0)"
        " FROM segment GROUP BY stream",
        (GENESIS,),
    )
