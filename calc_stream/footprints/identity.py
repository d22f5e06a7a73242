"""The id of a footprint: a UUID that follows from what it says.

So the same figure published twice, by a process that was killed in between or by two of them, is
one footprint. When and why it was published, and when it was drawn up, is about it, and no part of it; nor are tree heads,
which come after it.
"""

import uuid

import msgspec

from calc_stream.footprints.footprint import Footprint

# uuid5 of the DNS namespace and this name, fixed for ever.
_OURS = uuid.uuid5(uuid.NAMESPACE_DNS, "footprints.wattprint")
_ABOUT = frozenset({"id", "published_ms", "cause", "upto"})


def identified(footprint: Footprint) -> Footprint:
    """The same with the id that belongs to it."""
    return msgspec.structs.replace(footprint, id=content_id(footprint))


def content_id(footprint: Footprint) -> str:
    """UUID, version 5, of the canonical JSON of all that is not as it is anyway: a field that is added
    to footprints later, with a default, changes no id."""
    evidence = msgspec.structs.replace(footprint.evidence, size=0, root="")
    fields = msgspec.structs.fields(footprint)
    content = {
        field.name: getattr(footprint, field.name)
        for field in fields
        if field.name not in _ABOUT and getattr(footprint, field.name) != field.default
    }
    text = msgspec.json.encode(content | {"evidence": evidence}, order="deterministic").decode()
    return str(uuid.uuid5(_OURS, text))
