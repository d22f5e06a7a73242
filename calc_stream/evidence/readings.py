"""The registers of one meter as sealed segments hold them."""

from collections.abc import Iterator

import msgspec

from calc_stream.core.decimals import fixed
from calc_stream.core.series import Span
from calc_stream.decode import decode
from wire.errors import BadData
from wire.journal import Reader, Record
from wire.segment import read_header

_EARLY_MS = 86_400_000  # a gateway's clock may be ahead of the ingestor's


class ReadingOf(msgspec.Struct, frozen=True):
    """One answer: the register in the meter's unit, and the journal's record that holds it."""

    t_ms: int
    register: str
    quality: str
    offset: int
    segment: str
    hash: str


def readings_of(reader: Reader, site: str, meter: str, unit: str, span: Span) -> list[ReadingOf]:
    """Every reading of a time, its ends included, in order; one that came twice is told twice."""
    found = [
        reading
        for record in reader.walk(site, _before(reader, site, span[0] - _EARLY_MS))
        if record.kind == "segment" and _holds(record, span)
        for reading in _of(record, meter, unit, span)
    ]
    return sorted(found, key=lambda reading: (reading.t_ms, reading.offset))


def _before(reader: Reader, site: str, t_ms: int) -> int:
    """The last offset written before an instant: what was read after it was written after it."""
    low, high = 0, reader.head(site)[0]
    while low < high:
        middle = (low + high + 1) // 2
        record = reader.outline(site, middle)
        if record is not None and record.t_ms < t_ms:
            low = middle
        else:
            high = middle - 1
    return low


def _holds(record: Record, span: Span) -> bool:
    """Whether a segment has readings of a time, by its first line."""
    try:
        header, _, _ = read_header(record.data)
    except BadData:
        return False  # the engine passed it over, too, and lists it as a problem
    return header.t_first_ms <= span[1] and header.t_last_ms >= span[0]


def _of(record: Record, meter: str, unit: str, span: Span) -> Iterator[ReadingOf]:
    try:
        chunk = decode(record, {meter: unit}).chunk
    except BadData:
        return  # the engine passed it over, too, and lists it as a problem
    for block in chunk.readings:
        if block.meter != meter:
            continue
        for t_ms, mantissa in zip(block.times_ms.tolist(), block.mantissas.tolist(), strict=True):
            if span[0] <= t_ms <= span[1]:
                register = _decimal(mantissa, block.exponent)
                place = (record.offset, record.key, record.hash)
                yield ReadingOf(t_ms, register, block.quality, *place)


def _decimal(mantissa: int, exponent: int) -> str:
    if exponent > 0:
        return str(mantissa * 10**exponent)
    return fixed(mantissa, 10**-exponent, -exponent)
