"""The history that needs no server: one SQLite file, one row per meter and hour.

~~~toml
kind = "embedded"
~~~

A row's blob holds exact integer columns as differences, byte-shuffled and compressed. What has just
arrived waits as small parts, one a write; when an hour has many of them, or is over, they are folded
into its one row. A part is known by the journal offsets it came from and a row of readings by its
time, so writing a segment again changes nothing. Of two values at one time the lower stands, as a
register does in the calculator: so the order of arrival decides nothing.
"""

import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np

from ingestor.columns import Ints, Matrix, matrix, scaled
from ingestor.sinks import Column, Rejected, joined
from wire.errors import ConfigError, TransientError
from wire.segment import Segment, Table

HOUR_MS = 3_600_000
FILE = "history.db"
_MOST_PARTS = 600
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


class Block(msgspec.Struct, frozen=True, array_like=True):
    """Rows with the same quantities. `columns` are packed: times (ms) first, then mantissas."""

    quality: str
    quantities: tuple[str, ...]
    exponents: tuple[int, ...]
    rows: int
    columns: list[tuple[int, int, bytes]]


class Series(msgspec.Struct, frozen=True):
    """Readings of one meter: `values[quantity][i] * 10**exponents[quantity]` at `t_ms[i]`."""

    quality: str
    exponents: dict[str, int]
    t_ms: Ints
    values: dict[str, Ints]


Columns = Matrix  # (1 + quantities, rows): times in ms, then mantissas
Kind = tuple[str, tuple[str, ...], tuple[int, ...]]


class History:
    """One history file. Not for use from two threads at once."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        # The newest hour seen of each meter: an older one is over and may be folded.
        self._newest: dict[tuple[str, str], int] = {}

    def prepare(self) -> None:
        """Nothing to make ready: the file is there."""

    def dialect(self) -> str:
        return "its file opens"

    def write(self, segments: Sequence[tuple[int, Segment]]) -> list[Rejected]:
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                for where in sorted(self._add(segments)):
                    self._fold_if_due(where)
        except sqlite3.OperationalError as exc:
            raise TransientError(f"history cannot be written: {exc}") from exc
        return []

    def readings(self, site: str, meter: str, from_ms: int, to_ms: int) -> list[Series]:
        """Every reading of a meter with from_ms <= t < to_ms, ordered by time in each series."""
        first, last = from_ms - from_ms % HOUR_MS, to_ms - 1
        merged = _merge(self._blocks(site, meter, first, last))
        found = []
        for (quality, quantities, exponents), table in merged.items():
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
        return {meter for (meter,) in self._db.execute(query, (site, site))}

    def forget(self, site: str, meter: str, from_ms: int, to_ms: int) -> bool:
        """Whole hours, as they are kept."""
        where = "site = ? AND meter = ? AND hour >= ? AND hour < ?"
        values = (site, meter, from_ms - from_ms % HOUR_MS, to_ms)
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            for table in ("part", "chunk"):
                self._db.execute(f"DELETE FROM {table} WHERE {where}", values)
        return True

    def retention_days(self) -> int:
        return 0

    def close(self) -> None:
        self._db.close()

    def _add(self, segments: Sequence[tuple[int, Segment]]) -> set[tuple[str, str, int]]:
        """One part for each meter, hour and kind of table; which hours they belong to."""
        grouped: dict[tuple[str, str, int, Kind], list[Columns]] = {}
        for _, segment in segments:
            for table in segment.tables:
                for hour, columns in _by_hour(table):
                    kind = (table.quality, table.quantities, table.exponents)
                    key = (segment.header.site, table.meter, hour, kind)
                    grouped.setdefault(key, []).append(columns)
        rows = []
        for number, ((site, meter, hour, kind), parts) in enumerate(grouped.items()):
            block = _block(kind, np.concatenate(parts, axis=1))
            offsets = (segments[0][0], segments[-1][0])
            rows.append((site, meter, hour, *offsets, number, msgspec.msgpack.encode(block)))
        self._db.executemany("INSERT OR REPLACE INTO part VALUES (?,?,?,?,?,?,?)", rows)
        return {key[:3] for key in grouped}

    def _fold_if_due(self, where: tuple[str, str, int]) -> None:
        """Fold an hour with many parts, and the meter's last hour when a new one begins."""
        site, meter, hour = where
        newest = self._newest.get((site, meter), hour)
        self._newest[site, meter] = max(newest, hour)
        if hour > newest:
            self._fold(site, meter, newest)
        elif hour < newest or self._parts(where) >= _MOST_PARTS:
            self._fold(site, meter, hour)

    def _parts(self, where: tuple[str, str, int]) -> int:
        query = "SELECT count(*) FROM part WHERE site = ? AND meter = ? AND hour = ?"
        return int(self._db.execute(query, where).fetchone()[0])

    def _fold(self, site: str, meter: str, hour: int) -> None:
        merged = _merge(self._blocks(site, meter, hour, hour))
        blocks = [_block(kind, table) for kind, table in merged.items()]
        data = zlib.compress(msgspec.msgpack.encode(blocks), 6)
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
        directory.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA busy_timeout = 5000")
        db.execute("PRAGMA journal_mode = WAL")
        # A row lost in a power cut is projected again from the journal: the cursor is kept later.
        db.execute("PRAGMA synchronous = FULL")
        db.executescript(_SCHEMA)
    except (OSError, sqlite3.Error) as exc:
        raise ConfigError(f"{path}: history cannot be opened: {exc}") from exc
    return History(db)


def _by_hour(table: Table) -> Iterator[tuple[int, Columns]]:
    """(hour, columns) for each hour the table touches; times are the first row."""
    columns = matrix(table)
    hours = columns[0] - columns[0] % HOUR_MS
    if hours[0] == hours[-1]:  # rows are in order of time
        yield int(hours[0]), columns
        return
    for hour in np.unique(hours):
        yield int(hour), columns[:, hours == hour]


def _block(kind: Kind, columns: Columns) -> Block:
    packed = [_pack(column) for column in columns]
    return Block(*kind, rows=columns.shape[1], columns=packed)


def _merge(
    blocks: Iterator[Block],
) -> dict[Kind, Columns]:
    """Blocks of like kind put together, (1 + quantities, rows), each time once."""
    kinds: dict[Kind, list[Columns]] = {}
    for block in blocks:
        kind = (block.quality, block.quantities, block.exponents)
        kinds.setdefault(kind, []).append(np.stack([_unpack(c) for c in block.columns]))
    merged = {}
    for kind, tables in kinds.items():
        table = np.concatenate(tables, axis=1)
        table = table[:, np.argsort(table[0])]
        _, begins = np.unique(table[0], return_index=True)
        merged[kind] = np.minimum.reduceat(table, begins, axis=1)
    return merged


def _pack(column: Ints) -> tuple[int, int, bytes]:
    steps = np.diff(column, prepend=column[:1])
    width = next(w for w in (1, 2, 4, 8) if _fits(steps, w))
    raw = steps.astype(f"<i{width}").view(np.uint8).reshape(-1, width)
    return int(column[0]), width, raw.T.tobytes()


def _fits(steps: Ints, width: int) -> bool:
    limits = np.iinfo(f"i{width}")
    return bool(limits.min <= steps.min() and steps.max() <= limits.max)


def _unpack(packed: tuple[int, int, bytes]) -> Ints:
    first, width, data = packed
    raw = np.frombuffer(data, np.uint8).reshape(width, -1).T
    steps = np.ascontiguousarray(raw).view(f"<i{width}").ravel()
    return np.asarray(first + np.cumsum(steps, dtype=np.int64), dtype=np.int64)
