"""Follows the journal into a sink. What the database holds can be made again at any time.

Each sink has a cursor of its own, kept after its write: a kill in between repeats a write, and a
repeated write leaves the same points. A sink that is down stops nobody else.
"""

import logging
import random
import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

from ingestor.opened import Opened
from ingestor.quarantine import Poison, Quarantine
from ingestor.sinks import Sink
from wire.errors import TransientError
from wire.files import open_database, unopened, using
from wire.journal import Reader, Record

log = logging.getLogger(__name__)

_MOST_RECORDS = 256
_CURE = "stop the ingestor and move it away with its -wal: all is projected once more"
_LOOK_EVERY_S = 1.0
_BACKOFF_S = (0.5, 30.0)


class Cursors:
    """How far each sink has come in each site's journal; one small file.

    Beside an offset stands the chain value of its record, which a journal restored from an older
    backup does not have: its offsets are filled anew. It is empty where a person set the cursor.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._db = open_database(path)
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS cursor (sink TEXT NOT NULL, site TEXT NOT NULL,"
                " offset INTEGER NOT NULL, chain TEXT NOT NULL DEFAULT '',"
                " PRIMARY KEY (sink, site))"
            )
            columns = [row[1] for row in self._db.execute("PRAGMA table_info(cursor)")]
            if "chain" not in columns:  # a file of an earlier version
                self._db.execute("ALTER TABLE cursor ADD COLUMN chain TEXT NOT NULL DEFAULT ''")
        except (OSError, sqlite3.Error) as exc:
            raise unopened(path, "cursors", exc, _CURE) from exc

    def get(self, sink: str, site: str) -> int:
        return self.place(sink, site)[0]

    def place(self, sink: str, site: str) -> tuple[int, str]:
        """(offset, the chain value of its record). Raises TransientError, as all here do."""
        query = "SELECT offset, chain FROM cursor WHERE sink = ? AND site = ?"
        with self._file():
            offset, chain = self._db.execute(query, (sink, site)).fetchone() or (0, "")
        return int(offset), chain

    def advance(self, sink: str, site: str, old: int, new: int, chain: str) -> None:
        """Move on from `old`; does nothing if a person has set the cursor meanwhile."""
        self._change("INSERT OR IGNORE INTO cursor (sink, site, offset) VALUES (?,?,0)", sink, site)
        self._change(
            "UPDATE cursor SET offset = ?, chain = ? WHERE sink = ? AND site = ? AND offset = ?",
            *(new, chain, sink, site, old),
        )

    def rewind(self, sink: str, site: str, offset: int) -> None:
        """Project again from the record after `offset`; never forward."""
        self._change(
            "UPDATE cursor SET offset = ?, chain = '' WHERE sink = ? AND site = ? AND offset > ?",
            *(offset, sink, site, offset),
        )

    def _change(self, statement: str, *values: str | int) -> None:
        with self._file():
            self._db.execute(statement, values)

    def _file(self) -> AbstractContextManager[None]:
        return using(self._path, "cursors", _CURE)

    def close(self) -> None:
        self._db.close()


class Projector:
    """One sink's follower, run by a thread of its own."""

    def __init__(
        self,
        name: str,
        sink: Sink,
        journal: Reader,
        cursors: Cursors,
        quarantine: Quarantine,
        random_: random.Random,
    ) -> None:
        self.wake = threading.Event()
        self.opened = Opened()
        self.state = "starting"
        self._name = name
        self._sink = sink
        self._journal = journal
        self._cursors = cursors
        self._quarantine = quarantine
        self._random = random_
        self._stopping = False

    def stop(self) -> None:
        self._stopping = True
        self.wake.set()

    def run(self) -> None:
        """Follow until stopped; then close the sink and the journal."""
        with closing(self._sink), closing(self._journal):
            self._patiently(self._sink.prepare)
            while not self._stopping:
                self.wake.clear()
                if not self._patiently(self.step):
                    self.wake.wait(_LOOK_EVERY_S)

    def step(self) -> bool:
        """Project what comes next in every site; whether there was any. Raises TransientError."""
        moved = False
        for site in self._journal.sites():
            at = self._proved_cursor(site)
            records = self._journal.read(site, at, _MOST_RECORDS)
            if records and not self._stopping:
                self._write(records)
                last = records[-1]
                self._cursors.advance(self._name, site, at, last.offset, last.chain)
                moved = True
        return moved

    def _proved_cursor(self, site: str) -> int:
        """Where to go on; from the beginning if this is not the journal the cursor was kept for."""
        at, chain = self._cursors.place(self._name, site)
        record = self._journal.outline(site, at)
        if not at or (record is not None and chain in ("", record.chain)):
            return at
        log.warning("sink %s: %s: another journal; projecting it anew", self._name, site)
        self._cursors.rewind(self._name, site, 0)
        return 0

    def _write(self, records: list[Record]) -> None:
        segments = [(r.offset, self.opened.take(r)) for r in records if r.kind == "segment"]
        rejected = self._sink.write(segments)
        origin = f"sink:{self._name}"
        self._quarantine.keep([Poison(origin, each.reason, each.data) for each in rejected])

    def _patiently(self, work: Callable[[], bool | None]) -> bool:
        """Do `work`, again and again while the other side is not there."""
        ceiling = _BACKOFF_S[0]
        while not self._stopping:
            try:
                done = work()
            except TransientError as exc:
                if self.state != str(exc):
                    self.state = str(exc)
                    log.warning("sink %s: %s; trying again", self._name, exc)
                pause_s = exc.retry_after_s or self._random.uniform(0, ceiling)
                ceiling = min(2 * ceiling, _BACKOFF_S[1])
                self._pause(pause_s)
                continue
            if self.state != "ok":
                self.state = "ok"
                log.info("sink %s: ok", self._name)
            return bool(done)
        return False

    def _pause(self, pause_s: float) -> None:
        """Wait; new records do not shorten it, being stopped does."""
        step_s = 0.1
        for _ in range(max(1, int(pause_s / step_s))):
            if self._stopping:
                return
            threading.Event().wait(step_s)
