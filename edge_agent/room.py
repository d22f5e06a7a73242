"""What goes when the store has no more room, and how it is put on record.

Receipted segments go first, the oldest before the others: the cloud has them. Then momentary
values are thinned to one each quarter of an hour, which costs no energy: registers stay. Only then
the oldest readings nobody has taken go, and each of them is counted: how many, of which meters,
from when to when. What has a number in a stream stays: a number is never used twice, nor left out.
"""

import logging
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from edge_agent import rows
from edge_agent.clock import Instant
from edge_agent.dating import Cycle, pack, unpack
from edge_agent.store_file import StoreFile
from wire.errors import BadData
from wire.messages import MeterEvent, Sample
from wire.quantities import QUANTITIES
from wire.segment import GENESIS, Place, Segment, open_segment, read_header, seal
from wire.signing import SigningKey

log = logging.getLogger(__name__)

NEARLY, FULL = 80, 95  # percent of the quota
LEVELS = ("ok", "nearly full", "full")
_QUARTER_MS = 900_000
_TRIM_AT_ONCE = 500  # segments
_SHED_AT_ONCE = 1000  # readings
_ANY_TIME_MS = 2**63 - 1


@dataclass
class Loss:
    """Readings that are no longer there."""

    readings: int = 0
    meters: set[str] = field(default_factory=set)
    first_ms: int = 0
    last_ms: int = 0

    def add(self, meters: Iterable[str], readings: int, first_ms: int, last_ms: int) -> None:
        self.first_ms = min(self.first_ms, first_ms) if self.readings else first_ms
        self.last_ms = max(self.last_ms, last_ms)
        self.readings += readings
        self.meters.update(meters)

    def event(self, gateway: str, t_ms: int, name: str, why: str) -> MeterEvent:
        """What travels to the journal."""
        detail = {
            "readings": str(self.readings),
            "meters": " ".join(sorted(self.meters)),
            "from_ms": str(self.first_ms),
            "to_ms": str(self.last_ms),
            "why": why,
        }
        return MeterEvent(gateway, t_ms, name, detail)


class Thinning:
    """Of each meter, momentary values once a quarter of an hour; registers always."""

    def __init__(self) -> None:
        self.loss = Loss()
        self._kept: dict[tuple[str, tuple[str, ...]], int] = {}

    def of(self, sample: Sample) -> Sample:
        """What stays of it, perhaps without values."""
        passing = tuple(
            q for q in sample.values if q in QUANTITIES and not QUANTITIES[q].cumulative
        )
        quarter = sample.t_ms // _QUARTER_MS
        if not passing or self._kept.get((sample.meter, passing)) != quarter:
            self._kept[sample.meter, passing] = quarter
            return sample
        self.loss.add((sample.meter,), len(passing), sample.t_ms, sample.t_ms)
        values = {q: value for q, value in sample.values.items() if q not in passing}
        return msgspec.structs.replace(sample, values=values)


def shorten(samples: list[Sample], most: int, loss: Loss) -> list[Sample]:
    """At most that many readings, for a disk that takes none: of the oldest the momentary values go
    first, and only then the oldest altogether."""
    over = sum(len(sample.values) for sample in samples) - most
    kept = []
    for sample in samples:
        if over > 0:
            values = {q: v for q, v in sample.values.items() if _is_register(q)}
            over -= _lose(loss, sample, len(sample.values) - len(values))
            sample = msgspec.structs.replace(sample, values=values)
        kept.append(sample)
    gone = 0
    while over > 0:
        over -= _lose(loss, kept[gone], len(kept[gone].values))
        gone += 1
    return [sample for sample in kept[gone:] if sample.values]


def _lose(loss: Loss, sample: Sample, readings: int) -> int:
    if readings:
        loss.add((sample.meter,), readings, sample.t_ms, sample.t_ms)
    return readings


def _is_register(quantity: str) -> bool:
    return quantity in QUANTITIES and QUANTITIES[quantity].cumulative


def level(used: int, limit: int) -> int:
    """An index of LEVELS."""
    return (100 * used >= NEARLY * limit) + (100 * used >= FULL * limit)


def trim(db: sqlite3.Connection, before_ms: int) -> int:
    """Delete the oldest of what was receipted before then, but each stream's newest; how many."""
    return db.execute(
        "DELETE FROM segment WHERE rowid IN (SELECT segment.rowid FROM segment JOIN stream"
        " USING (stream) WHERE receipted_ms < ? AND receipted_ms IS NOT NULL"
        " AND seq < stream.receipted ORDER BY receipted_ms, seq LIMIT ?)",
        (before_ms, _TRIM_AT_ONCE),
    ).rowcount


def thin(db: sqlite3.Connection, key: SigningKey) -> Loss | None:
    """Thin the oldest bundle that is not yet thin; what went. None: all are."""
    query = "SELECT id, data FROM bundle WHERE thinned = 0 ORDER BY id LIMIT 1"
    row = db.execute(query).fetchone()
    if row is None:
        return None
    id_, data = row
    thinning = Thinning()
    try:
        segment = open_segment(data)
    except BadData:
        pass  # told when its turn to leave comes
    else:
        samples = [thinning.of(s) for table in segment.tables for s in table.samples()]
        if thinning.loss.readings:
            data = _again(segment, [s for s in samples if s.values], key)
    _replace(db, id_, data, 1)
    return thinning.loss


def shed(db: sqlite3.Connection, key: SigningKey, loss: Loss) -> bool:
    """Delete the readings of the oldest bundle, or where there is none the oldest cycle; its events
    stay. False: there is nothing that may go."""
    query = (
        "SELECT id, data, readings, t_first_ms, t_last_ms FROM bundle WHERE thinned < 2"
        " ORDER BY id LIMIT 1"
    )
    if row := db.execute(query).fetchone():
        _shed_bundle(db, key, loss, row)
        return True
    for id_, wall_ms, mono_ms, boot, data in db.execute("SELECT * FROM pending ORDER BY id"):
        try:
            cycle = unpack(data)
        except BadData:
            continue  # told when it is to be sealed
        if cycle.samples:
            for sample in cycle.samples:
                loss.add((sample.meter,), len(sample.values), sample.t_ms, sample.t_ms)
            db.execute("DELETE FROM pending WHERE id = ?", (id_,))
            if cycle.events:
                events = pack(Cycle([], cycle.events))
                row = (id_, wall_ms, mono_ms, boot, events)
                db.execute("INSERT INTO pending VALUES (?,?,?,?,?)", row)
            return True
    return False


def _shed_bundle(
    db: sqlite3.Connection, key: SigningKey, loss: Loss, row: tuple[int, bytes, int, int, int]
) -> None:
    id_, data, *rest = row
    try:
        segment = open_segment(data)
    except BadData:
        loss.add((), *rest)
        db.execute("DELETE FROM bundle WHERE id = ?", (id_,))
        return
    for table in segment.tables:
        times = table.times_ms.values()
        loss.add((table.meter,), table.rows * len(table.quantities), min(times), max(times))
    if segment.events:
        _replace(db, id_, _again(segment, [], key), 2)
    else:
        db.execute("DELETE FROM bundle WHERE id = ?", (id_,))


def _replace(db: sqlite3.Connection, id_: int, data: bytes, thinned: int) -> None:
    """Other bytes for a bundle. An UPDATE would leave its page half empty."""
    row = db.execute("SELECT * FROM bundle WHERE id = ?", (id_,)).fetchone()
    db.execute("DELETE FROM bundle WHERE id = ?", (id_,))
    with suppress(BadData):
        row = (*row[:3], read_header(data)[0].readings)
    db.execute("INSERT INTO bundle VALUES (?,?,?,?,?,?)", (*row[:4], thinned, data))


def _again(segment: Segment, samples: list[Sample], key: SigningKey) -> bytes:
    """A bundle with these samples and the same events."""
    header = segment.header
    return seal(
        bundled(header.site, header.gateway, header.boot, header.clock),
        samples,
        segment.events,
        key,
    )


def bundled(site: str, gateway: str, boot: str, clock: str) -> Place:
    """The place of a segment that has no number yet."""
    return Place(site, gateway, "", 0, GENESIS, boot, clock)


def tell(db: sqlite3.Connection, now: Instant, event: MeterEvent) -> None:
    """Put an event of the gateway beside what it read."""
    rows.pend(db, now, pack(Cycle([], [event])))


class Room:
    """Keeps a store below what it may take. `level`: an index of LEVELS; `lost` and `thinned`
    readings are counted since the start."""

    def __init__(self, file: StoreFile, gateway: str, key: SigningKey) -> None:
        self.level = 0
        self.lost = self.thinned = 0
        self._file = file
        self._gateway = gateway
        self._key = key

    def make(self, now: Instant, limit_bytes: int) -> None:
        """Let go of what has to go. Changes and losses are events. Raises TransientError."""
        found = self._find(limit_bytes)
        while found and self._trim():
            found = self._find(limit_bytes)
        while found and self._thin(now):
            found = self._find(limit_bytes)
        while found == len(LEVELS) - 1 and self._shed(now, limit_bytes):
            found = self._find(limit_bytes)
        if found != self.level:
            detail = {"level": LEVELS[found], "limit_bytes": str(limit_bytes)}
            with self._file.transaction() as db:
                tell(db, now, MeterEvent(self._gateway, now.wall_ms, "store_full", detail))
            log.warning("the store is %s: it may take %d bytes", LEVELS[found], limit_bytes)
            self.level = found

    def rotted(
        self, db: sqlite3.Connection, now: Instant, what: tuple[int, int, int], why: str
    ) -> None:
        """A bundle of that many readings, from when to when, is not what was sealed."""
        loss = Loss()
        loss.add((), *what)
        self._tell_lost(db, now, loss, f"rotted on the disk: {why}")

    def rotted_cycle(self, db: sqlite3.Connection, now: Instant, id_: int, why: str) -> None:
        """Nobody knows how many readings were in this cycle: the word of it takes its place."""
        query = "DELETE FROM pending WHERE id = ? RETURNING wall_ms"
        (committed_ms,) = db.execute(query, (id_,)).fetchone()
        log.error("a cycle is lost: %s", why)
        detail = {"committed_ms": str(committed_ms), "why": why}
        tell(db, now, MeterEvent(self._gateway, now.wall_ms, "cycle_lost", detail))

    def _find(self, limit_bytes: int) -> int:
        return level(self._file.used_bytes(), limit_bytes)

    def _trim(self) -> bool:
        # By no clock: one that was ahead when the receipts came would keep what the cloud has, and
        # what nobody has would go in its place.
        with self._file.transaction() as db:
            return trim(db, _ANY_TIME_MS) > 0

    def _thin(self, now: Instant) -> bool:
        with self._file.transaction() as db:
            loss = thin(db, self._key)
            if loss is not None and loss.readings:
                self.thinned += loss.readings
                why = "the store is nearly full"
                tell(db, now, loss.event(self._gateway, now.wall_ms, "readings_thinned", why))
        return loss is not None

    def _shed(self, now: Instant, limit_bytes: int) -> bool:
        """The oldest readings nobody has taken, and the words for it, in one transaction."""
        loss = Loss()
        with self._file.transaction() as db:
            while loss.readings < _SHED_AT_ONCE and shed(db, self._key, loss):
                pass
            if loss.readings:
                self._tell_lost(db, now, loss, f"the store may take {limit_bytes} bytes")
        return loss.readings > 0

    def _tell_lost(self, db: sqlite3.Connection, now: Instant, loss: Loss, why: str) -> None:
        log.error("%d readings are lost: %s", loss.readings, why)
        self.lost += loss.readings
        tell(db, now, loss.event(self._gateway, now.wall_ms, "readings_lost", why))
