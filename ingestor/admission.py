"""Whether a segment is what its topic and signature say, and whether its content can be true.

Two outcomes differ: bytes that no known gateway signed count as nothing (BadData); a segment that
its gateway did sign but whose content cannot be opened or cannot be true is refused by its number.
"""

import hashlib
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from ingestor.columns import matrix, whole
from ingestor.keys import Keys
from ingestor.streams import Candidate
from wire.errors import BadData
from wire.segment import NUMBER_LIMIT, Segment, gap, open_segment, read_header
from wire.topics import is_id, is_meter, parse_gateway

DAY_MS = 86_400_000
# No reading is older than this program; an earlier date is a clock that was never set.
NOT_BEFORE_MS = 946_684_800_000  # 2000-01-01T00:00:00Z
_MOST_REASON = 200  # every receipt repeats it


def examine(topic: str, data: bytes, keys: Keys, latest_ms: Callable[[str], int]) -> Candidate:
    """A segment or gap record that came on `topic`, signed by its own gateway. Raises BadData.

    `latest_ms` tells after which time (ms) a site's readings are in the future.
    """
    place = parse_gateway(topic)
    header, signature, signed = read_header(data)
    if (place.site, place.gateway) != (header.site, header.gateway):
        raise BadData(f"a segment of {header.site}/{header.gateway} came on {topic}")
    keys.check(header, signature, signed)
    if not is_id(header.stream) or header.seq < 1:
        raise BadData(f"{header.stream!r}/{header.seq} is no place in a stream")
    if header.encoding == gap.ENCODING:
        return Candidate(header, hashlib.sha256(data).hexdigest(), data, "", gap.read_gap(data))
    try:
        segment = open_segment(data)
        reason = implausible(segment, latest_ms(header.site))[:_MOST_REASON]
    except BadData as exc:
        reason = str(exc)[:_MOST_REASON]
        return Candidate(header, hashlib.sha256(data).hexdigest(), data, reason)
    return Candidate(header, segment.hash, data, reason, opened=segment)


def implausible(segment: Segment, latest_ms: int) -> str:
    """Why the content cannot be true; "" if it can."""
    for name in (*(t.meter for t in segment.tables), *(e.meter for e in segment.events)):
        if not is_meter(name):
            return f"meter id {name!r} is not letters, digits, . _ and -"
    for event in segment.events:
        for name in (event.event, event.detail.get("quantity", "-")):
            if not is_meter(name):  # a database has them beside the meter's
                return f"meter event {name!r} is not letters, digits, . _ and -"
    times = [event.t_ms for event in segment.events]
    # All tables at once: most segments are one second of many meters, and a few calls a meter cost
    # more than the signature.
    for numbers, group in itertools.groupby(segment.tables, lambda table: table.numbers):
        every, tables = whole(numbers), list(group)
        if _is_too_big(every):
            meter = next(table.meter for table in tables if _is_too_big(matrix(table)))
            return f"meter {meter}: a number does not fit 62 bits"
        firsts = np.array([table.begin for table in tables])
        lasts = firsts + np.array([table.rows for table in tables]) - 1
        part = every[firsts.min() : lasts.max() + 1]
        falls = np.flatnonzero(part[1:] < part[:-1]) + firsts.min()
        unordered = np.searchsorted(falls, firsts) != np.searchsorted(falls, lasts)
        if unordered.any():
            return f"meter {tables[unordered.argmax()].meter}: rows are not in order of time"
        times += [int(every[firsts].min()), int(every[lasts].max())]
    if times and max(times) > latest_ms:
        return f"a time of {max(times)} is more than a day in the future"
    if times and min(times) < NOT_BEFORE_MS:
        return f"a time of {min(times)} is before the year 2000"
    if times and (min(times), max(times)) != (segment.header.t_first_ms, segment.header.t_last_ms):
        return "the times in its header are not those of its content"
    return ""


def _is_too_big(numbers: "np.ndarray[Any, np.dtype[np.int64]]") -> bool:
    return bool(numbers.max() >= NUMBER_LIMIT or numbers.min() <= -NUMBER_LIMIT)
