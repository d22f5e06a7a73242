"""Follows the journal into a sink. What the database holds can be made again at any time.

Each sink has a cursor of its own, kept after its write: a kill in between repeats a write, and a
repeated write leaves the same points. A sink that is down stops nobody else.
"""

import logging
import random
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from ingestor.quarantine import Poison, Quarantine
from ingestor.sinks import Sink
from wire.errors import ConfigError, TransientError
from wire.journal import Reader, Record
from wire.segment import Segment, open_segment

log = logging.getLogger(__name__)

_MOST_RECORDS = 256
_LOOK_EVERY_S = 1.0
_BACKOFF_S = (0.5, 30.0)


class Cursors:
    """How far each sink has come in each site's journal; one small file."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA busy_timeout = 5000")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS cursor (sink TEXT NOT NULL, site TEXT NOT NULL,"
                " offset INTEGER NOT NULL, PRIMARY KEY (sink, site))"
            )
        except (OSError, sqlite3.Error) as exc:
            raise ConfigError(f"{path}: cursors cannot be opened: {exc}") from exc

    def get(self, sink: str, site: str) -> int:
        query = "SELECT offset FROM cursor WHERE sink = ? AND site = ?"
        row = self._db.execute(query, (sink, site)).fetchone()
        return int(row[0]) if row else 0

    def advance(self, sink: str, site: str, old: int, new: int) -> None:
        """Move on from `old`; does nothing if a person has set the cursor meanwhile."""
        self._db.execute("INSERT OR IGNORE INTO cursor VALUES (?,?,0)", (sink, site))
        self._db.execute(
            "UPDATE cursor SET offset = ? WHERE sink = ? AND site = ? AND offset = ?",
            (new, sink, site, old),
        )

    def rewind(self, sink: str, site: str, offset: int) -> None:
        """Project again from the record after `offset`; never forward."""
        self._db.execute(
            "UPDATE cursor SET offset = ? WHERE sink = ? AND site = ? AND offset > ?",
            (offset, sink, site, offset),
        )

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
        """Follow until stopped."""
        self._patiently(self._sink.prepare)
        while not self._stopping:
            self.wake.clear()
            if not self._patiently(self.step):
                self.wake.wait(_LOOK_EVERY_S)
        self._sink.close()

    def step(self) -> bool:
        """Project what comes next in every site; whether there was any. Raises TransientError."""
        moved = False
        for site in self._journal.sites():
            at = self._cursors.get(self._name, site)
            records = self._journal.read(site, at, _MOST_RECORDS)
            if records and not self._stopping:
                self._write(records)
                self._cursors.advance(self._name, site, at, records[-1].offset)
                moved = True
        return moved

    def _write(self, records: list[Record]) -> None:
        rejected = self._sink.write(segments_of(records))
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


def segments_of(records: list[Record]) -> list[tuple[int, Segment]]:
    """(offset, segment) of the records that are segments; they were opened when they came in."""
    return [(r.offset, open_segment(r.data)) for r in records if r.kind == "segment"]
