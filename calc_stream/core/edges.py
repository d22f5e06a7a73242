"""Where time is cut: slots, events, swaps, every meter's first and last reading, and periods."""

from collections.abc import Iterable

import numpy as np

from calc_stream.core.events import Event
from calc_stream.core.periods import Periods
from calc_stream.core.plant import SiteModel
from calc_stream.core.series import Readings, Span
from calc_stream.core.versions import Reign, Versions
from calc_stream.core.whole import LIMIT, Rows


def span_of(site: SiteModel | Versions, readings: Readings) -> Span | None:
    """From the earliest to the latest reading or swap of a meter of the version in force then;
    None without any."""
    ends = []
    for reign in Versions.of(site).reigns:
        firsts, lasts = readings.reaches(reign.model.meters)
        firsts, lasts = np.maximum(firsts, reign.from_ms), np.minimum(lasts, reign.to_ms)
        there = firsts <= lasts
        firsts, lasts = firsts[there], lasts[there]
        if firsts.size:
            ends.append((int(np.minimum.reduce(firsts)), int(np.maximum.reduce(lasts))))
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
    told = np.array([event.t_ms for event in events if event.cuts], dtype=np.int64)
    lasts = readings.lasts(reign.model.meters)
    return joined(part, steady_cuts(reign, readings, periods, part), told, lasts)


def steady_cuts(reign: Reign, readings: Readings, periods: Periods, part: Span) -> Rows:
    """Of those in a part of the reign, and some outside, all but events and the meters' last readings:
    what stays while meters just go on."""
    mine = {meter.id for meter in reign.model.meters} & readings.swaps.keys()
    swaps = [swap.t_ms for meter in mine for swap in readings.swaps[meter]]
    firsts = readings.firsts(reign.model.meters)
    told = np.array(swaps, dtype=np.int64)
    return np.concatenate([told, firsts[firsts < LIMIT], periods.cuts(reign, part)])


def joined(span: Span, *cuts: Rows) -> Rows:
    """Those of the cuts that lie in the span, sorted, each once."""
    every = rising(np.concatenate(cuts))
    return every[every.searchsorted(span[0]) : every.searchsorted(span[1], "right")]


def edges_within(span: Span, slot_ms: int, *extra: Rows) -> Rows:
    """All edges of `span`, its two ends included, sorted, each once. `extra`: sorted, each of them."""
    first, last = span
    slots = np.arange(-(-first // slot_ms) * slot_ms, last + 1, slot_ms, dtype=np.int64)
    inside = (cuts[cuts.searchsorted(first) : cuts.searchsorted(last, "right")] for cuts in extra)
    return rising(np.concatenate([slots, *inside, np.array(span, dtype=np.int64)]))


def rising(times: Rows) -> Rows:
    """Sorted, each once: columns that each rise are soon merged. (For few numbers `np.unique` costs more
    than the work.)"""
    if times.size < 2:
        return times
    times = np.sort(times, kind="stable")
    fresh = np.empty(times.size, dtype=np.bool_)
    fresh[0] = True
    np.not_equal(times[1:], times[:-1], out=fresh[1:])
    return times[fresh]


def incomplete_meters(site: Versions, readings: Readings, span: Span | None) -> tuple[str, ...]:
    """Meters with an interval of the span outside their readings, by id."""
    found: set[str] = set()
    for reign, (first, last) in site.within(span):
        if first >= last:
            continue
        meters = reign.model.meters
        firsts, lasts = readings.reaches(meters)
        found |= {
            meters[at].id for at in np.flatnonzero((firsts > first) | (lasts < last)).tolist()
        }
    return tuple(sorted(found))
