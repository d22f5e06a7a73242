"""Files for whoever analyses: one a site and day, or month, as CSV or Parquet.

~~~toml
kind = "archive"
directory = "archive"           # archive/<site>/2026-11-26.csv
form = "csv"                    # or parquet, which wants pip install wattprint[parquet]
period = "day"                  # or month, in UTC
~~~

A file is there whole or not at all: what has arrived waits beside it until an hour of readings came
from behind the period's end, then the file is written under another name, synced, and renamed. What
comes later still is put into it, at most once an hour. Rows are known by meter, quantity, quality and
time, so that a repetition, also after a kill at any moment, adds none; of two values at one time the
lower stands. Values are the decimals that were read.
"""

import re
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from ingestor.blocks import Block, block, merged
from ingestor.columns import matrix, scaled
from ingestor.sinks import Column, Rejected, joined
from ingestor.sinks.archive import files
from ingestor.sinks.archive.rows import Rows, cut, put_together, rows_of
from wire.errors import ConfigError, TransientError
from wire.files import give, open_database, unopened, using
from wire.segment import Segment, Table

_HOUR_MS = 3_600_000
_WAITING = "waiting.db"
_CURE = (
    "stop the ingestor, move it away with its -wal, and `ingestor project --from 0` makes it anew"
)
_NAMES = {"D": re.compile(r"\d{4}-\d\d-\d\d"), "M": re.compile(r"\d{4}-\d\d")}
_SCHEMA = """
CREATE TABLE IF NOT EXISTS part (
    site TEXT NOT NULL, period TEXT NOT NULL, meter TEXT NOT NULL, first INTEGER NOT NULL,
    last INTEGER NOT NULL, number INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (site, period, meter, first, last, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (site TEXT PRIMARY KEY, newest_ms INTEGER NOT NULL);
"""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    directory: Path = Path("archive")
    form: Literal["csv", "parquet"] = "csv"
    period: Literal["day", "month"] = "day"


class Archive:
    """One directory of files, and what waits to be in one."""

    def __init__(self, db: sqlite3.Connection, settings: Settings) -> None:
        self._db = db
        self._settings = settings
        self._form = files.FORMS[settings.form]
        self._unit = "D" if settings.period == "day" else "M"

    def prepare(self) -> None:
        """Nothing to make ready: the directory is there."""

    def dialect(self) -> str:
        return f"its directory {self._settings.directory} opens"

    def write(self, segments: Sequence[tuple[int, Segment]]) -> list[Rejected]:
        with self._disk():
            due = self._keep(segments)
        failed = []
        for site, period in due:  # one that rotted keeps no other back
            try:
                with self._disk():
                    self._file(site, period)
            except TransientError as exc:
                failed.append(exc)
        if failed:
            raise failed[0]
        return []

    def columns(
        self, site: str, meter: str, from_ms: int, to_ms: int, quantities: Sequence[str] = ()
    ) -> list[Column]:
        found = []
        for period in self._periods_in(site, from_ms, to_ms):
            with self._disk():
                rows = put_together([*self._waiting(site, period), self._kept(site, period)])
            for (name, quantity, quality, exponent), table in rows.items():
                low, high = np.searchsorted(table[0], (from_ms, to_ms))
                if name == meter and low < high and (not quantities or quantity in quantities):
                    values = scaled(table[1, low:high], exponent)
                    found.append(Column(quantity, quality, table[0, low:high], values))
        return joined(found)

    def meters(self, site: str) -> set[str]:
        query = "SELECT DISTINCT meter FROM part WHERE site = ?"
        with self._disk():
            waiting = {meter for (meter,) in self._db.execute(query, (site,))}
            kept = (self._kept(site, period) for period in self._periods(site))
            return waiting | {meter for rows in kept for meter, *_ in rows}

    def forget(self, site: str, meter: str, from_ms: int, to_ms: int) -> bool:
        for period in self._periods_in(site, from_ms, to_ms):
            with self._disk():
                self._file(site, period, leave_out=(meter, from_ms, to_ms))
        return True

    def retention_days(self) -> int:
        return 0

    def close(self) -> None:
        self._db.close()

    def _disk(self) -> AbstractContextManager[None]:
        path = self._settings.directory / _WAITING
        return using(path, "archive", _CURE, (msgspec.DecodeError,))

    def _keep(self, segments: Sequence[tuple[int, Segment]]) -> list[tuple[str, str]]:
        """Keep them on disk; (site, period) of the files that are due now."""
        rows, newest = [], dict(self._db.execute("SELECT site, newest_ms FROM seen"))
        before = dict(newest)
        for offset, segment in segments:
            site, number = segment.header.site, 0
            for table in segment.tables:
                for period, packed in self._by_period(table):
                    data = msgspec.msgpack.encode(packed)
                    rows.append((site, period, table.meter, offset, offset, number, data))
                    number += 1
            newest[site] = max(newest.get(site, 0), segment.header.t_last_ms)
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT OR REPLACE INTO part VALUES (?,?,?,?,?,?,?)", rows)
            self._db.executemany("INSERT OR REPLACE INTO seen VALUES (?,?)", newest.items())
        due = []
        for site, now_ms in newest.items():
            if now_ms // _HOUR_MS > before.get(site, 0) // _HOUR_MS:
                query = "SELECT DISTINCT period FROM part WHERE site = ? ORDER BY period"
                periods = [period for (period,) in self._db.execute(query, (site,))]
                due += [(site, p) for p in periods if self._span(p)[1] + _HOUR_MS <= now_ms]
        return due

    def _by_period(self, table: Table) -> list[tuple[str, Block]]:
        columns = matrix(table)
        kind = (table.quality, table.quantities, table.exponents)
        periods = columns[0].astype("datetime64[ms]").astype(f"datetime64[{self._unit}]")
        return [
            (str(period), block(kind, columns[:, periods == period]))
            for period in np.unique(periods)
        ]

    def _file(self, site: str, period: str, leave_out: tuple[str, int, int] | None = None) -> None:
        """Put what waits into the period's file; a kill on the way leaves both as they were."""
        rows = put_together([*self._waiting(site, period), self._kept(site, period)])
        if leave_out:
            rows = cut(rows, *leave_out)
        files.replace(self._path(site, period), self._form, rows)
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("DELETE FROM part WHERE site = ? AND period = ?", (site, period))

    def _waiting(self, site: str, period: str) -> list[Rows]:
        query = "SELECT meter, data FROM part WHERE site = ? AND period = ? ORDER BY meter, first"
        blocks: dict[str, list[Block]] = {}
        for meter, data in self._db.execute(query, (site, period)):
            blocks.setdefault(meter, []).append(msgspec.msgpack.decode(data, type=Block))
        return [rows_of(meter, merged(found)) for meter, found in blocks.items()]

    def _kept(self, site: str, period: str) -> Rows:
        path = self._path(site, period)
        try:
            return self._form.read(path) if path.exists() else {}
        except files.NOT_OURS as exc:
            raise TransientError(
                f"{path}: is not as it was written: {exc}; move it away, and `ingestor project"
                " --from 0` makes it anew"
            ) from exc

    def _periods_in(self, site: str, from_ms: int, to_ms: int) -> list[str]:
        """Those with something between from_ms and to_ms."""
        with self._disk():
            spans = {period: self._span(period) for period in self._periods(site)}
        return [name for name, (begin, end) in spans.items() if begin < to_ms and from_ms < end]

    def _periods(self, site: str) -> list[str]:
        """Of this length, waiting or filed."""
        query = "SELECT DISTINCT period FROM part WHERE site = ?"
        found = {period for (period,) in self._db.execute(query, (site,))}
        suffix = f".{self._settings.form}"
        found |= {path.stem for path in self._path(site, "x").parent.glob(f"*{suffix}")}
        return sorted(period for period in found if _NAMES[self._unit].fullmatch(period))

    def _path(self, site: str, period: str) -> Path:
        return self._settings.directory / site / f"{period}.{self._settings.form}"

    def _span(self, period: str) -> tuple[int, int]:
        begin = np.array([period], f"datetime64[{self._unit}]")
        ends = np.concatenate((begin, begin + 1)).astype("datetime64[ms]").astype(np.int64)
        return int(ends[0]), int(ends[1])


def open_sink(settings: Settings, directory: Path) -> Archive:  # noqa: ARG001  has its own
    """Raises ConfigError."""
    if settings.form == "parquet" and not files.has_pyarrow():
        raise ConfigError("sinks.form: parquet needs pyarrow: pip install 'wattprint[parquet]'")
    path = settings.directory / _WAITING
    try:
        if not settings.directory.exists():
            settings.directory.mkdir(parents=True)
            give(settings.directory)
        db = open_database(path)
        db.executescript(_SCHEMA)
    except (OSError, sqlite3.Error) as exc:
        raise unopened(path, "archive", exc, _CURE) from exc
    return Archive(db, settings)
