"""Every cut of a site's time by version, kept while it stays: most records bring none but the next
readings."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from calc_stream.core.edges import joined, rising, steady_cuts
from calc_stream.core.periods import Periods
from calc_stream.core.series import Readings, Span
from calc_stream.core.whole import LIMIT, Rows

_NONE: Rows = np.empty(0, dtype=np.int64)
_AHEAD_MS = 86_400_000  # so far ahead of the readings cuts are looked for


class Parts(NamedTuple):
    """Cuts in order: `known`, the very same column while none comes or goes, and where readings end."""

    known: Rows
    lasts: Rows


_NO_PARTS = Parts(_NONE, _NONE)


class Cuts:
    """By start of the reign."""

    def __init__(self, periods: Periods, readings: Readings) -> None:
        self._periods, self._readings = periods, readings
        self._steady: dict[int, Rows] = {}
        self._of: tuple[int, int] | None = None  # what the steady ones stand on
        self._upto_ms = -LIMIT
        self._known: dict[int, Rows] = {}  # those and events
        self._told: Rows | None = None  # the events among them

    def look(self, told: Rows, span: Span) -> None:
        """Looks again where something happened but that meters went on. `told`: when events cut, another
        column once that is otherwise; `span`: of the readings."""
        periods, readings = self._periods, self._readings
        of = readings.turns, span[0]
        if of != self._of or span[1] > self._upto_ms:
            self._of, self._upto_ms = of, span[1] + _AHEAD_MS
            parts = periods.versions.within((span[0], self._upto_ms))
            self._steady = {
                reign.from_ms: joined(part, steady_cuts(reign, readings, periods, part))
                for reign, part in parts
            }
        elif told is self._told:
            return
        self._told = told
        for reign, part in periods.versions.within((span[0], self._upto_ms)):
            self._known[reign.from_ms] = joined(part, self._steady[reign.from_ms], told)

    def all(self) -> dict[int, Rows]:
        """With those where meters' readings end."""
        return {start: rising(np.concatenate(cuts)) for start, cuts in self.upto(LIMIT).items()}

    def upto(self, t_ms: int) -> dict[int, Parts]:
        """The same, those where readings end up to an instant."""
        found = {}
        for reign in self._periods.versions.reigns:
            lasts = self._readings.lasts(reign.model.meters)
            lasts = lasts[(lasts >= reign.from_ms) & (lasts <= min(reign.to_ms, t_ms))]
            found[reign.from_ms] = Parts(self._known.get(reign.from_ms, _NONE), rising(lasts))
        return found


def others(old: Mapping[int, Parts], new: Mapping[int, Parts], upto_ms: int) -> Iterator[int]:
    """The cuts up to an instant that only one of the two has, but where readings end: what comes behind
    changes the time from there on, and that is told by itself."""
    for start in old.keys() | new.keys():
        before, after = (own.get(start, _NO_PARTS).known for own in (old, new))
        if before is not after:
            cuts = (own[: own.searchsorted(upto_ms, "right")] for own in (before, after))
            yield from apart(*cuts).tolist()


def apart(one: Rows, other: Rows) -> Rows:
    """What only one of two rising columns has: looked for between the ends that are the same."""
    least = min(one.size, other.size)
    unlike = np.flatnonzero(one[:least] != other[:least])
    first = int(unlike[0]) if unlike.size else least
    one, other = one[first:], other[first:]
    least = min(one.size, other.size)
    unlike = np.flatnonzero(one[one.size - least :] != other[other.size - least :])
    last = least - 1 - int(unlike[-1]) if unlike.size else least
    return np.setxor1d(one[: one.size - last], other[: other.size - last], assume_unique=True)
