"""Whether a segment is what its topic and signature say, and whether its content can be true.

Two outcomes differ: bytes that no known gateway signed count as nothing (BadData); a segment that
its gateway did sign but whose content cannot be opened or cannot be true is refused by its number.
"""

import hashlib
from collections.abc import Callable

from ingestor.columns import matrix
from ingestor.keys import Keys
from ingestor.streams import Candidate
from wire.errors import BadData
from wire.segment import NUMBER_LIMIT, Segment, open_segment, read_header
from wire.topics import is_id, is_meter, parse_gateway

DAY_MS = 86_400_000
# No reading is older than this program; an earlier date is a clock that was never set.
NOT_BEFORE_MS = 946_684_800_000  # 2000-01-01T00:00:00Z
_MOST_REASON = 200  # every receipt repeats it


def examine(topic: str, data: bytes, keys: Keys, latest_ms: Callable[[str], int]) -> Candidate:
    """A segment that came on `topic`, signed by its own gateway. Raises BadData.

    `latest_ms` tells after which time (ms) a site's readings are in the future.
    """
    place = parse_gateway(topic)
    header, signature, signed = read_header(data)
    if (place.site, place.gateway) != (header.site, header.gateway):
        raise BadData(f"a segment of {header.site}/{header.gateway} came on {topic}")
    keys.check(header, signature, signed)
    if not is_id(header.stream) or header.seq < 1:
        raise BadData(f"{header.stream!r}/{header.seq} is no place in a stream")
    reason = _why_not(data, latest_ms(header.site))[:_MOST_REASON]
    return Candidate(header, hashlib.sha256(data).hexdigest(), data, reason)


def _why_not(data: bytes, latest_ms: int) -> str:
    """Why the content is no good; "" if it is."""
    try:
        return implausible(open_segment(data), latest_ms)
    except BadData as exc:
        return str(exc)


def implausible(segment: Segment, latest_ms: int) -> str:
    """Why the content cannot be true; "" if it can."""
    times = [event.t_ms for event in segment.events]
    for table in segment.tables:
        numbers = matrix(table)
        if numbers.max() >= NUMBER_LIMIT or numbers.min() <= -NUMBER_LIMIT:
            return f"meter {table.meter}: a number does not fit 62 bits"
        if (numbers[0, 1:] < numbers[0, :-1]).any():
            return f"meter {table.meter}: rows are not in order of time"
        times += [int(numbers[0, 0]), int(numbers[0, -1])]
    for name in (*(t.meter for t in segment.tables), *(e.meter for e in segment.events)):
        if not is_meter(name):
            return f"meter id {name!r} is not letters, digits, . _ and -"
    if times and max(times) > latest_ms:
        return f"a time of {max(times)} is more than a day in the future"
    if times and min(times) < NOT_BEFORE_MS:
        return f"a time of {min(times)} is before the year 2000"
    if times and (min(times), max(times)) != (segment.header.t_first_ms, segment.header.t_last_ms):
        return "the times in its header are not those of its content"
    return ""
