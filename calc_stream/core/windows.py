"""Over what time a pool is spread: the shifts, days or months of the site's own clock."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from calc_stream.core.whole import LIMIT, Rows

WINDOWS = ("shift", "day", "month")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_MONTHS = range(12, 12 * 9999)  # from year 1 to 9998


@dataclass(frozen=True, slots=True)
class Windows:
    """`shifts`: minutes after local midnight at which a window begins; `monthly`: only on the
    first of a month."""

    zone: str
    shifts: tuple[int, ...] = (0,)
    monthly: bool = False

    def begins(self, first_ms: int, last_ms: int) -> Rows:
        """Where windows begin, from the one that holds `first_ms` to the one after `last_ms`."""
        months = range(_month(first_ms) - 2, _month(last_ms) + 3)
        found = [t for month in months for t in _begins(self, min(max(month, 12), _MONTHS[-1]))]
        edges = np.unique(np.array(found, dtype=np.int64))
        lo = max(int(np.searchsorted(edges, first_ms, "right")) - 1, 0)
        return edges[lo : int(np.searchsorted(edges, last_ms, "right")) + 1]

    def around(self, t_ms: int) -> tuple[int, int]:
        """From when up to when the window lasts that holds `t_ms`."""
        first, *after = self.begins(t_ms, t_ms).tolist()
        return first, after[0] if after else LIMIT


def zone_of(name: str) -> ZoneInfo:
    """A time zone by its name in the IANA tables. Raises ValueError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise ValueError("is not the name of a time zone this machine's tables know") from exc


@lru_cache(maxsize=512)
def _begins(windows: Windows, month: int) -> tuple[int, ...]:
    """Beginnings in one local month, counted from year 0. A clock time that comes twice counts as
    the first; one that is skipped, as if the clock had not been set yet."""
    zone = zone_of(windows.zone)
    day = datetime(month // 12, month % 12 + 1, 1, tzinfo=zone)
    found = []
    while day.month == month % 12 + 1:
        found += [(day + timedelta(minutes=m) - _EPOCH) // _MS for m in windows.shifts]
        if windows.monthly:
            break
        day += timedelta(days=1)  # on the clock: aware datetimes of one zone add so
    return tuple(found)


def _month(t_ms: int) -> int:
    moment = _EPOCH + timedelta(milliseconds=t_ms)
    return moment.year * 12 + moment.month - 1
