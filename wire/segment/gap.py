"""A gap record: a gateway's signed word that numbers of its stream will never come. Pure.

Outside it is a segment (`envelope.py`) with the first lost number and the encoding `gap`; inside is
JSON. The stream goes on behind it: the hash of the last lost number is what the next one names.
"""

import hashlib
import re

import msgspec

from wire.errors import BadData
from wire.segment.envelope import VERSION, Header, Place, disclose, enclose
from wire.signing import SigningKey

ENCODING = "gap"
_HASH = re.compile(r"[0-9a-f]{64}")
_MOST_WHY = 200


class Gap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Lost up to number `last`, whose hash was `head`; `why` in words."""

    last: int
    head: str
    why: str


def seal_gap(place: Place, gap: Gap, t_ms: int, key: SigningKey) -> bytes:
    """The bytes of a gap record from `place` on, said at `t_ms`."""
    inside = msgspec.json.encode(gap)
    header = Header(
        *(VERSION, place.site, place.gateway, place.stream, place.seq, place.prev),
        *(place.boot, place.clock, t_ms, t_ms),
        readings=0,
        encoding=ENCODING,
        body=hashlib.sha256(inside).hexdigest(),
        key=key.public.id,
    )
    return enclose(header, inside, key)


def read_gap(data: bytes) -> Gap:
    """What is inside one. Raises BadData."""
    header, _, _, inside = disclose(data)
    if header.v != VERSION or header.encoding != ENCODING:
        raise BadData(f"version {header.v}, encoding {header.encoding!r} is no gap record")
    try:
        gap = msgspec.json.decode(inside, type=Gap)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise BadData(f"gap record: {exc}") from exc
    if not header.seq <= gap.last < 1 << 62 or not _HASH.fullmatch(gap.head):
        raise BadData(f"a gap from {header.seq} to {gap.last}, {gap.head!r}, cannot be")
    if len(gap.why) > _MOST_WHY:
        raise BadData(f"gap record: its reason has more than {_MOST_WHY} characters")
    return gap
