"""The history that needs no server: one SQLite file, one row per meter and hour.

~~~toml
kind = "embedded"
~~~

A row's blob holds exact integer columns as differences, byte-shuffled and compressed. What has just
arrived waits as small parts, one a write; when an hour has many of them, or is over, they are folded
into its one row, and so is what comes late. A part is known by the journal offsets it came from and a row of readings by its
time, so writing a segment again changes nothing. Of two values at one time the lower stands, as a
register does in the calculator: so the order of arrival decides nothing.
"""

import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec
import numpy as np

from ingestor.blocks import Block, Columns, Kind, Loose, block, merged
from ingestor.columns import Ints, matrix, scaled
from ingestor.sinks import Column, Rejected, joined
from wire.files import open_database, unopened, using
from wire.segment import Segment

HOUR_MS = 3_600_000
FILE = "history.db"
_CURE = (
    "stop the ingestor, move it away with its -wal, and `ingestor project --from 0` makes it anew"
)
_PAGE = 2048  # of a new file: what an hour's row leaves empty of its last page is half of the usual
_MOST_PARTS = 600
_LEAST_ROWS = 400  # of a plane that is worth a table of its own
_SCHEMA = """
CREATE TABLE IF NOT EXISTS part (
    site TEXT NOT NULL, meter TEXT NOT NULL, hour INTEGER NOT NULL, first INTEGER NOT NULL,
    last INTEGER NOT NULL, number INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (site, meter, hour, first, last, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chunk (
    site TEXT NOT NULL, meter TEXT NOT NULL, hour INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (site, meter, hour)
);
"""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Series(msgspec.Struct, frozen=True):
    """Readings of one meter: `values[quantity][i] * 10**exponents[quantity]` at `t_ms[i]`."""

    quality: str
    exponents: dict[str, int]
    t_ms: Ints
    values: dict[str, Ints]


class History:
    """One history file. Not for use from two threads at once."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self._path = path
        self._db = db
        # The hours of each meter that have parts, all but the newest over; None: to be looked up.
        self._open: dict[tuple[str, str], set[int]] | None = None

    def prepare(self) -> None:
        """Nothing to make ready: the file is there."""

    def dialect(self) -> str:
        with self._file():
            self._unfolded()
        return "its file opens"

    def write(self, segments: Sequence[tuple[int, Segment]]) -> list[Rejected]:
        offsets = (segments[0][0], segments[-1][0]) if segments else (0, 0)
        known, self._open = self._open, None  # after a failure nobody knows
        with self._file():
            known = self._unfolded() if known is None else known
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                for whose, hours in _grouped(segments).items():
                    self._keep(*whose, hours, known.setdefault(whose, set()), offsets)
        self._open = known
        return []

    def readings(self, site: str, meter: str, from_ms: int, to_ms: int) -> list[Series]:
        """Every reading of a meter with from_ms <= t < to_ms, ordered by time in each series."""
        first, last = from_ms - from_ms % HOUR_MS, to_ms - 1
        with self._file():
            tables = merged(self._blocks(site, meter, first, last))
        found = []
        for (quality, quantities, exponents), table in tables.items():
            low, high = np.searchsorted(table[0], (from_ms, to_ms))
            if low < high:
                found.append(
                    Series(
                        quality,
                        dict(zip(quantities, exponents, strict=True)),
                        table[0, low:high],
                        {name: row[low:high] for name, row in zip(quantities, table[1:])},
                    )
                )
        return found

    def columns(
        self, site: str, meter: str, from_ms: int, to_ms: int, quantities: Sequence[str] = ()
    ) -> list[Column]:
        return joined(
            [
                Column(name, series.quality, series.t_ms, scaled(row, series.exponents[name]))
                for series in self.readings(site, meter, from_ms, to_ms)
                for name, row in series.values.items()
                if not quantities or name in quantities
            ]
        )

    def meters(self, site: str) -> set[str]:
        query = "SELECT meter FROM part WHERE site = ? UNION SELECT meter FROM chunk WHERE site = ?"
        with self._file():
            return {meter for (meter,) in self._db.execute(query, (site, site))}

    def forget(self, site: str, meter: str, from_ms: int, to_ms: int) -> bool:
        """Whole hours, as they are kept."""
        where = "site = ? AND meter = ? AND hour >= ? AND hour < ?"
        values = (site, meter, from_ms - from_ms % HOUR_MS, to_ms)
        with self._file(), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            for table in ("part", "chunk"):
                self._db.execute(f"DELETE FROM {table} WHERE {where}", values)
        return True

    def retention_days(self) -> int:
        return 0

    def close(self) -> None:
        self._db.close()

    def _file(self) -> AbstractContextManager[None]:
        return using(self._path, "history", _CURE, (zlib.error, msgspec.DecodeError))

    def _keep(
        self,
        site: str,
        meter: str,
        hours: dict[int, list[Loose]],
        waiting: set[int],
        offsets: tuple[int, int],
    ) -> None:
        """The newest hour waits as parts; one that is over is folded at once."""
        newest = max((*waiting, *hours))
        for hour in sorted((waiting | hours.keys()) - {newest}):
            self._fold(site, meter, hour, hours.get(hour, []))
            waiting.discard(hour)
        waiting.add(newest)
        for number, each in enumerate(hours.get(newest, [])):
            data = msgspec.msgpack.encode(block(*each))
            values = (site, meter, newest, *offsets, number, data)
            self._db.execute("INSERT OR REPLACE INTO part VALUES (?,?,?,?,?,?,?)", values)
        if newest in hours and self._parts((site, meter, newest)) >= _MOST_PARTS:
            self._fold(site, meter, newest, [])

    def _unfolded(self) -> dict[tuple[str, str], set[int]]:
        found: dict[tuple[str, str], set[int]] = {}
        for site, meter, hour in self._db.execute("SELECT DISTINCT site, meter, hour FROM part"):
            found.setdefault((site, meter), set()).add(hour)
        return found

    def _parts(self, where: tuple[str, str, int]) -> int:
        query = "SELECT count(*) FROM part WHERE site = ? AND meter = ? AND hour = ?"
        return int(self._db.execute(query, where).fetchone()[0])

    def _fold(self, site: str, meter: str, hour: int, fresh: list[Loose]) -> None:
        """Everything there is of an hour, and what has just come, into its one row."""
        tables = merged([*self._blocks(site, meter, hour, hour), *fresh])
        blocks = [block(kind, table) for kind, table in tables.items()]
        data = _compressed(blocks)
        where = (site, meter, hour)
        self._db.execute("INSERT OR REPLACE INTO chunk VALUES (?,?,?,?)", (*where, data))
        self._db.execute("DELETE FROM part WHERE site = ? AND meter = ? AND hour = ?", where)

    def _blocks(self, site: str, meter: str, first: int, last: int) -> Iterator[Block]:
        """Everything kept of a meter from hour `first` to hour `last`."""
        where = (site, meter, first, last)
        query = "SELECT data FROM {} WHERE site = ? AND meter = ? AND hour BETWEEN ? AND ?"
        for (data,) in self._db.execute(query.format("chunk"), where):
            yield from msgspec.msgpack.decode(zlib.decompress(data), type=list[Block])
        for (data,) in self._db.execute(query.format("part") + " ORDER BY first, last", where):
            yield msgspec.msgpack.decode(data, type=Block)


def open_sink(settings: Settings, directory: Path) -> History:  # noqa: ARG001  nothing to set
    """The history in `directory`, made where there is none. Raises ConfigError."""
    path = directory / FILE
    try:
        db = open_database(path, _PAGE)
        db.executescript(_SCHEMA)
    except (OSError, sqlite3.Error) as exc:
        raise unopened(path, "history", exc, _CURE) from exc
    return History(path, db)


def _grouped(
    segments: Sequence[tuple[int, Segment]],
) -> dict[tuple[str, str], dict[int, list[Loose]]]:
    """By site and meter: for each hour its rows of each kind."""
    found: dict[tuple[str, str], dict[Kind, list[Columns]]] = {}
    for _, segment in segments:
        site = segment.header.site
        for table in segment.tables:
            kind = (table.quality, table.quantities, table.exponents)
            whose = found.setdefault((site, table.meter), {})
            whose.setdefault(kind, []).append(matrix(table))
    grouped: dict[tuple[str, str], dict[int, list[Loose]]] = {}
    for key, kinds in found.items():
        hours = grouped.setdefault(key, {})
        for kind, tables in kinds.items():
            for hour, columns in _by_hour(np.concatenate(tables, axis=1)):
                hours.setdefault(hour, []).append(Loose(kind, columns))
    return grouped


def _compressed(blocks: list[Block]) -> bytes:
    """One zlib stream. Bytes of one place in a column are alike and those of the next are not: each
    gets its own table of codes, which is a fifth smaller, and there is nothing else to look for in
    what is nearly noise, so that it takes half the time."""
    whole = msgspec.msgpack.encode(blocks)
    packer = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    packed, at = [], 0
    for each in blocks:
        if each.rows < _LEAST_ROWS:
            continue
        for _, _, data in each.columns:
            begin = whole.index(data, at)
            for end in range(begin + each.rows, begin + len(data) + 1, each.rows):
                packed += [packer.compress(whole[at:end]), packer.flush(zlib.Z_BLOCK)]
                at = end
    if not packed:
        return zlib.compress(whole)
    return b"".join((*packed, packer.compress(whole[at:]), packer.flush()))


def _by_hour(columns: Columns) -> Iterator[tuple[int, Columns]]:
    """(hour, columns) for each hour; times are the first row."""
    hours = columns[0] - columns[0] % HOUR_MS
    cuts = np.flatnonzero(np.diff(hours)) + 1
    if np.all(hours[cuts] > hours[cuts - 1]):  # one after the other
        for part in np.split(columns, cuts, axis=1):
            yield int(part[0, 0] - part[0, 0] % HOUR_MS), part
        return
    for hour in np.unique(hours):
        yield int(hour), columns[:, hours == hour]
