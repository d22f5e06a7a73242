"""What lies in the store's tables, and how it is put there; all within somebody's transaction."""

import hashlib
import secrets
import sqlite3
from dataclasses import dataclass

from edge_agent.clock import Instant
from wire.segment import GENESIS, read_header


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


@dataclass(frozen=True)
class Waiting:
    """What no receipt covers: segments with a number and without, the oldest reading of them."""

    numbered: int
    behind: int
    oldest_ms: int | None


def keep(db: sqlite3.Connection, data: bytes, now: Instant) -> None:
    """Put a segment with a number on disk, as the last of its stream."""
    header = read_header(data)[0]
    digest = hashlib.sha256(data).hexdigest()
    db.execute(
        "INSERT INTO segment (stream, seq, hash, sealed_ms, data) VALUES (?,?,?,?,?)",
        (header.stream, header.seq, digest, now.wall_ms, data),
    )
    db.execute(
        "UPDATE stream SET last_seq = ?, last_hash = ? WHERE stream = ?",
        (header.seq, digest, header.stream),
    )


def bundle(db: sqlite3.Connection, data: bytes) -> None:
    """Put a segment without a number on disk."""
    header = read_header(data)[0]
    db.execute(
        "INSERT INTO bundle (t_first_ms, t_last_ms, readings, thinned, data) VALUES (?,?,?,0,?)",
        (header.t_first_ms, header.t_last_ms, header.readings, data),
    )


def waits_from(db: sqlite3.Connection) -> int | None:
    """The earliest time in the segments without a number; None when there are none."""
    first_ms = db.execute("SELECT min(t_first_ms) FROM bundle").fetchone()[0]
    return None if first_ms is None else int(first_ms)


def pend(db: sqlite3.Connection, now: Instant, cycle: bytes) -> int:
    """Put what was read by the clock that shows `now` on disk; the row's id."""
    insert = "INSERT INTO pending (wall_ms, mono_ms, boot, data) VALUES (?,?,?,?)"
    return db.execute(insert, (now.wall_ms, now.mono_ms, now.boot, cycle)).lastrowid or 0


def streams(db: sqlite3.Connection) -> list[StreamState]:
    """All of them, oldest first; new segments go to the last."""
    query = "SELECT stream, last_seq, last_hash, receipted FROM stream ORDER BY rowid"
    return [StreamState(*row) for row in db.execute(query)]


def without_receipt(db: sqlite3.Connection) -> int:
    """Segments with a number that no receipt covers, of all streams."""
    query = (
        "SELECT count(*) FROM stream CROSS JOIN segment ON segment.stream = stream.stream"
        " AND segment.seq > stream.receipted WHERE receipted_ms IS NULL AND refused IS NULL"
    )
    return int(db.execute(query).fetchone()[0])


def begin_stream(db: sqlite3.Connection, now: Instant) -> str:
    """A new stream, the last from now on."""
    stream = secrets.token_hex(16)
    db.execute("INSERT INTO stream VALUES (?,?,0,?,0)", (stream, now.wall_ms, GENESIS))
    return stream


def latest_taken(db: sqlite3.Connection) -> int:
    """The clock of the newest segment the cloud has taken: it was no day ahead of the cloud's."""
    query = (
        "SELECT max(sealed_ms) FROM stream JOIN segment ON segment.stream = stream.stream"
        " AND segment.seq = stream.receipted WHERE refused IS NULL"
    )
    return int(db.execute(query).fetchone()[0] or 0)
