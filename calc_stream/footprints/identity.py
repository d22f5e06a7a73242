"""The id of a footprint: a UUID that follows from what it says.

So the same figure published twice, by a process that was killed in between or by two of them, is
one footprint. When and why it was published is about it, and no part of it; nor are tree heads,
which come after it.
"""

import uuid

import msgspec

from calc_stream.footprints.footprint import Footprint

# uuid5 of the DNS namespace and this name, fixed for ever.
_OURS = uuid.uuid5(uuid.NAMESPACE_DNS, "footprints.wattprint")


def identified(footprint: Footprint) -> Footprint:
    """The same with the id that belongs to it."""
    return msgspec.structs.replace(footprint, id=content_id(footprint))


def content_id(footprint: Footprint) -> str:
    """UUID, version 5, of the canonical JSON."""
    evidence = msgspec.structs.replace(footprint.evidence, size=0, root="")
    content = msgspec.structs.replace(
        footprint, id="", published_ms=0, cause="period", evidence=evidence
    )
    text = msgspec.json.encode(content, order="deterministic").decode()
    return str(uuid.uuid5(_OURS, text))
