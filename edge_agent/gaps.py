"""A number that is asked for and is not here, put on record: without a word the cloud would wait."""

import hashlib
import logging
import sqlite3

from edge_agent import rows
from edge_agent.clock import Instant
from edge_agent.room import tell
from wire.messages import MeterEvent
from wire.segment import Place, read_header
from wire.segment.gap import Gap, seal_gap
from wire.signing import SigningKey

log = logging.getLogger(__name__)

_GONE, _ROTTED = "it was receipted, and is kept no longer", "it rotted on the disk"


def declare(
    db: sqlite3.Connection, place: Place, now: Instant, key: SigningKey
) -> tuple[bytes, int] | None:
    """The gap record for the number of `place` and whatever is not here behind it, and the last of
    them; None where the number was never used. An event tells it once.

    Within a transaction. What is lost leaves a row without data, so that a receipt for its number
    finds the hash it names.
    """
    states = {state.stream: state for state in rows.streams(db)}
    state = states.get(place.stream)
    if state is None or not 0 < place.seq <= state.last_seq:
        return None
    last, head = _end(db, state, place.seq)
    was_receipted = place.seq <= state.receipted
    gap = Gap(last, head, _GONE if was_receipted else _ROTTED)
    query = "SELECT length(data) FROM segment WHERE stream = ? AND seq = ?"
    if db.execute(query, (state.stream, last)).fetchone() != (0,):
        of = (state.stream, place.seq, last)
        log.error("%s: numbers %d to %d are lost: %s", *of, gap.why)
        detail = dict(zip(("stream", "number", "last"), map(str, of), strict=True))
        event = MeterEvent(place.gateway, now.wall_ms, "segment_lost", {**detail, "why": gap.why})
        tell(db, now, event)
        db.execute("DELETE FROM segment WHERE stream = ? AND seq BETWEEN ? AND ?", of)
        taken = (now.wall_ms, None) if was_receipted else (None, gap.why)
        row = (state.stream, last, head, 0, *taken, b"")
        db.execute("INSERT INTO segment VALUES (?,?,?,?,?,?,?)", row)
    return seal_gap(place, gap, now.wall_ms, key), last


def _end(db: sqlite3.Connection, state: rows.StreamState, seq: int) -> tuple[int, str]:
    """The last lost number and its hash, which the first whole segment behind it names."""
    query = "SELECT seq, hash, data FROM segment WHERE stream = ? AND seq > ? ORDER BY seq"
    for its, digest, data in db.execute(query, (state.stream, seq)):
        if hashlib.sha256(data).hexdigest() == digest:
            return its - 1, read_header(data)[0].prev
    return state.last_seq, state.last_hash
