"""Whether a sink holds what the journal holds: count and hash of both, per meter and hour; and repair.

The hash is over every reading's time and value as a double, which is what a database keeps. Where the
journal has two values for one time a sink may hold either: a meter's second answer is rare, and which
of two a database kept is its own affair.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ingestor.columns import matrix, scaled
from ingestor.sinks import Column, Sink, joined
from wire.journal import Reader, Record
from wire.segment import Segment, open_segment, read_header

HOUR_MS = 3_600_000
_MOST_RECORDS = 256
_NOTHING = "-"

Hours = dict[int, list[int]]  # hour (ms) -> offsets of the segments that touch it


@dataclass(frozen=True)
class Difference:
    """One meter's hour where the sides differ; `streams` are those that told of it."""

    site: str
    meter: str
    hour_ms: int
    streams: list[str]
    journal: int
    sink: int
    journal_hash: str
    sink_hash: str


@dataclass(frozen=True)
class Comparison:
    """What was compared: the journal up to `offset`, within [from_ms, to_ms)."""

    site: str
    offset: int
    from_ms: int
    to_ms: int
    readings: int
    differences: list[Difference]


@dataclass
class _Told:
    """What the journal has of one meter in one hour."""

    parts: list[Column] = field(default_factory=list)
    streams: set[str] = field(default_factory=set)


def compare(journal: Reader, sink: Sink, site: str, upto: int, since_ms: int = 0) -> Comparison:
    """Both sides of what `sink` has been given, the journal up to offset `upto`.

    Hours before `since_ms` are left out: a retention took them. Raises TransientError if the sink
    does not answer.
    """
    hours = index(journal, site, 0, upto)
    hours = {hour: hours[hour] for hour in sorted(hours) if hour >= since_ms}
    known = sink.meters(site) if hours else set()
    readings = 0
    differences: list[Difference] = []
    for hour, offsets in hours.items():
        told = _told(_at(journal, site, offsets), hour)
        readings += sum(_count(joined(each.parts)) for each in told.values())
        for meter in sorted(told.keys() | known):
            found = sink.columns(site, meter, hour, hour + HOUR_MS)
            difference = _difference(site, meter, hour, told.get(meter, _Told()), found)
            differences += [difference] if difference else []
    # Meanwhile more may have arrived: those meters' hours are still moving.
    moving = _moving(journal, site, upto) if differences else set()
    kept = [each for each in differences if (each.meter, each.hour_ms) not in moving]
    span = (min(hours), max(hours) + HOUR_MS) if hours else (0, 0)
    return Comparison(site, upto, *span, readings, kept)


def repair(journal: Reader, sink: Sink, site: str, differences: Sequence[Difference]) -> None:
    """Write those hours anew, what is there deleted first where the sink can. Raises TransientError.

    What came in since the comparison is written too: it may be among what is deleted.
    """
    for each in differences:
        sink.forget(site, each.meter, each.hour_ms, each.hour_ms + HOUR_MS)
    hours = index(journal, site, 0, journal.head(site)[0])
    offsets = {offset for each in differences for offset in hours.get(each.hour_ms, [])}
    for pair in _at(journal, site, sorted(offsets)):
        sink.write([pair])


def index(journal: Reader, site: str, after: int, upto: int) -> Hours:
    """Which segments touch which hour; from their headers alone."""
    hours: Hours = {}
    while after < upto:
        records = journal.read(site, after, min(_MOST_RECORDS, upto - after))
        if not records:
            break
        for record in records:
            if record.kind == "segment":
                header = read_header(record.data)[0]
                first = header.t_first_ms - header.t_first_ms % HOUR_MS
                for hour in range(first, header.t_last_ms + 1, HOUR_MS):
                    hours.setdefault(hour, []).append(record.offset)
        after = records[-1].offset
    return hours


def columns_of(segment: Segment) -> Iterator[tuple[str, Column]]:
    """(meter, column) of every table, as a database would have it."""
    for table in segment.tables:
        numbers = matrix(table)
        for at, quantity in enumerate(table.quantities):
            values = scaled(numbers[at + 1], table.exponents[at])
            yield table.meter, Column(quantity, table.quality, numbers[0], values)


def segments_of(records: list[Record]) -> list[tuple[int, Segment]]:
    """(offset, segment) of the records that are segments; they were opened when they came in."""
    return [(r.offset, open_segment(r.data)) for r in records if r.kind == "segment"]


def _at(journal: Reader, site: str, offsets: Iterable[int]) -> Iterator[tuple[int, Segment]]:
    for offset in offsets:
        yield from segments_of(journal.read(site, offset - 1, 1))


def _told(segments: Iterable[tuple[int, Segment]], hour: int) -> dict[str, _Told]:
    told: dict[str, _Told] = {}
    for _, segment in segments:
        for meter, column in columns_of(segment):
            low, high = np.searchsorted(column.t_ms, (hour, hour + HOUR_MS))
            if low < high:
                times, values = column.t_ms[low:high], column.values[low:high]
                part = Column(column.quantity, column.quality, times, values)
                mine = told.setdefault(meter, _Told())
                mine.parts.append(part)
                mine.streams.add(f"{segment.header.gateway}/{segment.header.stream}")
    return told


def _moving(journal: Reader, site: str, upto: int) -> set[tuple[str, int]]:
    hours = index(journal, site, upto, journal.head(site)[0])
    return {
        (meter, hour)
        for hour, offsets in hours.items()
        for meter in _told(_at(journal, site, offsets), hour)
    }


def _difference(
    site: str, meter: str, hour: int, told: _Told, found: list[Column]
) -> Difference | None:
    expected = joined(told.parts)
    if _hash(expected) == _hash(found):
        return None
    either = _either(told.parts, found)
    if _count(either) == _count(expected) > 0 and _hash(either) == _hash(found):
        return None
    counts = (_count(expected), _count(found))
    return Difference(
        *(site, meter, hour, sorted(told.streams)), *counts, _hash(expected), _hash(found)
    )


def _either(parts: list[Column], found: list[Column]) -> list[Column]:
    """What the journal has word for word as the sink has it, be it the first or the last answer."""
    there = {(column.quantity, column.quality): column for column in found}
    answers = []
    for part in parts:
        column = there.get((part.quantity, part.quality))
        if column is None:
            continue
        at = np.searchsorted(column.t_ms, part.t_ms).clip(max=len(column.t_ms) - 1)
        same = (column.t_ms[at] == part.t_ms) & (column.values[at] == part.values)
        answers.append(Column(part.quantity, part.quality, part.t_ms[same], part.values[same]))
    return joined(answers)


def _count(columns: list[Column]) -> int:
    return sum(len(column.t_ms) for column in columns)


def _hash(columns: list[Column]) -> str:
    """16 hex digits; of nothing a dash."""
    if not columns:
        return _NOTHING
    digest = hashlib.sha256()
    for column in columns:
        digest.update(f"{column.quantity} {column.quality} {len(column.t_ms)}\n".encode())
        digest.update(column.t_ms.astype("<i8").tobytes())
        digest.update((column.values + 0.0).astype("<f8").tobytes())  # -0.0 is 0.0
    return digest.hexdigest()[:16]
