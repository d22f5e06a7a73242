"""What meters counted between edges, as integers of their carriers' quanta.

At an edge between the first and the last reading it is floor(total * scale), the total linear between
two readings. With total = r0 + dr * tau / dt and scale = p / q: floor((p*r0*dt + p*dr*tau) / (q*dt)),
where p*r0 is split by q first so that an ordinary register fits int64. All meters are taken together,
a row each, so that numpy's own cost is paid once; those that need Python's integers apart from them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np

from calc_stream.core.places import Counted, Neighbours, Places, Rates
from calc_stream.core.plant import Meter
from calc_stream.core.series import Readings, Totals
from calc_stream.core.tails import Tails
from calc_stream.core.whole import (
    Flags,
    Matrix,
    Rows,
    Whole,
    column,
    floor_div,
    mul,
    narrow,
    peak,
    steps,
)

_MOST_EDGES = 16  # that are looked up among the last readings of all meters at once
_MOST_KNOWN = 8

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
    for at, counted in _found(edges, places, readings):
        flow = narrow(steps(_beside([marks for _, marks in counted])))
        quanta = quanta if flow.dtype != object else quanta.astype(object)
        quanta[at] = flow
        if gapped is not None and max_gap_ms is not None:
            gapped[at] = _gapped([there for there, _ in counted], edges, max_gap_ms)
    return Flows(quanta, gapped, places.index)


def quanta_at(edges: Rows, series: Totals, scale: Fraction) -> Whole:
    """floor(total * scale) at edges that lie between the first and the last reading."""
    if series.times.size > 1:
        there = _looked_up(edges, [(series, scale)])
        return np.asarray(there.quanta(_rates([(scale, series.exponent)]))[0])
    over, under = _rate(scale.numerator, scale.denominator, series.exponent)
    return floor_div(mul(np.repeat(series.totals, edges.size), column([over])), column([under]))


def _found(
    edges: Rows, places: Places, readings: Readings
) -> Iterator[tuple[Rows | slice, list[Counted]]]:
    """Which meters, and what they read around the edges and had counted there: edge by edge for those
    whose last readings these are, for the others meter by meter."""
    tails, row = readings.tails, places.rows
    places.follow(tails)
    few = edges.size <= _MOST_EDGES
    if few and places.since_ms <= edges[0]:
        if places.rates is None:
            scales = (meter.scale for meter in places.meters)
            places.rates = _rates(zip(scales, tails.exponent[row].tolist(), strict=True))
        yield slice(None), _remembered(edges, places, places.rates, tails)
        return
    near = (tails.since(row) <= edges[0]) & few
    if near.any():
        at = np.flatnonzero(near)
        scales = (places.meters[i].scale for i in at.tolist())
        rates = _rates(zip(scales, tails.exponent[row[at]].tolist(), strict=True))
        yield at, [_counted(edge, row[at], rates, tails) for edge in edges.tolist()]
    groups: dict[bool, dict[int, Series]] = {False: {}, True: {}}
    for i in np.flatnonzero(~near).tolist():
        meter = places.meters[i]
        series = readings.totals(meter.id)
        if series.times.size > 1:
            groups[series.totals.dtype == object][i] = series, meter.scale
    for group in groups.values():
        if group:
            rates = _rates((scale, series.exponent) for series, scale in group.values())
            there = _looked_up(edges, list(group.values()))
            yield np.array(list(group)), [(there, there.quanta(rates))]


def _remembered(edges: Rows, places: Places, rates: Rates, tails: Tails) -> list[Counted]:
    """What all of a model's meters had counted at edges: known once all that comes is behind one."""
    settled_ms = int(np.minimum.reduce(tails.last_ms[places.rows]))
    found = []
    for edge in edges.tolist():
        counted = places.found.get(edge)
        if counted is None:
            counted = _counted(edge, places.rows, rates, tails)
            if edge < settled_ms:
                if len(places.found) >= _MOST_KNOWN:
                    places.found.clear()
                places.found[edge] = counted
        found.append(counted)
    return found


def _counted(edge: int, row: Rows, rates: Rates, tails: Tails) -> Counted:
    there = Neighbours.of(edge, tails.around(row, edge), tails.most)
    return there, there.quanta(rates)


def _beside(parts: Sequence[Whole]) -> Whole:
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _gapped(parts: list[Neighbours], edges: Rows, max_gap_ms: int) -> Flags:
    """The intervals no reading lies in, between two too far apart."""
    columns = zip(*((there.before_ms, there.after_ms, there.at) for there in parts), strict=True)
    before_ms, after_ms, at = map(_beside, columns)
    ends = before_ms[:, 1:] == edges[1:]  # the reading at an edge ends what is before it
    number = np.where(ends, at[:, 1:] - 1, at[:, 1:])
    ended_ms = np.where(ends, before_ms[:, 1:], after_ms[:, 1:])
    inside = (before_ms[:, :-1] <= edges[:-1]) & (edges[1:] <= after_ms[:, 1:])
    long = ended_ms - before_ms[:, :-1] > max_gap_ms
    return np.asarray(inside & (number == at[:, :-1]) & long)


def _looked_up(edges: Rows, group: list[Series]) -> Neighbours:
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
    return Neighbours.of(edges, (before_ms, after_ms, low, high, at_all), most)


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
