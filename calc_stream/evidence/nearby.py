"""Which segments a figure needs: those that hold readings of its times, and of just before and after.

A register is a straight line between two readings, so every meter needs the last one up to a time and
the first one from its end on. Segments between these belong to it, for a nearer reading may be in them.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from calc_stream.core import Readings, Versions
from calc_stream.core.series import Span
from calc_stream.core.whole import LIMIT

NEAR_MS = (
    2 * 3_600_000
)  # a meter that told nothing for longer does not make all that lies between needed

Neighbours = tuple[
    int | None, int | None
]  # the last reading up to a time, the first from its end on


def widened(span: Span, neighbours: Iterable[Neighbours]) -> Span:
    """The time in which every segment is needed."""
    first, last = span
    for before, after in neighbours:
        if before is not None and span[0] - before <= NEAR_MS:
            first = min(first, before)
        if after is not None and after - span[1] <= NEAR_MS:
            last = max(last, after)
    return first, last


def neighbours(span: Span, versions: Versions, readings: Readings) -> dict[str, Neighbours]:
    """Of every meter in force in a time."""
    found: dict[str, Neighbours] = {}
    for reign, _ in versions.within(span):
        for meter in reign.model.meters:
            times = readings.totals(meter.id).times
            before = int(np.searchsorted(times, span[0], "right")) - 1
            after = int(np.searchsorted(times, span[1], "left"))
            found[meter.id] = (
                int(times[before]) if before >= 0 else None,
                int(times[after]) if after < times.size else None,
            )
    return found


def far(span: Span, its: dict[str, Neighbours]) -> Iterator[tuple[str, Span]]:
    """Meters that told nothing near one end of a time, and where nearer readings could be."""
    for meter, (before, after) in its.items():
        if span[0] > -LIMIT and (before is None or span[0] - before > NEAR_MS):
            yield meter, (-LIMIT if before is None else before, span[0])
        if span[1] < LIMIT and (after is None or after - span[1] > NEAR_MS):
            yield meter, (span[1], LIMIT if after is None else after)
