"""Where time is cut: slots, events, swaps, and every meter's first and last reading."""

from collections.abc import Iterable

import numpy as np

from calc_stream.core.events import Event
from calc_stream.core.plant import SiteModel
from calc_stream.core.series import Readings, Span
from calc_stream.core.whole import LIMIT, Rows


def span_of(model: SiteModel, readings: Readings) -> Span | None:
    """From the earliest to the latest reading or swap of the model's meters; None without any."""
    ends = [reach for meter in model.meters if (reach := reach_of(readings, meter.id))]
    if not ends:
        return None
    return min(first for first, _ in ends), max(last for _, last in ends)


def reach_of(readings: Readings, meter: str) -> Span | None:
    """A meter's first and last reading; None when it was never read."""
    times = readings.totals(meter).times
    return (int(times[0]), int(times[-1])) if times.size else None


def extra_cuts(model: SiteModel, readings: Readings, events: Iterable[Event]) -> Rows:
    """Every cut that is not a slot's, sorted, each once. `events` are in force."""
    cuts = [event.t_ms for event in events if event.cuts]
    for meter in model.meters:
        cuts += reach_of(readings, meter.id) or ()
        cuts += (swap.t_ms for swap in readings.swaps.get(meter.id, ()))
    kept = [cut for cut in cuts if abs(cut) < LIMIT]
    return np.unique(np.array(kept, dtype=np.int64))


def edges_within(span: Span, slot_ms: int, extra: Rows) -> Rows:
    """All edges of `span`, its two ends included, sorted, each once."""
    first, last = span
    slots = np.arange(-(-first // slot_ms) * slot_ms, last + 1, slot_ms, dtype=np.int64)
    lo, hi = np.searchsorted(extra, first, "left"), np.searchsorted(extra, last, "right")
    return np.unique(np.concatenate([slots, extra[lo:hi], np.array(span, dtype=np.int64)]))


def incomplete_meters(model: SiteModel, readings: Readings, span: Span | None) -> tuple[str, ...]:
    """Meters with an interval of the span outside their readings, by id."""
    if span is None or span[0] == span[1]:
        return ()
    return tuple(m.id for m in model.meters if reach_of(readings, m.id) != span)
