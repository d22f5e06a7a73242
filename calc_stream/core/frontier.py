"""Up to when everything has been told, so that intervals may be posted."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from calc_stream.core.series import Readings, Span
from calc_stream.core.versions import Versions
from calc_stream.core.whole import LIMIT, Rows


@dataclass(frozen=True, slots=True)
class Waiting:
    """`silent`: the meters nobody waits for; `held_ms`: from when on readings are known to be on their
    way, of whatever meter (LIMIT: none are)."""

    silent: frozenset[str] = frozenset()
    held_ms: int = LIMIT


def frontier_of(
    versions: Versions,
    readings: Readings,
    waiting: Waiting,
    span: Span | None,
    cuts: Mapping[int, Rows],
) -> int | None:
    """The earliest instant from which on a meter in force, not declared silent, has told nothing, or
    not all; the last reading where nobody is waited for, or only from a version to come on. None when
    that is before anything was read. `cuts`: by start of the reign."""
    if span is None:
        return None
    untold: list[int] = []
    for reign in versions.reigns:
        meters = reign.model.meters
        since = np.maximum(readings.lasts(meters), reign.from_ms)
        for at in (since > waiting.held_ms).nonzero()[0].tolist():
            since[at] = max(_before(readings, meters[at].id, waiting.held_ms), reign.from_ms)
        if waiting.silent:
            since = since[~readings.among(meters, waiting.silent)]
        since = since[since < reign.to_ms]
        untold += [int(np.minimum.reduce(since))] if since.size else []
    frontier = min(span[1], waiting.held_ms, *untold)
    if frontier < span[0]:
        return None
    return frontier if waiting.held_ms == LIMIT else _edge_before(versions, cuts, span, frontier)


def _before(readings: Readings, meter: str, held_ms: int) -> int:
    """A meter's last reading before those on their way: how it went on, one of these may say."""
    times = readings.totals(meter).times
    at = int(times.searchsorted(held_ms, "left"))
    return int(times[at - 1]) if at else held_ms


def _edge_before(versions: Versions, cuts: Mapping[int, Rows], span: Span, t_ms: int) -> int:
    """The last edge up to an instant in the span: what is posted never ends between two edges."""
    reign = versions.reign_at(t_ms)
    own, slot_ms = cuts[reign.from_ms], reign.model.slot_ms
    at = int(own.searchsorted(t_ms, "right"))
    last: list[int] = own[at - 1 : at].tolist()
    return max([t_ms // slot_ms * slot_ms, reign.from_ms, span[0], *last])
