"""Pure: how a product's factor varies by itself, and which batches are beyond that.

An individuals chart: limits at the mean plus and minus 2.66 mean moving ranges of the settled batches
before (3 sigma; 2.66 = 3 / 1.128, the mean range of two of a normal distribution in sigmas: ISO
7870-2). A moving range needs no root, so the limit is an exact fraction, and a slow trend or one
earlier outlier widens it less than a standard deviation would.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import msgspec

from calc_stream.core.decimals import parse_fraction, significant
from calc_stream.ledger.rows import CLOSED, BatchRow

BASE = 20  # settled batches at most, the latest
LEAST = 8
_WIDTH = Fraction("2.66")


class Limits(msgspec.Struct, frozen=True):
    """kg CO2e per unit, decimal strings; of how many settled `batches`."""

    mean: str
    lower: str
    upper: str
    batches: int


@dataclass(frozen=True)
class _Band:
    mean: Fraction
    half: Fraction
    count: int

    def holds(self, factor: Fraction) -> bool:
        return abs(factor - self.mean) <= self.half


def limits_of(rows: Iterable[BatchRow]) -> Limits | None:
    """For the next batch of one product; None before enough of them are settled."""
    band = _band(deque((_factor(row) for row in _in_order(rows) if row.settled), BASE))
    if band is None:
        return None
    lower, upper = band.mean - band.half, band.mean + band.half
    return Limits(significant(band.mean), significant(lower), significant(upper), band.count)


def beyond(rows: Iterable[BatchRow]) -> set[str]:
    """Closed batches outside the limits of those of their product, unit and method before them."""
    groups: dict[tuple[str | None, str | None, str], list[BatchRow]] = {}
    for row in rows:
        groups.setdefault((row.product, row.unit, row.method), []).append(row)
    found: set[str] = set()
    for (product, _, _), group in groups.items():
        base: deque[Fraction] = deque(maxlen=BASE)
        for row in _in_order(group) if product is not None else ():
            factor, band = _factor(row), _band(base)
            if band is not None and not band.holds(factor):
                found.add(row.batch)
            if row.settled:
                base.append(factor)
    return found


def _in_order(rows: Iterable[BatchRow]) -> list[BatchRow]:
    """Closed ones with a factor, the first to end first."""
    known = [r for r in rows if r.state in CLOSED and r.kg_co2e_per_unit is not None]
    return sorted(known, key=lambda row: (row.ended_ms or 0, row.batch))


def _factor(row: BatchRow) -> Fraction:
    return parse_fraction(row.kg_co2e_per_unit or "0")


def _band(base: deque[Fraction]) -> _Band | None:
    if len(base) < LEAST:
        return None
    ranges = [abs(one - other) for one, other in pairwise(base)]
    half = _WIDTH * sum(ranges, Fraction(0)) / len(ranges)
    return _Band(sum(base, Fraction(0)) / len(base), half, len(base))
