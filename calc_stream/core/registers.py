"""What meters counted between edges, as integers of their carriers' quanta.

At an edge between the first and the last reading it is floor(total * scale), the total linear between
two readings. With total = r0 + dr * tau / dt and scale = p / q: floor((p*r0*dt + p*dr*tau) / (q*dt)),
where p*r0 is split by q first so that an ordinary register fits int64. All meters are taken together,
a row each, so that numpy's own cost is paid once; those that need Python's integers apart from them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np

from calc_stream.core.plant import Meter
from calc_stream.core.series import Readings, Totals
from calc_stream.core.whole import Flags, Rows, Whole, add, column, floor_div, mul, overflows

# How many of the last readings are looked up together, and how many edges among them at most.
_TAILS = 16, 128
_MOST_EDGES = 16

Series = Mapping[str, tuple[Totals, Fraction]]  # by meter, with quanta for one unit of its register


@dataclass(frozen=True, slots=True)
class Flow:
    """Quanta through one meter in each interval; `gapped` where it lies in a long reading gap."""

    quanta: Whole
    gapped: Flags | None


def flows_between(
    edges: Rows, meters: Iterable[Meter], readings: Readings, max_gap_ms: int | None = None
) -> dict[str, Flow]:
    """The flow of each meter in the intervals between neighbouring edges; none outside its readings.

    A meter's first and last reading are among the edges whenever they lie between them.
    """
    none = Flow(np.zeros(max(edges.size - 1, 0), dtype=np.int64), None)
    found: dict[str, Flow] = {}
    small: dict[str, tuple[Totals, Fraction]] = {}
    big: dict[str, tuple[Totals, Fraction]] = {}
    for meter in meters:
        series = readings.totals(meter.id)
        if edges.size < 2 or series.times.size < 2:
            found[meter.id] = none
        else:
            group = big if series.totals.dtype == object else small
            group[meter.id] = series, meter.scale
    for group in (small, big):
        found |= _together(edges, group, max_gap_ms)
    return found


def quanta_at(edges: Rows, series: Totals, scale: Fraction) -> Whole:
    """floor(total * scale) at edges that lie between the first and the last reading."""
    if series.times.size > 1:
        return np.asarray(_marks(edges, [(series, scale)])[0][0])
    over, under = _rate(scale.numerator, scale.denominator, series.exponent)
    return floor_div(mul(np.repeat(series.totals, edges.size), column([over])), column([under]))


@dataclass(slots=True)
class _Neighbours:
    """The readings on both sides of edges, a row a meter; `gone`: time from the one before. `at`: the
    number of the one behind, which is the last one for an edge on it."""

    before_ms: Rows
    after_ms: Rows
    low: Whole
    high: Whole
    at: Rows
    gone: Rows

    @classmethod
    def of(
        cls, edges: Rows, before_ms: Rows, after_ms: Rows, low: Whole, high: Whole, at: Rows
    ) -> "_Neighbours":
        """Edges outside a meter's readings count as at the nearest one."""
        gone = np.minimum(np.maximum(edges - before_ms, 0), after_ms - before_ms)
        return cls(before_ms, after_ms, low, high, at, gone)

    def rows(self, mine: Flags) -> "_Neighbours":
        """Those of some meters."""
        columns = self.before_ms, self.after_ms, self.low, self.high, self.at, self.gone
        return _Neighbours(*(column[mine] for column in columns))

    def quanta(self, over: Whole, under: Whole) -> Whole:
        """`over` / `under`: quanta for one unit of the registers as they stand here."""
        span, rise = self.after_ms - self.before_ms, mul(add(self.high, -self.low), over)
        wide = overflows(rise, span)  # a lot in a long gap: those meters apart
        if wide.any() and not wide.all():
            parts = [self.rows(mine).quanta(over[mine], under[mine]) for mine in (wide, ~wide)]
            whole = np.empty(span.shape, dtype=np.result_type(*parts))
            whole[wide], whole[~wide] = parts
            return whole
        base = mul(self.low, over)
        if (under == 1).all():
            return add(base, floor_div(mul(rise, self.gone), span))
        scaled, base = base, floor_div(base, under)
        rest = mul(add(scaled, -mul(base, under)), span)
        return add(base, floor_div(add(rest, mul(rise, self.gone)), mul(under, span)))

    def gapped(self, edges: Rows, max_gap_ms: int) -> Flags:
        """The intervals no reading lies in, between two too far apart."""
        ends = self.before_ms[:, 1:] == edges[1:]  # the reading at an edge ends what is before it
        after = np.where(ends, self.at[:, 1:] - 1, self.at[:, 1:])
        after_ms = np.where(ends, self.before_ms[:, 1:], self.after_ms[:, 1:])
        inside = (self.before_ms[:, :-1] <= edges[:-1]) & (edges[1:] <= self.after_ms[:, 1:])
        long = after_ms - self.before_ms[:, :-1] > max_gap_ms
        return np.asarray(inside & (after == self.at[:, :-1]) & long)


def _together(edges: Rows, group: Series, max_gap_ms: int | None) -> dict[str, Flow]:
    """Of meters that were read two times at least."""
    if not group:
        return {}
    marks, there = _marks(edges, list(group.values()))
    quanta = add(marks[:, 1:], -marks[:, :-1])
    gapped = None if max_gap_ms is None else there.gapped(edges, max_gap_ms)
    return {
        meter: Flow(quanta[row], None if gapped is None else gapped[row])
        for row, meter in enumerate(group)
    }


def _marks(edges: Rows, group: list[tuple[Totals, Fraction]]) -> tuple[Whole, _Neighbours]:
    """The quanta counted at edges, a row a meter; before its first and after its last reading they
    stand still."""
    found = _recent(edges, group) or _looked_up(edges, group)
    rates = [_rate(s.numerator, s.denominator, series.exponent) for series, s in group]
    over, under = (column(list(own))[:, None] for own in zip(*rates, strict=True))
    return found.quanta(over, under), found


def _looked_up(edges: Rows, group: list[tuple[Totals, Fraction]]) -> _Neighbours:
    """Meter by meter, however long ago the edges were."""
    kind = np.result_type(*(series.totals for series, _ in group))
    ints = [np.empty((len(group), edges.size), dtype=np.int64) for _ in range(3)]
    low, high = (np.empty((len(group), edges.size), dtype=kind) for _ in range(2))
    before_ms, after_ms, at_all = ints
    for row, (series, _) in enumerate(group):
        times, totals = series.times, series.totals
        at = times.searchsorted(edges, "right")
        at = np.minimum(np.maximum(at, 1), times.size - 1)
        before = at - 1
        at_all[row], before_ms[row], after_ms[row] = at, times[before], times[at]
        low[row], high[row] = totals[before], totals[at]
    return _Neighbours.of(edges, before_ms, after_ms, low, high, at_all)


def _recent(edges: Rows, group: list[tuple[Totals, Fraction]]) -> _Neighbours | None:
    """The same for edges at the end of long series, all meters at once; None for others."""
    size = min(series.times.size for series, _ in group)
    for last in _TAILS:
        if last > size or edges.size > _MOST_EDGES:
            return None
        times = np.concatenate([series.times[-last:] for series, _ in group])
        times = times.reshape(len(group), last)
        if (times[:, 0] <= edges[0]).all():
            break
    else:
        return None
    totals = np.concatenate([series.totals[-last:] for series, _ in group]).reshape(times.shape)
    # Each meter's times behind those of the one before: one search finds all edges among all meters.
    first_ms = min(int(times[:, 0].min()), int(edges[0]))
    apart_ms = max(int(times[:, -1].max()), int(edges[-1])) + 1 - first_ms
    row = np.arange(len(group))[:, None]
    all_times = (times - first_ms + row * apart_ms).reshape(-1)
    behind = all_times.searchsorted(edges - first_ms + row * apart_ms, "right") - row * last
    at = np.minimum(np.maximum(behind, 1), last - 1)
    before = at - 1
    taken = (np.take_along_axis(matrix, i, 1) for matrix in (times, totals) for i in (before, at))
    before_ms, after_ms, low, high = taken
    return _Neighbours.of(edges, before_ms, after_ms, low, high, at)


@lru_cache(maxsize=4096)
def _rate(numerator: int, denominator: int, exponent: int) -> tuple[int, int]:
    """Quanta for one unit in 10**exponent of a register's unit."""
    rate = Fraction(numerator, denominator) * Fraction(10) ** exponent
    return rate.numerator, rate.denominator
