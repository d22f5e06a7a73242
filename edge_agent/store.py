"""What the gateway keeps until the cloud has signed for it: one SQLite file (`store_file.py`).

A poll cycle is committed as one `pending` row; every publishing interval the pending rows are
sealed into one segment, in the same transaction that removes them. While somebody takes them a
segment gets its number in the stream at once; otherwise it waits as a `bundle` without one, and gets
it when its turn to leave comes. So the newest readings wait for no backlog, and a bundle may be
thinned or, in the last need, deleted without a hole in the numbers (`room.py`). A segment leaves the
disk only after a receipt covered it, and then stays as long as there is room and `keep` says, so
that a cloud restored from a backup can ask for it again.
"""

import dataclasses
import hashlib
import logging
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from edge_agent import gaps, rows
from edge_agent.clock import NOT_BEFORE_MS, Instant
from edge_agent.dating import Boot, Cycle, Dated, Dating, Lasts, datings, pack, unpack
from edge_agent.disk import Disk as Disk
from edge_agent.room import Room, bundled, tell, trim
from edge_agent.rows import Sealed as Sealed
from edge_agent.rows import StreamState, Waiting
from edge_agent.store_file import StoreFile
from wire.errors import BadData, ConfigError, TransientError
from wire.messages import MeterEvent, Sample
from wire.segment import Place, TooMuch, read_header, seal
from wire.segment.envelope import disclose, enclose
from wire.signing import SigningKey

log = logging.getLogger(__name__)

MOST_BYTES = 512 * 1024  # of one segment: far below any broker's limit
MOST_CYCLE_BYTES = 1024 * 1024  # of pending cycles in one segment: what sealing may take of memory
# Segments with a number that nobody has signed for yet. What is sealed while there are so many, and
# the backlog while there are so many or so much, waits without one.
MOST_NUMBERED = 64
MOST_BEHIND, MOST_BEHIND_BYTES = 32, 256 * 1024
# After a boot: how long to wait for the clock to be set, and if it must be wrong.
_SETTLE_MS, _BEHIND_MS = 120_000, 600_000
# Later than now plus a day: refused there.
_KEEP_LAST = (
    "INSERT INTO last VALUES (?,?) ON CONFLICT (meter) DO UPDATE SET t_ms ="
    " CASE WHEN t_ms > ? THEN excluded.t_ms ELSE max(t_ms, excluded.t_ms) END"
)


class Pending(NamedTuple):
    """A cycle on the disk, committed when its boot's offset was `offset_ms`."""

    id: int
    offset_ms: int
    boot: str
    cycle: Cycle
    size: int


class Store:
    """One gateway's disk. Not for use from two threads at once: see `Disk`.

    Every method raises TransientError while the disk does not do its part. `pending_bytes`: what
    waits to be sealed.
    """

    def __init__(self, path: Path, site: str, gateway: str, key: SigningKey, now: Instant) -> None:
        self._site = site
        self._gateway = gateway
        self._key = key
        self._now = now
        self._datings: dict[str, Dating] = {}
        self._was_behind = False
        self._unsure: tuple[int, bytes] | None = None
        self.pending_bytes = 0
        self.path = path
        self._lasts = Lasts({})
        self._proved_ms = 0
        self._file = StoreFile(path, self._recall, self._renewed)
        self.room = Room(self._file, gateway, key)

    def commit(
        self,
        samples: list[Sample],
        events: list[MeterEvent],
        now: Instant,
        memories: Mapping[str, bytes],
    ) -> None:
        """Keep one cycle, and what the meters' judges remember after it, in one transaction.

        Their times are by the clock that showed `now`. When this returns it is on disk.
        """
        if not samples and not events:
            return
        self._now = now
        data = pack(Cycle(samples, events))
        with self._file.transaction() as db:
            id_ = rows.pend(db, now, data)
            # If the disk fails it may be there or not: opening it again finds out.
            self._unsure = id_, data
            db.executemany("INSERT OR REPLACE INTO memory VALUES (?,?)", memories.items())
        self._unsure = None
        self.pending_bytes += len(data)

    def memories(self) -> dict[str, bytes]:
        """What each meter's judge remembered last, by meter."""
        with self._file.reading() as db:
            return dict(db.execute("SELECT meter, data FROM memory"))

    def seal(
        self, now: Instant, clock_state: str, most_cycles: int = 600, *, live: bool = True
    ) -> int | None:
        """Turn the oldest pending cycles into the next segment; its number, or None.

        0: it has none yet, for it is not `live`, or enough of them wait for a receipt. While the
        clock is not set nothing is sealed: no reading leaves with a guessed date. Nor while it was
        not yet compared with any other and the machine came up just now. Then `dating` says which
        times they get.
        """
        if not now.is_set or (clock_state != "synchronized" and self._may_be_set_yet(now)):
            return None
        self._now = now
        cycles = self._pending(most_cycles, now)
        if not cycles:
            return None
        live = live and self.numbered()[0] < MOST_NUMBERED
        state = self.current()
        place = bundled(self._site, self._gateway, now.boot, clock_state)
        if live:
            place = self._placed(place, state)
        while True:
            dated = self._dated(cycles, now)
            try:
                data = seal(place, dated.samples, dated.events, self._key)
                if len(data) <= MOST_BYTES or len(cycles) == 1:
                    break
            except TooMuch:
                if len(cycles) == 1:
                    raise
            # Too much for one message: half of it now, the rest in the next segment.
            cycles = cycles[: len(cycles) // 2]
        with self._file.transaction() as db:
            db.executemany("DELETE FROM pending WHERE id = ?", [row[:1] for row in cycles])
            rows.keep(db, data, now) if live else rows.bundle(db, data)
            db.executemany(_KEEP_LAST, dated.last_times())
        self.pending_bytes = max(0, self.pending_bytes - sum(row.size for row in cycles))
        self._lasts.update(dated.fresh)
        self._was_behind = dated.is_behind
        return place.seq

    def number_next(self, now: Instant) -> int | None:
        """Give the oldest segment without one the next number of the stream; None: there is none,
        or enough of them wait for a receipt."""
        count, size = self.numbered()
        if count >= MOST_BEHIND or size >= MOST_BEHIND_BYTES:
            return None
        with self._file.transaction() as db:
            query = (
                "SELECT id, data, readings, t_first_ms, t_last_ms FROM bundle ORDER BY id LIMIT 1"
            )
            row = db.execute(query).fetchone()
            if row is None:
                return None
            id_, data, *rest = row
            db.execute("DELETE FROM bundle WHERE id = ?", (id_,))
            try:
                header, _, _, inside = disclose(data)
            except BadData as exc:
                self.room.rotted(db, now, rest, f"its bytes rotted on the disk: {exc}")
                return 0
            state = rows.streams(db)[-1]
            header = msgspec.structs.replace(
                header,
                stream=state.stream,
                seq=state.last_seq + 1,
                prev=state.last_hash,
                key=self._key.public.id,
            ).where(rows.waits_from(db))
            rows.keep(db, enclose(header, bytes(inside), self._key), now)
            return header.seq

    def numbered(self) -> tuple[int, int]:
        """Segments of the current stream without a receipt, and their bytes.

        Those of one that ended may never get one: after a fork they are kept, and hold nobody up.
        """
        query = (
            "SELECT count(*), coalesce(sum(length(data)), 0) FROM segment"
            " WHERE stream = ? AND seq > ? AND receipted_ms IS NULL AND refused IS NULL"
        )
        state = self.current()
        with self._file.reading() as db:
            count, size = db.execute(query, (state.stream, state.receipted)).fetchone()
        return count, size

    def _placed(self, place: Place, state: StreamState) -> Place:
        with self._file.reading() as db:
            waits_ms = rows.waits_from(db)
        return dataclasses.replace(
            place,
            stream=state.stream,
            seq=state.last_seq + 1,
            prev=state.last_hash,
            waits_from_ms=waits_ms,
        )

    def _pending(self, most_cycles: int, now: Instant) -> list[Pending]:
        """The oldest cycles; of one that rotted only the word is left."""
        query = "SELECT id, wall_ms - mono_ms, boot, data FROM pending ORDER BY id LIMIT ?"
        with self._file.reading() as db:
            found: list[tuple[int, int, str, bytes]] = []
            for row in db.execute(query, (most_cycles,)):
                found.append(row)
                if sum(len(each[3]) for each in found) > MOST_CYCLE_BYTES:
                    break
        cycles = []
        for id_, offset_ms, boot, data in found:
            try:
                cycles.append(Pending(id_, offset_ms, boot, unpack(data), len(data)))
            except BadData as exc:
                with self._file.transaction() as db:
                    self.room.rotted_cycle(db, now, id_, str(exc))
        return cycles

    def _may_be_set_yet(self, now: Instant) -> bool:
        """Many gateways come up with the time at which they went down."""
        latest_ms = self._lasts.latest()
        is_behind = latest_ms is not None and now.wall_ms <= latest_ms
        return now.mono_ms < (_BEHIND_MS if is_behind else _SETTLE_MS)

    def _dated(self, cycles: Sequence[Pending], now: Instant) -> Dated:
        if self._datings.get(now.boot) != Dating(now.offset_ms):
            self._datings = datings(self._earlier(now.boot), now, self._lasts.latest())
        known_ms = max(now.wall_ms, self._proved_ms)
        dated = Dated(self._gateway, known_ms, self._lasts, self._was_behind)
        for id_, offset_ms, boot, cycle, _ in cycles:
            dated.add(id_, cycle, offset_ms, self._datings[boot])
        return dated

    def _earlier(self, boot: str) -> list[Boot]:
        """What is pending of the boots before this one, in their order."""
        query = (
            "SELECT boot, max(id), max(mono_ms), (SELECT wall_ms - mono_ms FROM pending AS set_"
            " WHERE set_.boot = pending.boot AND set_.wall_ms >= ? ORDER BY id DESC LIMIT 1)"
            " FROM pending WHERE boot != ? GROUP BY boot ORDER BY max(id)"
        )
        with self._file.reading() as db:
            return [Boot(*row) for row in db.execute(query, (NOT_BEFORE_MS, boot))]

    def current(self) -> StreamState:
        """The stream that new segments go to."""
        return self.streams()[-1]

    def streams(self) -> list[StreamState]:
        """All streams of this store, oldest first; more than one only after a fork or damage."""
        with self._file.reading() as db:
            return rows.streams(db)

    def unreceipted(self, stream: str, after: int, limit: int) -> list[Sealed]:
        """Segments of `stream` above `after` that are whole and no receipt covers yet, in order."""
        query = (
            "SELECT stream, seq, data, hash FROM segment WHERE stream = ? AND seq > ?"
            " AND receipted_ms IS NULL AND refused IS NULL ORDER BY seq LIMIT ?"
        )
        with self._file.reading() as db:
            found = db.execute(query, (stream, after, limit)).fetchall()
        return [Sealed(*row[:3]) for row in found if hashlib.sha256(row[2]).hexdigest() == row[3]]

    def segment(self, stream: str, seq: int) -> Sealed | None:
        """One segment still on disk and whole, receipted or not."""
        query = "SELECT stream, seq, data, hash FROM segment WHERE stream = ? AND seq = ?"
        with self._file.reading() as db:
            row = db.execute(query, (stream, seq)).fetchone()
        if row is None or hashlib.sha256(row[2]).hexdigest() != row[3]:
            return None
        return Sealed(*row[:3])

    def hash_of(self, stream: str, seq: int) -> str | None:
        """The hash this agent sealed `seq` with; None if it is no longer (or was never) here."""
        query = "SELECT hash FROM segment WHERE stream = ? AND seq = ?"
        with self._file.reading() as db:
            row = db.execute(query, (stream, seq)).fetchone()
        return str(row[0]) if row else None

    def receipted(
        self, stream: str, upto: int, refused: Iterable[tuple[int, str]], now: Instant
    ) -> None:
        """Note that a checked receipt covers everything up to `upto` but the refused ones.

        A number refused before and no longer named has been taken after all.
        """
        self._now = now
        with self._file.transaction() as db:
            query = "SELECT receipted FROM stream WHERE stream = ?"
            before = db.execute(query, (stream,)).fetchone()
            db.execute(
                "UPDATE segment SET refused = NULL, receipted_ms = ? WHERE stream = ? AND seq <= ?"
                " AND refused IS NOT NULL",
                (now.wall_ms, stream, upto),
            )
            db.execute(
                "UPDATE segment SET receipted_ms = ? WHERE stream = ? AND seq > ? AND seq <= ?",
                (now.wall_ms, stream, *before, upto),
            )
            db.executemany(
                "UPDATE segment SET refused = ?, receipted_ms = NULL WHERE stream = ? AND seq = ?",
                [(reason, stream, seq) for seq, reason in refused],
            )
            db.execute(
                "UPDATE stream SET receipted = max(receipted, ?) WHERE stream = ?", (upto, stream)
            )
            self._proved_ms = max(self._proved_ms, rows.latest_taken(db))

    def prune(self, before_ms: int) -> int:
        """Delete some of the segments receipted before `before_ms`, but each stream's newest; how
        many. 0: none is left."""
        with self._file.transaction() as db:
            return trim(db, before_ms)

    def begin_stream(self, now: Instant) -> str:
        """Start a new stream; what the old ones hold stays. For the first start and for forks."""
        with self._file.transaction() as db:
            return rows.begin_stream(db, now)

    def declare_lost(self, stream: str, seq: int, now: Instant) -> tuple[bytes, int] | None:
        """The gap record for a number that is asked for and not here, and the last number it covers.

        None: it was never used, or the clock is not set.
        """
        if not now.is_set:
            return None
        place = bundled(self._site, self._gateway, now.boot, "")
        place = dataclasses.replace(place, stream=stream, seq=seq)
        with self._file.transaction() as db:
            return gaps.declare(db, place, now, self._key)

    def waiting(self) -> tuple[int, int]:
        """(cycles not sealed, segments without receipt)."""
        with self._file.reading() as db:
            (cycles,) = db.execute("SELECT count(*) FROM pending").fetchone()
        found = self.standing()
        return cycles, found.numbered + found.behind

    def standing(self) -> Waiting:
        """What waits, and since when."""
        with self._file.reading() as db:
            count = rows.without_receipt(db)
            behind, oldest_ms = db.execute(
                "SELECT count(*), min(t_first_ms) FROM bundle"
            ).fetchone()
        for state in self.streams():
            for sealed in self.unreceipted(state.stream, state.receipted, 1):
                first_ms = read_header(sealed.data)[0].t_first_ms
                oldest_ms = min(first_ms, oldest_ms or first_ms)
        return Waiting(count, behind, oldest_ms)

    def close(self) -> None:
        self._file.close()

    def _recall(self, db: sqlite3.Connection) -> None:
        """What is kept in memory beside the file, from a file that was just opened."""
        if self._unsure is not None:
            db.execute("DELETE FROM pending WHERE id = ? AND data = ?", self._unsure)
            self._unsure = None
        if not rows.streams(db):
            rows.begin_stream(db, self._now)
        self._lasts = Lasts(dict(db.execute("SELECT meter, t_ms FROM last")))
        self._datings = {}
        self._proved_ms = rows.latest_taken(db)
        query = "SELECT coalesce(sum(length(data)), 0) FROM pending"
        self.pending_bytes = db.execute(query).fetchone()[0]

    def _renewed(self, db: sqlite3.Connection, found: dict[str, str]) -> None:
        """Nobody knows what the damaged file had sealed last: its streams end."""
        rows.begin_stream(db, self._now)
        event = MeterEvent(self._gateway, self._now.wall_ms, "store_damaged", found)
        tell(db, self._now, event)


def open_store(path: Path, site: str, gateway: str, key: SigningKey, now: Instant) -> Store:
    """The store in `path`, made where there is none. Raises ConfigError if it has no place at all.

    A disk that fails is none: readings wait in memory, and it is tried again.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigError(f"{path}: store cannot be made: {exc.strerror}") from exc
    store = Store(path, site, gateway, key, now)
    try:
        store.current()
    except TransientError as exc:
        log.error("%s; trying again", exc)
    return store
