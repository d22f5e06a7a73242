"""Buses that gave away more than came in, beyond what their meters' errors explain.

A residual below zero is posted as it is; here is whether it says that a meter, a ratio or a wire is
wrong. The limit is the expanded uncertainty (about 95 %) of what flowed in less what flowed out.
"""

from collections.abc import Iterator
from typing import TypedDict

import numpy as np

from calc_stream.core import Readings, SiteModel, Versions
from calc_stream.core.decimals import fixed, instant
from calc_stream.core.plant import Meter
from calc_stream.core.registers import quanta_at
from calc_stream.core.series import Span
from calc_stream.core.uncertainty import bias_of, residual_of


class Overdrawn(TypedDict):
    """A bus over a time in which all its meters told, in the carrier's unit: what is missing (below
    zero), and the most that its meters explain."""

    bus: str
    since: str
    until: str
    residual: str
    limit: str


def overdrawn(versions: Versions, readings: Readings, span: Span | None) -> list[Overdrawn]:
    """Buses whose every edge is metered by a meter of known error, with residual = "account"."""
    found: list[Overdrawn] = []
    for reign, part in versions.within(span):
        model = reign.model
        known = {m.id: bias for m in model.meters if (bias := bias_of(m)) is not None}
        for bus, meters in _metered(model):
            told = _together(readings, meters, part)
            if told is None or any(meter.id not in known for meter in meters):
                continue
            flows = {meter.id: _flow(readings, meter, told) for meter in meters}
            doubt = residual_of(bus, model, flows, known)
            if doubt.u95 is not None and doubt.value < -doubt.u95:
                carrier = model.carriers[model.buses[bus].carrier]
                residual, limit = (
                    fixed(int(quanta), carrier.quanta_per_unit, carrier.digits)
                    for quanta in (doubt.value, doubt.u95)
                )
                since, until = map(instant, told)
                found.append(
                    Overdrawn(bus=bus, since=since, until=until, residual=residual, limit=limit)
                )
    return found


def _metered(model: SiteModel) -> Iterator[tuple[str, list[Meter]]]:
    """Buses with their meters, where nothing flows past meters."""
    linked = {end for link in model.links for end in (link.start, link.end)}
    for name, bus in model.buses.items():
        meters = [meter for meter in model.meters if name in (meter.start, meter.end)]
        if bus.residual == "account" and name not in linked:
            yield name, meters


def _together(readings: Readings, meters: list[Meter], span: Span) -> Span | None:
    """The part of a time over which all meters told."""
    first, last = span
    for meter in meters:
        reach = readings.reach(meter.id)
        if reach is None:
            return None
        first, last = max(first, reach[0]), min(last, reach[1])
    return (first, last) if first < last else None


def _flow(readings: Readings, meter: Meter, span: Span) -> int:
    ends = quanta_at(np.array(span, dtype=np.int64), readings.totals(meter.id), meter.scale)
    return int(ends[1]) - int(ends[0])
