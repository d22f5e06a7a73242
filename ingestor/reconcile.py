"""Whether a sink holds what the journal holds: readings per meter and hour, counted on both sides."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ingestor.columns import Ints, matrix
from ingestor.projector import segments_of
from ingestor.sinks import Sink
from wire.journal import Reader
from wire.segment import Segment

HOUR_MS = 3_600_000
_MOST_RECORDS = 256


@dataclass(frozen=True)
class Difference:
    """One meter's hour where the counts differ."""

    site: str
    meter: str
    hour_ms: int
    journal: int
    sink: int


@dataclass(frozen=True)
class Comparison:
    """What was compared: the journal up to `offset`, within [from_ms, to_ms)."""

    site: str
    offset: int
    from_ms: int
    to_ms: int
    readings: int
    differences: list[Difference]


def compare(journal: Reader, sink: Sink, site: str, upto: int) -> Comparison:
    """Count both sides of what `sink` has been given, the journal up to offset `upto`.

    Raises TransientError if the sink does not answer.
    """
    expected = expected_counts(_segments(journal, site, 0, upto))
    hours = [hour for _, hour in expected]
    from_ms, to_ms = (min(hours), max(hours) + HOUR_MS) if hours else (0, 0)
    found = sink.counts(site, from_ms, to_ms) if hours else {}
    # Meanwhile more may have arrived: those meters' hours are still moving.
    moving = expected_counts(_segments(journal, site, upto, journal.head(site)[0]))
    differences = [
        Difference(site, meter, hour, expected.get((meter, hour), 0), found.get((meter, hour), 0))
        for meter, hour in sorted(expected.keys() | found.keys())
        if (meter, hour) not in moving
        and expected.get((meter, hour), 0) != found.get((meter, hour), 0)
    ]
    return Comparison(site, upto, from_ms, to_ms, sum(expected.values()), differences)


def expected_counts(segments: Iterable[Segment]) -> dict[tuple[str, int], int]:
    """Readings by meter and hour (ms); one that was told twice counts once."""
    times: dict[tuple[str, str, str], list[Ints]] = {}
    for segment in segments:
        for table in segment.tables:
            column = matrix(table)[0]
            for quantity in table.quantities:
                times.setdefault((table.meter, table.quality, quantity), []).append(column)
    counts: dict[tuple[str, int], int] = {}
    for (meter, _, _), parts in times.items():
        unique = np.unique(np.concatenate(parts))
        hours, totals = np.unique(unique - unique % HOUR_MS, return_counts=True)
        for hour, total in zip(hours.tolist(), totals.tolist()):
            counts[meter, hour] = counts.get((meter, hour), 0) + total
    return counts


def _segments(journal: Reader, site: str, after: int, upto: int) -> Iterable[Segment]:
    while after < upto:
        records = journal.read(site, after, min(_MOST_RECORDS, upto - after))
        if not records:
            return
        for _, segment in segments_of(records):
            yield segment
        after = records[-1].offset
