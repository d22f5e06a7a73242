"""What the gateway keeps until the cloud has signed for it: one SQLite file, WAL, synchronous=FULL.

A poll cycle is committed as one `pending` row; every publishing interval the pending rows are
sealed into one segment, in the same transaction that removes them. A segment leaves the disk only
after a receipt covered it, and then stays as long as `keep` says, so that a cloud restored from a
backup can ask for it again.
"""

import asyncio
import hashlib
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import msgspec

from edge_agent.clock import NOT_BEFORE_MS, Instant
from edge_agent.dating import Boot, Cycle, Dated, Dating, Lasts, datings
from wire.errors import ConfigError, TransientError
from wire.messages import MeterEvent, Sample
from wire.segment import GENESIS, Place, TooMuch, seal
from wire.signing import SigningKey

P = ParamSpec("P")
R = TypeVar("R")

MOST_BYTES = 512 * 1024  # of one segment: far below any broker's limit
# After a boot: how long to wait for the clock to be set, and if it must be wrong.
_SETTLE_MS, _BEHIND_MS = 120_000, 600_000
_VERSION = 1
_SCHEMA = """
CREATE TABLE stream (stream TEXT PRIMARY KEY, begun_ms INTEGER NOT NULL,
    last_seq INTEGER NOT NULL, last_hash TEXT NOT NULL, receipted INTEGER NOT NULL);
CREATE TABLE pending (id INTEGER PRIMARY KEY, wall_ms INTEGER NOT NULL, mono_ms INTEGER NOT NULL,
    boot TEXT NOT NULL, data BLOB NOT NULL);
CREATE TABLE segment (stream TEXT NOT NULL, seq INTEGER NOT NULL, hash TEXT NOT NULL,
    sealed_ms INTEGER NOT NULL, receipted_ms INTEGER, refused TEXT, data BLOB NOT NULL,
    PRIMARY KEY (stream, seq));
CREATE TABLE memory (meter TEXT PRIMARY KEY, data BLOB NOT NULL);
"""
# The latest time each meter's readings have left with; later than now plus a day: refused there.
_LAST = "CREATE TABLE IF NOT EXISTS last (meter TEXT PRIMARY KEY, t_ms INTEGER NOT NULL)"
_KEEP_LAST = (
    "INSERT INTO last VALUES (?,?) ON CONFLICT (meter) DO UPDATE SET t_ms ="
    " CASE WHEN t_ms > ? THEN excluded.t_ms ELSE max(t_ms, excluded.t_ms) END"
)


@dataclass(frozen=True)
class Sealed:
    """A segment waiting for its receipt."""

    stream: str
    seq: int
    data: bytes


@dataclass(frozen=True)
class StreamState:
    """How far a stream has come. `last_seq` 0: nothing sealed yet."""

    stream: str
    last_seq: int
    last_hash: str
    receipted: int


class Disk:
    """One thread that does all the store's work, so that an fsync never holds up a bus."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="disk")

    async def __call__(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `work` there and wait for it, to the end even if the waiter is cancelled."""
        call = partial(work, *args, **kwargs)
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, call))

    def close(self) -> None:
        self._thread.shutdown()


class Store:
    """One gateway's disk. Not for use from two threads at once: see `Disk`."""

    def __init__(self, db: sqlite3.Connection, site: str, gateway: str, key: SigningKey) -> None:
        self._db = db
        self._site = site
        self._gateway = gateway
        self._key = key
        self._lasts = Lasts(dict(db.execute("SELECT meter, t_ms FROM last")))
        self._datings: dict[str, Dating] = {}
        self._was_behind = False
        self._proved_ms = self._latest_taken()

    def commit(
        self,
        samples: list[Sample],
        events: list[MeterEvent],
        now: Instant,
        memories: Mapping[str, bytes],
    ) -> None:
        """Keep one cycle, and what the meters' judges remember after it, in one transaction.

        Their times are by the clock that showed `now`. When this returns it is on disk. Raises
        TransientError.
        """
        if not samples and not events:
            return
        data = msgspec.msgpack.encode(Cycle(samples, events))
        with self._transaction():
            self._db.execute(
                "INSERT INTO pending (wall_ms, mono_ms, boot, data) VALUES (?,?,?,?)",
                (now.wall_ms, now.mono_ms, now.boot, data),
            )
            self._db.executemany("INSERT OR REPLACE INTO memory VALUES (?,?)", memories.items())

    def memories(self) -> dict[str, bytes]:
        """What each meter's judge remembered last, by meter."""
        return dict(self._db.execute("SELECT meter, data FROM memory"))

    def seal(self, now: Instant, clock_state: str, most_cycles: int = 600) -> int | None:
        """Turn the oldest pending cycles into the next segment; its number, or None.

        While the clock is not set nothing is sealed: no reading leaves with a guessed date. Nor while
        it was not yet compared with any other and the machine came up just now. Then `dating` says
        which times they get.
        """
        if not now.is_set or (clock_state != "synchronized" and self._may_be_set_yet(now)):
            return None
        rows = self._db.execute(
            "SELECT id, wall_ms - mono_ms, boot, data FROM pending ORDER BY id LIMIT ?",
            (most_cycles,),
        ).fetchall()
        if not rows:
            return None
        state = self.current()
        place = Place(
            *(self._site, self._gateway, state.stream, state.last_seq + 1, state.last_hash),
            *(now.boot, clock_state),
        )
        while True:
            dated = self._dated(rows, now)
            try:
                data = seal(place, dated.samples, dated.events, self._key)
                if len(data) <= MOST_BYTES or len(rows) == 1:
                    break
            except TooMuch:
                if len(rows) == 1:
                    raise
            # Too much for one message: half of it now, the rest in the next segment.
            rows = rows[: len(rows) // 2]
        digest = hashlib.sha256(data).hexdigest()
        with self._transaction():
            self._db.executemany("DELETE FROM pending WHERE id = ?", [row[:1] for row in rows])
            self._db.execute(
                "INSERT INTO segment (stream, seq, hash, sealed_ms, data) VALUES (?,?,?,?,?)",
                (place.stream, place.seq, digest, now.wall_ms, data),
            )
            self._db.execute(
                "UPDATE stream SET last_seq = ?, last_hash = ? WHERE stream = ?",
                (place.seq, digest, place.stream),
            )
            self._db.executemany(_KEEP_LAST, dated.last_times())
        self._lasts.update(dated.fresh)
        self._was_behind = dated.is_behind
        return place.seq

    def _may_be_set_yet(self, now: Instant) -> bool:
        """Many gateways come up with the time at which they went down."""
        latest_ms = self._lasts.latest()
        is_behind = latest_ms is not None and now.wall_ms <= latest_ms
        return now.mono_ms < (_BEHIND_MS if is_behind else _SETTLE_MS)

    def _dated(self, rows: Sequence[tuple[int, int, str, bytes]], now: Instant) -> Dated:
        if self._datings.get(now.boot) != Dating(now.offset_ms):
            self._datings = datings(self._earlier(now.boot), now, self._lasts.latest())
        known_ms = max(now.wall_ms, self._proved_ms)
        dated = Dated(self._gateway, known_ms, self._lasts, self._was_behind)
        for id_, offset_ms, boot, data in rows:
            cycle = msgspec.msgpack.decode(data, type=Cycle)
            dated.add(id_, cycle, offset_ms, self._datings[boot])
        return dated

    def _earlier(self, boot: str) -> list[Boot]:
        """What is pending of the boots before this one, in their order."""
        query = (
            "SELECT boot, max(id), max(mono_ms), (SELECT wall_ms - mono_ms FROM pending AS set_"
            " WHERE set_.boot = pending.boot AND set_.wall_ms >= ? ORDER BY id DESC LIMIT 1)"
            " FROM pending WHERE boot != ? GROUP BY boot ORDER BY max(id)"
        )
        return [Boot(*row) for row in self._db.execute(query, (NOT_BEFORE_MS, boot))]

    def current(self) -> StreamState:
        """The stream that new segments go to."""
        return self.streams()[-1]

    def streams(self) -> list[StreamState]:
        """All streams of this store, oldest first; more than one only after a fork."""
        query = "SELECT stream, last_seq, last_hash, receipted FROM stream ORDER BY rowid"
        return [StreamState(*row) for row in self._db.execute(query)]

    def unreceipted(self, stream: str, after: int, limit: int) -> list[Sealed]:
        """Segments of `stream` above `after` that no receipt covers yet, in order."""
        query = (
            "SELECT stream, seq, data FROM segment WHERE stream = ? AND seq > ?"
            " AND receipted_ms IS NULL AND refused IS NULL ORDER BY seq LIMIT ?"
        )
        return [Sealed(*row) for row in self._db.execute(query, (stream, after, limit))]

    def segment(self, stream: str, seq: int) -> Sealed | None:
        """One segment still on disk, receipted or not."""
        query = "SELECT stream, seq, data FROM segment WHERE stream = ? AND seq = ?"
        row = self._db.execute(query, (stream, seq)).fetchone()
        return Sealed(*row) if row else None

    def hash_of(self, stream: str, seq: int) -> str | None:
        """The hash this agent sealed `seq` with; None if it is no longer (or was never) here."""
        query = "SELECT hash FROM segment WHERE stream = ? AND seq = ?"
        row = self._db.execute(query, (stream, seq)).fetchone()
        return str(row[0]) if row else None

    def receipted(
        self, stream: str, upto: int, refused: Iterable[tuple[int, str]], now: Instant
    ) -> None:
        """Note that a checked receipt covers everything up to `upto` but the refused ones.

        A number refused before and no longer named has been taken after all.
        """
        with self._transaction():
            self._db.execute(
                "UPDATE segment SET refused = NULL WHERE stream = ? AND seq <= ?", (stream, upto)
            )
            self._db.executemany(
                "UPDATE segment SET refused = ? WHERE stream = ? AND seq = ?",
                [(reason, stream, seq) for seq, reason in refused],
            )
            self._db.execute(
                "UPDATE segment SET receipted_ms = ? WHERE stream = ? AND seq <= ?"
                " AND receipted_ms IS NULL AND refused IS NULL",
                (now.wall_ms, stream, upto),
            )
            self._db.execute(
                "UPDATE stream SET receipted = max(receipted, ?) WHERE stream = ?", (upto, stream)
            )
        self._proved_ms = max(self._proved_ms, self._latest_taken())

    def _latest_taken(self) -> int:
        """The clock of the newest segment the cloud has taken: it was no day ahead of the cloud's."""
        query = (
            "SELECT max(sealed_ms) FROM segment JOIN stream USING (stream)"
            " WHERE seq = stream.receipted AND refused IS NULL"
        )
        return self._db.execute(query).fetchone()[0] or 0

    def prune(self, before_ms: int) -> int:
        """Delete segments receipted before `before_ms`, but each stream's newest; how many."""
        with self._transaction():
            return self._db.execute(
                "DELETE FROM segment WHERE receipted_ms < ? AND seq < (SELECT receipted FROM"
                " stream WHERE stream.stream = segment.stream)",
                (before_ms,),
            ).rowcount

    def begin_stream(self, now: Instant) -> str:
        """Start a new stream; what the old ones hold stays. For the first start and for forks."""
        stream = secrets.token_hex(16)
        with self._transaction():
            self._db.execute(
                "INSERT INTO stream VALUES (?,?,0,?,0)", (stream, now.wall_ms, GENESIS)
            )
        return stream

    def waiting(self) -> tuple[int, int]:
        """(cycles not sealed, segments without receipt)."""
        (cycles,) = self._db.execute("SELECT count(*) FROM pending").fetchone()
        query = "SELECT count(*) FROM segment WHERE receipted_ms IS NULL AND refused IS NULL"
        return cycles, self._db.execute(query).fetchone()[0]

    def close(self) -> None:
        self._db.close()

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._db)


class _Transaction:
    """BEGIN IMMEDIATE … COMMIT; what SQLite says of a full or failing disk is transient."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as exc:
            raise TransientError(f"the store cannot be written: {exc}") from exc

    def __exit__(self, kind: type[BaseException] | None, exc: object, _trace: object) -> None:
        try:
            self._db.execute("COMMIT" if kind is None else "ROLLBACK")
        except sqlite3.OperationalError as failed:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise TransientError(f"the store cannot be written: {failed}") from failed
        if kind is not None and issubclass(kind, sqlite3.OperationalError):
            raise TransientError(f"the store cannot be written: {exc}")


def open_store(path: Path, site: str, gateway: str, key: SigningKey, now: Instant) -> Store:
    """The store in `path`, made where there is none. Raises ConfigError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if not version:
            db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
        if version in (0, _VERSION):
            db.execute(_LAST)
    except (OSError, sqlite3.Error) as exc:
        raise ConfigError(f"{path}: store cannot be opened: {exc}") from exc
    if version not in (0, _VERSION):
        raise ConfigError(f"{path}: store version {version}, this program knows {_VERSION}")
    store = Store(db, site, gateway, key)
    if not store.streams():
        store.begin_stream(now)
    return store
