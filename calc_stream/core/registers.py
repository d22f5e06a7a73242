"""What meters counted between edges, as integers of their carriers' quanta.

At an edge between the first and the last reading it is floor(total * scale), the total linear between
two readings. With total = r0 + dr * tau / dt and scale = p / q: floor((p*r0*dt + p*dr*tau) / (q*dt)),
where p*r0 is split by q first so that an ordinary register fits int64. All meters are taken together,
a row each, so that numpy's own cost is paid once; those that need Python's integers apart from them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np

from calc_stream.core.places import Places, Rates
from calc_stream.core.plant import Meter
from calc_stream.core.series import Readings, Totals
from calc_stream.core.whole import (
    LIMIT,
    Flags,
    Matrix,
    Rows,
    Whole,
    add,
    column,
    floor_div,
    mul,
    narrow,
    overflows,
    peak,
    steps,
)

_MOST_EDGES = 16  # that are looked up among the last readings of all meters at once

Sum = Callable[[Whole, Whole], Whole]
Series = tuple[Totals, Fraction]  # with quanta for one unit of the register


@dataclass(frozen=True, slots=True)
class Flow:
    """Quanta through one meter in each interval; `gapped` where it lies in a long reading gap."""

    quanta: Whole
    gapped: Flags | None


class Flows(Mapping[str, Flow]):
    """The flow of each meter by id; `quanta` and `gapped` (None: not asked) of all, a row a meter."""

    def __init__(self, quanta: Whole, gapped: Flags | None, rows: Mapping[str, int]) -> None:
        self.quanta, self.gapped, self._rows = Matrix(quanta, rows), gapped, rows

    def __getitem__(self, meter: str) -> Flow:
        row = self._rows[meter]
        return Flow(self.quanta.whole[row], None if self.gapped is None else self.gapped[row])

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def flows_between(
    edges: Rows, meters: Iterable[Meter], readings: Readings, max_gap_ms: int | None = None
) -> Flows:
    """The flow of each meter in the intervals between neighbouring edges; none outside its readings.

    A meter's first and last reading are among the edges whenever they lie between them.
    """
    places = readings.places(tuple(meters))
    shape = len(places.meters), max(edges.size - 1, 0)
    quanta: Whole = np.zeros(shape, dtype=np.int64)
    gapped: Flags | None = None if max_gap_ms is None else np.zeros(shape, dtype=np.bool_)
    if not all(shape):
        return Flows(quanta, gapped, places.index)
    for at, there, rates in _found(edges, places, readings):
        flow = narrow(steps(there.quanta(rates)))
        quanta = quanta if flow.dtype != object else quanta.astype(object)
        quanta[at] = flow
        if gapped is not None and max_gap_ms is not None:
            gapped[at] = there.gapped(edges, max_gap_ms)
    return Flows(quanta, gapped, places.index)


def quanta_at(edges: Rows, series: Totals, scale: Fraction) -> Whole:
    """floor(total * scale) at edges that lie between the first and the last reading."""
    if series.times.size > 1:
        there = _looked_up(edges, [(series, scale)])
        return np.asarray(there.quanta(_rates([(scale, series.exponent)]))[0])
    over, under = _rate(scale.numerator, scale.denominator, series.exponent)
    return floor_div(mul(np.repeat(series.totals, edges.size), column([over])), column([under]))


@dataclass(slots=True)
class _Neighbours:
    """The readings on both sides of edges, a row a meter; `gone`: time from the one before. `at`: the
    number of the one behind, which is the last one for an edge on it. `most`: no total is larger."""

    before_ms: Rows
    after_ms: Rows
    low: Whole
    high: Whole
    at: Rows
    gone: Rows
    most: int

    @classmethod
    def of(
        cls,
        edges: Rows,
        around: tuple[Rows, Rows, Whole, Whole, Rows],
        most: int,
    ) -> "_Neighbours":
        """Edges outside a meter's readings count as at the nearest one."""
        before_ms, after_ms = around[:2]
        gone = np.minimum(np.maximum(edges - before_ms, 0), after_ms - before_ms)
        return cls(*around, gone, most)

    def rows(self, mine: Flags) -> "_Neighbours":
        """Those of some meters."""
        ms, totals = (self.before_ms[mine], self.after_ms[mine]), (self.low[mine], self.high[mine])
        return _Neighbours(*ms, *totals, self.at[mine], self.gone[mine], self.most)

    def quanta(self, rates: Rates) -> Whole:
        """`rates`: of the registers as they stand here."""
        span = self.after_ms - self.before_ms
        over, under = rates.peaks
        most = max(max(self.most, 1) * over, under) * peak(span)
        if self.low.dtype != object and 4 * most < LIMIT:  # all that follows is less
            return self._counted(span, rates, np.add, np.multiply)
        wide = overflows(mul(add(self.high, -self.low), rates.over), span)
        if wide.any() and not wide.all():  # a lot in a long gap: those meters apart
            parts = [self.rows(mine).quanta(rates.rows(mine)) for mine in (wide, ~wide)]
            whole = np.empty(span.shape, dtype=np.result_type(*parts))
            whole[wide], whole[~wide] = parts
            return whole
        return self._counted(span, rates, add, mul)

    def _counted(self, span: Rows, rates: Rates, plus: Sum, times: Sum) -> Whole:
        over, under = rates.over, rates.under
        rise = times(plus(self.high, -self.low), over)
        base = times(self.low, over)
        if rates.even:
            return plus(base, floor_div(times(rise, self.gone), span))
        scaled, base = base, floor_div(base, under)
        rest = times(plus(scaled, -times(base, under)), span)
        return plus(base, floor_div(plus(rest, times(rise, self.gone)), times(under, span)))

    def gapped(self, edges: Rows, max_gap_ms: int) -> Flags:
        """The intervals no reading lies in, between two too far apart."""
        ends = self.before_ms[:, 1:] == edges[1:]  # the reading at an edge ends what is before it
        after = np.where(ends, self.at[:, 1:] - 1, self.at[:, 1:])
        after_ms = np.where(ends, self.before_ms[:, 1:], self.after_ms[:, 1:])
        inside = (self.before_ms[:, :-1] <= edges[:-1]) & (edges[1:] <= self.after_ms[:, 1:])
        long = after_ms - self.before_ms[:, :-1] > max_gap_ms
        return np.asarray(inside & (after == self.at[:, :-1]) & long)


def _found(
    edges: Rows, places: Places, readings: Readings
) -> Iterator[tuple[Rows | slice, _Neighbours, Rates]]:
    """Which meters, what they read around the edges, and their rates; once for all whose last
    readings these are, and for the others meter by meter."""
    tails, row = readings.tails, places.rows
    if places.turns != tails.turns:
        places.turns, places.rates = tails.turns, None
        places.since_ms = int(np.maximum.reduce(tails.since(row)))
        places.found.clear()
    few = edges.size <= _MOST_EDGES
    if few and places.since_ms <= edges[0]:
        if places.rates is None:
            exponents = tails.exponent[row].tolist()
            scales = (meter.scale for meter in places.meters)
            places.rates = _rates(zip(scales, exponents, strict=True))
        there = _Neighbours.of(edges, tails.around(row, edges, places.found), tails.most)
        yield slice(None), there, places.rates
        return
    near = (tails.since(row) <= edges[0]) & few
    if near.any():
        at = np.flatnonzero(near)
        there = _Neighbours.of(edges, tails.around(row[at], edges, {}), tails.most)
        exponents = tails.exponent[row[at]].tolist()
        scales = (places.meters[i].scale for i in at.tolist())
        yield at, there, _rates(zip(scales, exponents, strict=True))
    groups: dict[bool, dict[int, Series]] = {False: {}, True: {}}
    for i in np.flatnonzero(~near).tolist():
        meter = places.meters[i]
        series = readings.totals(meter.id)
        if series.times.size > 1:
            groups[series.totals.dtype == object][i] = series, meter.scale
    for group in groups.values():
        if group:
            rates = _rates((scale, series.exponent) for series, scale in group.values())
            yield np.array(list(group)), _looked_up(edges, list(group.values())), rates


def _looked_up(edges: Rows, group: list[Series]) -> _Neighbours:
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
    most = max(peak(low), peak(high))
    return _Neighbours.of(edges, (before_ms, after_ms, low, high, at_all), most)


def _rates(scales: Iterable[tuple[Fraction, int]]) -> Rates:
    """Of scales and exponents, a row each."""
    return Rates.of(
        _rate(scale.numerator, scale.denominator, exponent) for scale, exponent in scales
    )


@lru_cache(maxsize=4096)
def _rate(numerator: int, denominator: int, exponent: int) -> tuple[int, int]:
    """Quanta for one unit in 10**exponent of a register's unit."""
    rate = Fraction(numerator, denominator) * Fraction(10) ** exponent
    return rate.numerator, rate.denominator
