"""Periods: the stretches of time over which energy is added up, for nothing about it changes.

A period of a source ends where a row of its factor begins or ends, where another version of the
model comes into force and where a window begins over which pools are spread; of a source whose
factors are hourly, at each full hour (UTC) too. All of these are edges of intervals. A period is
told by its start.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from calc_stream.core.versions import Reign, Span, Versions
from calc_stream.core.whole import LIMIT, Rows

_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Marks:
    """When the factor of a source may change: instants by source, and sources that go by the hour."""

    at: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    hourly: frozenset[str] = frozenset()


class Periods:
    """The periods of a site's versions and marks."""

    def __init__(self, versions: Versions, marks: Marks) -> None:
        self.versions, self.marks = versions, marks
        windows = any(reign.model.policy.windows for reign in versions.reigns)
        self.single = not (windows or marks.hourly or any(marks.at.values())) and (
            len(versions.reigns) == 1
        )
        self._at = {s: np.array(sorted(t), dtype=np.int64) for s, t in marks.at.items()}

    def starts(self, source: str, times: Rows) -> Rows:
        """The start of the period of a source that holds each of the times."""
        if self.single:
            return np.full_like(times, self.versions.reigns[0].from_ms)
        if not times.size:
            return times
        edges = self._edges(int(times.min()), int(times.max()))
        if source in self._at:
            edges = np.unique(np.concatenate([edges, self._at[source]]))
        found = edges[np.searchsorted(edges, times, "right") - 1]
        if source in self.marks.hourly:
            found = np.maximum(found, times // _HOUR_MS * _HOUR_MS)
        return found

    def cuts(self, reign: Reign, span: Span) -> Rows:
        """Every edge of a period within a part of a reign."""
        first, last = span
        parts = [edges[(edges >= first) & (edges <= last)] for edges in self._at.values()]
        parts.append(self._windows(reign, span))
        if self.marks.hourly:
            parts.append(np.arange(-(-first // _HOUR_MS), last // _HOUR_MS + 1) * _HOUR_MS)
        return np.unique(np.concatenate(parts))

    def window(self, period_ms: int) -> Span | None:
        """The window that holds a period, from when up to when; None when nothing is spread."""
        reign = self.versions.reign_at(period_ms)
        windows = reign.model.policy.windows
        return reign.within(*windows.around(period_ms)) if windows else None

    def windows(self, span: Span) -> list[Span]:
        """Every window that has time in the span, from when up to when, in order."""
        found = []
        for reign, part in self.versions.within(span):
            windows = reign.model.policy.windows
            for begin, end in pairwise(windows.begins(*part).tolist() if windows else ()):
                window = max(begin, reign.from_ms), min(end, reign.to_ms)
                if window[0] < part[1]:
                    found.append(window)
        return found

    def _edges(self, first: int, last: int) -> Rows:
        """Edges that hold for every source: versions and windows."""
        begins = np.array([reign.from_ms for reign in self.versions.reigns], dtype=np.int64)
        parts = [self._windows(*own) for own in self.versions.within((first, last))]
        # The window that holds `first` may have begun before it.
        window = self.window(first)
        held = np.array([] if window is None else [window[0]], dtype=np.int64)
        return np.unique(np.concatenate([[-LIMIT], begins, held, *parts]).astype(np.int64))

    def _windows(self, reign: Reign, span: Span) -> Rows:
        windows = reign.model.policy.windows
        if windows is None:
            return np.empty(0, dtype=np.int64)
        begins = windows.begins(*span)
        return begins[(begins >= span[0]) & (begins <= span[1])]
