"""A segment: the sealed, chained, signed packet in which readings leave a gateway.

Three parts (`envelope.py`): a JSON header on one line, readable with any MQTT tool; the Ed25519
signature of that line; and a compressed body that the header names by its SHA-256. The segment's own
SHA-256, over all bytes, is the `prev` of the next one: a chain per stream. The header names the
encoding of its body (`body.py`; `old_body.py` is only read). Nothing is rounded on the way.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from wire.errors import BadData
from wire.messages import MeterEvent, Sample
from wire.segment import body, old_body
from wire.segment.body import TooMuch
from wire.segment.envelope import (
    GENESIS,
    VERSION,
    VERSION_BEHIND,
    Header,
    Place,
    disclose,
    enclose,
)
from wire.segment.numbers import NUMBER_LIMIT, Column, Numbers, Run
from wire.segment.table import Table
from wire.signing import PublicKey, SigningKey

__all__ = [
    "GENESIS",
    "MAX_SEGMENT",
    "NUMBER_LIMIT",
    "Column",
    "Header",
    "Numbers",
    "Place",
    "Run",
    "Segment",
    "Table",
    "TooMuch",
    "open_segment",
    "read_header",
    "seal",
]

MAX_SEGMENT = 8 * 1024 * 1024
_READERS = {body.ENCODING: body.read_body, old_body.ENCODING: old_body.read_body}


@dataclass(frozen=True)
class Segment:
    """An opened segment. Its signature is not yet checked: see `verify`."""

    header: Header
    tables: tuple[Table, ...]
    events: tuple[MeterEvent, ...]
    hash: str
    signature: bytes
    signed: bytes

    def verify(self, key: PublicKey) -> None:
        """Raises BadData unless `key` signed this segment."""
        if key.id != self.header.key:
            raise BadData(f"segment names key {self.header.key}, not {key.id}")
        key.verify(self.signature, self.signed)


def seal(
    place: Place, samples: Iterable[Sample], events: Sequence[MeterEvent], key: SigningKey
) -> bytes:
    """The bytes of one segment. The same facts and key give the same bytes.

    Raises BadData where there is nothing to seal or a number that does not fit 62 bits, and
    TooMuch for more than a segment may hold.
    """
    samples = [sample for sample in samples if sample.values]
    if not samples and not events:
        raise BadData("a segment holds at least one sample or event")
    inside = body.write_body(samples, events)
    times = [sample.t_ms for sample in samples] + [event.t_ms for event in events]
    header = Header(
        *(VERSION, place.site, place.gateway, place.stream, place.seq, place.prev),
        *(place.boot, place.clock),
        t_first_ms=min(times),
        t_last_ms=max(times),
        readings=sum(len(sample.values) for sample in samples),
        encoding=body.ENCODING,
        body=hashlib.sha256(inside).hexdigest(),
        key=key.public.id,
    )
    return enclose(header.where(place.waits_from_ms), inside, key)


def open_segment(data: bytes) -> Segment:
    """Take a segment apart and check its form and body hash. Raises BadData."""
    if len(data) > MAX_SEGMENT:
        raise BadData(f"segment of {len(data)} bytes is over the limit of {MAX_SEGMENT}")
    header, signature, signed, inside = disclose(data)
    read = _READERS.get(header.encoding)
    if header.v not in (VERSION, VERSION_BEHIND) or read is None:
        raise BadData(f"segment version {header.v}, encoding {header.encoding!r} is not known here")
    tables, events = read(inside)
    readings = sum(table.rows * len(table.quantities) for table in tables)
    if readings != header.readings:
        raise BadData(f"segment holds {readings} readings, its header says {header.readings}")
    digest = hashlib.sha256(data).hexdigest()
    return Segment(header, tables, events, digest, signature, signed)


def read_header(data: bytes) -> tuple[Header, bytes, bytes]:
    """(header, signature, what it signs) of whole bytes whose content may be anything.

    Raises BadData; also when the body is not the one the header names.
    """
    header, signature, signed, _ = disclose(data)
    return header, signature, signed
