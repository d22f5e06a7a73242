"""What a meter counted between two edges, as integers of its carrier's quantum."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from calc_stream.core.series import Totals
from calc_stream.core.whole import Flags, Rows, Whole, add, floor_div, mul, whole


def quanta_at(edges: Rows, series: Totals, scale: Fraction) -> Whole:
    """floor(total * scale) at edges that lie between the first and the last reading.

    The total is linear between two readings. With total = r0 + dr * tau / dt and scale = p / q:
    floor((p*r0*dt + p*dr*tau) / (q*dt)), where p*r0 is split by q first so that an ordinary
    register fits int64.
    """
    times, totals = series.times, series.totals
    rate = scale * Fraction(10) ** series.exponent
    over, under = whole(rate.numerator), whole(rate.denominator)
    if times.size == 1:
        return floor_div(mul(np.repeat(totals, edges.size), over), under)
    at = np.searchsorted(times, edges, "right") - 1
    at = np.minimum(at, times.size - 2)
    low = totals[at]
    span, gone = times[at + 1] - times[at], edges - times[at]
    rise = totals[at + 1] - low if totals.dtype == object else np.subtract(totals[at + 1], low)
    scaled = mul(low, over)
    base = floor_div(scaled, under)
    rest = add(scaled, -mul(base, under))
    part = add(mul(rest, span), mul(mul(rise, over), gone))
    return add(base, floor_div(part, mul(under, span)))


@dataclass(frozen=True, slots=True)
class Flow:
    """Quanta through one meter in each interval; `gapped` where it lies in a long reading gap."""

    quanta: Whole
    gapped: Flags | None


def flow_between(
    edges: Rows, series: Totals, scale: Fraction, max_gap_ms: int | None = None
) -> Flow:
    """The flow in the intervals between neighbouring edges; none outside the meter's readings.

    The first and the last reading are among the edges whenever they lie between them.
    """
    count = max(edges.size - 1, 0)
    times = series.times
    if not times.size or not count:
        return Flow(np.zeros(count, dtype=np.int64), None)
    lo = int(np.searchsorted(edges, times[0], "left"))
    hi = int(np.searchsorted(edges, times[-1], "right"))
    if hi - lo < 2:
        return Flow(np.zeros(count, dtype=np.int64), None)
    inside = edges[lo:hi]
    marks = quanta_at(inside, series, scale)
    quanta: Whole = np.zeros(count, dtype=marks.dtype)
    quanta[lo : hi - 1] = marks[1:] - marks[:-1]
    if max_gap_ms is None:
        return Flow(quanta, None)
    gapped = np.zeros(count, dtype=np.bool_)
    before = np.searchsorted(times, inside[:-1], "right") - 1
    after = np.searchsorted(times, inside[1:], "left")
    gapped[lo : hi - 1] = (after == before + 1) & (times[after] - times[before] > max_gap_ms)
    return Flow(quanta, gapped)
