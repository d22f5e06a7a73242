"""Power over a time, from what registers counted: for charts only."""

import numpy as np

from calc_stream.core import SiteState
from calc_stream.core.registers import flows_between
from calc_stream.core.series import Span
from wire.units import convert, kind

_MS_PER_HOUR = 3_600_000
_LEAST_MS = 1000
# In each step: a register that moves by its last digit now and then tells no power.
_LEAST_COUNTS = 5
_ENOUGH = 20  # readings, to see what the last digit is


def power_of(state: SiteState, node: str, span: Span, most: int) -> list[tuple[int, int]]:
    """[ms, W] of everything that feeds a node with energy; each point a mean up to the next one."""
    versions = state.versions
    if versions is None or span[0] >= span[1]:
        return []
    model = versions.at(span[1])
    feeding = [meter for meter in model.meters if meter.end == node]
    feeding = [meter for meter in feeding if kind(model.carriers[meter.carrier].unit) == "energy"]
    reaches = [reach for meter in feeding if (reach := state.readings.reach(meter.id))]
    if not reaches:
        return []
    first = max(span[0], min(reach[0] for reach in reaches))
    last = min(span[1], max(reach[1] for reach in reaches))
    counts = [count for meter in feeding if (count := _counts(state, meter.id, first, last))]
    steps = min(most, (last - first) // _LEAST_MS, *(count // _LEAST_COUNTS for count in counts))
    if counts:
        steps = max(1, steps)
    if steps < 1:
        return []
    edges = np.unique(np.linspace(first, last, steps + 1).astype(np.int64))
    flows = flows_between(edges, feeding, state.readings)
    watts = np.zeros(edges.size - 1)
    for meter in feeding:
        carrier = model.carriers[meter.carrier]
        wh = float(convert(carrier.unit, "Wh") / carrier.quanta_per_unit)
        watts += flows[meter.id].quanta.astype(np.float64) * wh * _MS_PER_HOUR / np.diff(edges)
    return list(zip(edges[:-1].tolist(), np.round(watts).astype(np.int64).tolist(), strict=True))


def _counts(state: SiteState, meter: str, first: int, last: int) -> int | None:
    """By how many of the least steps it makes a register rose; None of too few readings to say."""
    series = state.readings.totals(meter)
    begin, end = np.searchsorted(series.times, [first, last])
    rises = np.diff(series.totals[begin : end + 1].astype(np.int64))
    least = int(np.gcd.reduce(rises)) if rises.size >= _ENOUGH else 0
    return int(rises.sum()) // least if least else None
