"""Where time is cut: slots, events, swaps, every meter's first and last reading, and periods."""

from collections.abc import Iterable

import numpy as np

from calc_stream.core.events import Event
from calc_stream.core.periods import Periods
from calc_stream.core.plant import SiteModel
from calc_stream.core.series import Readings, Span
from calc_stream.core.versions import Reign, Versions
from calc_stream.core.whole import Rows


def span_of(site: SiteModel | Versions, readings: Readings) -> Span | None:
    """From the earliest to the latest reading or swap of a meter of the version in force then;
    None without any."""
    ends = []
    for reign in Versions.of(site).reigns:
        for meter in reign.model.meters:
            reach = readings.reach(meter.id)
            if reach and (part := reign.within(*reach)):
                ends.append(part)
    if not ends:
        return None
    return min(first for first, _ in ends), max(last for _, last in ends)


def extra_cuts(
    reign: Reign, readings: Readings, events: Iterable[Event], periods: Periods, span: Span
) -> Rows:
    """Every cut in the reign's part of the span that is not a slot's, sorted, each once. `events`
    are in force."""
    part = reign.within(*span)
    if part is None:
        return np.empty(0, dtype=np.int64)
    cuts = [event.t_ms for event in events if event.cuts]
    for meter in reign.model.meters:
        cuts += readings.reach(meter.id) or ()
        cuts += (swap.t_ms for swap in readings.swaps.get(meter.id, ()))
    kept = [cut for cut in cuts if part[0] <= cut <= part[1]]
    return np.unique(np.concatenate([np.array(kept, dtype=np.int64), periods.cuts(reign, part)]))


def edges_within(span: Span, slot_ms: int, extra: Rows) -> Rows:
    """All edges of `span`, its two ends included, sorted, each once."""
    first, last = span
    slots = np.arange(-(-first // slot_ms) * slot_ms, last + 1, slot_ms, dtype=np.int64)
    lo, hi = np.searchsorted(extra, first, "left"), np.searchsorted(extra, last, "right")
    return np.unique(np.concatenate([slots, extra[lo:hi], np.array(span, dtype=np.int64)]))


def incomplete_meters(site: Versions, readings: Readings, span: Span | None) -> tuple[str, ...]:
    """Meters with an interval of the span outside their readings, by id."""
    found = set()
    for reign, (first, last) in site.within(span):
        for meter in reign.model.meters if first < last else ():
            reach = readings.reach(meter.id)
            if reach is None or reach[0] > first or reach[1] < last:
                found.add(meter.id)
    return tuple(sorted(found))
