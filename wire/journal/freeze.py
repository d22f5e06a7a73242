"""Moves the data of old segments into cold files. Whatever kills it, every record can be read.

A month at a time: the file is written beside its place, brought to disk, given its name, and read
back record by record; then the journal names it; only then the data leaves the journal, a few
records at once. Begun again, it goes on where it was. The ingestor may run meanwhile.
"""

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from wire.errors import BadData, ConfigError, TransientError
from wire.journal.cold import SCHEMA, ColdFile, write_file
from wire.journal.sqlite import FROZEN_VERSION, OUTLINE, connect

_BATCH = 500
# Written anew behind all others: so whole pages of the file get free for what comes. Made smaller in
# their places they would leave holes in pages that nothing is put into any more.
_LET_GO = f"REPLACE INTO record SELECT {OUTLINE} FROM record WHERE site = ? AND offset = ?"
_OPEN = "site = ? AND kind = 'segment' AND offset BETWEEN ? AND ? AND length(data) > 0"


class Frozen(NamedTuple):
    """A month of a site's segments in its cold file; `moved`: out of the journal in this run."""

    site: str
    month: str
    first: int
    last: int
    path: Path
    moved: int


class _Range(NamedTuple):
    site: str
    month: str
    first: int
    last: int


def freeze(journal: Path, before: datetime, directory: Path) -> Iterator[Frozen]:
    """Freeze every whole month before `before` (its first instant, UTC) of every site.

    Raises ConfigError where a file is in the way, TransientError when a disk is full or fails.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with closing(connect(journal)) as db:
            db.execute("PRAGMA synchronous = FULL")
            if db.execute("PRAGMA user_version").fetchone() != (FROZEN_VERSION,):
                db.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {FROZEN_VERSION}; COMMIT;")
            _find_again(db, directory)
            sites = [row[0] for row in db.execute("SELECT DISTINCT site FROM record ORDER BY 1")]
            for site in sites:
                yield from _site(db, site, before, directory)
    except sqlite3.DatabaseError as exc:
        raise TransientError(f"{journal}: cannot be frozen now: {exc}") from exc
    except OSError as exc:
        raise TransientError(f"{exc.filename or directory}: {exc.strerror}") from exc


def _site(db: sqlite3.Connection, site: str, before: datetime, directory: Path) -> Iterator[Frozen]:
    query = "SELECT first, last, path FROM cold WHERE site = ? ORDER BY first"
    known = db.execute(query, (site,)).fetchall()
    for first, last, path in known:  # a run before this one may have been killed here
        part = _Range(site, Path(path).stem.removeprefix(f"{site}-"), first, last)
        if moved := _move(db, part, Path(path)):
            yield Frozen(*part, Path(path), moved)
    for part in _months(db, site, known[-1][1] if known else 0, before):
        path = directory.absolute() / f"{site}-{part.month}.cold"
        digest = _file(db, part, path)
        row = (site, part.first, part.last, str(path), digest)
        db.execute("INSERT INTO cold VALUES (?,?,?,?,?)", row)
        yield Frozen(*part, path, _move(db, part, path))


def _months(db: sqlite3.Connection, site: str, after: int, before: datetime) -> Iterator[_Range]:
    """Offsets of each month with a segment; a month ends before the first record of a later one."""
    while True:
        query = "SELECT t_ms FROM record WHERE site = ? AND offset > ? ORDER BY offset LIMIT 1"
        row = db.execute(query, (site, after)).fetchone()
        if row is None or row[0] >= _ms(before):
            return
        begun = datetime.fromtimestamp(row[0] / 1000, UTC)
        following = datetime(begun.year + begun.month // 12, begun.month % 12 + 1, 1, tzinfo=UTC)
        last = _last_before(db, site, after, _ms(following))
        part = _Range(site, f"{begun:%Y-%m}", after + 1, last)
        if db.execute(f"SELECT 1 FROM record WHERE {_OPEN} LIMIT 1", (site, *part[2:])).fetchone():
            yield part
        after = last


def _last_before(db: sqlite3.Connection, site: str, after: int, t_ms: int) -> int:
    query = (
        "SELECT offset - 1 FROM record WHERE site = ? AND offset > ? AND t_ms >= ?"
        " ORDER BY offset LIMIT 1"
    )
    row = db.execute(query, (site, after, t_ms)).fetchone()
    if row is None:
        row = db.execute("SELECT max(offset) FROM record WHERE site = ?", (site,)).fetchone()
    return int(row[0])


def _file(db: sqlite3.Connection, part: _Range, path: Path) -> str:
    """Write the cold file and bring it to disk; its SHA-256."""
    if path.exists():
        # Left by a run that was killed before the journal named it; or another journal's.
        _compare(db, part, path)
    else:
        beside = path.with_name(path.name + ".part")
        write_file(beside, _data(db, part))
        _sync(beside)
        beside.rename(path)
        _sync(path.parent)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _compare(db: sqlite3.Connection, part: _Range, path: Path) -> None:
    try:
        with closing(ColdFile(path)) as cold:
            for offset, data in _data(db, part):
                _check(cold, offset, data)
    except (BadData, sqlite3.Error) as exc:
        what = f"{part.site}, records {part.first} to {part.last}"
        raise ConfigError(
            f"{path}: is in the way and does not hold {what}: {exc}; move it, or freeze elsewhere"
        ) from exc


def _check(cold: ColdFile, offset: int, data: bytes) -> None:
    if cold.data(offset) != data:
        raise BadData(f"record {offset} is another there")


def _data(db: sqlite3.Connection, part: _Range) -> Iterator[tuple[int, bytes]]:
    """A little at a time: a long look would keep the journal's -wal file from being emptied."""
    query = f"SELECT offset, data FROM record WHERE {_OPEN} ORDER BY offset LIMIT {_BATCH}"
    after = part.first
    while rows := db.execute(query, (part.site, after, part.last)).fetchall():
        yield from rows
        after = rows[-1][0] + 1


def _move(db: sqlite3.Connection, part: _Range, path: Path) -> int:
    """Let go of what the cold file holds; how many records. Raises BadData if it holds it not."""
    moved = 0
    query = f"SELECT offset, data FROM record WHERE {_OPEN} ORDER BY offset LIMIT {_BATCH}"
    while rows := db.execute(query, (part.site, part.first, part.last)).fetchall():
        with closing(ColdFile(path)) as cold:
            for offset, data in rows:
                _check(cold, offset, data)
        db.execute("BEGIN IMMEDIATE")
        db.executemany(_LET_GO, [(part.site, offset) for offset, _ in rows])
        db.execute("COMMIT")
        moved += len(rows)
    return moved


def _find_again(db: sqlite3.Connection, directory: Path) -> None:
    """Cold files that were carried to `directory`: the journal names them there from now on."""
    for site, first, path, digest in db.execute(
        "SELECT site, first, path, sha256 FROM cold"
    ).fetchall():
        here = directory.absolute() / Path(path).name
        if Path(path).exists() or not here.exists():
            continue
        with here.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == digest:
                where = (str(here), site, first)
                db.execute("UPDATE cold SET path = ? WHERE site = ? AND first = ?", where)


def _sync(path: Path) -> None:
    """Bring a file, or the names in a directory, to disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _ms(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)
