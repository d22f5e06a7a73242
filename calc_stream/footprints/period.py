"""Pure: the calendar periods of a site's own clock, over which a product's batches are added up.

A batch belongs to the period it ended in. Names: 2026-11-23, 2026-11, 2026-Q4, 2026.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from calc_stream.core.windows import zone_of
from wire.errors import BadData

Every = Literal["day", "month", "quarter", "year"]
# An end that nobody knows is often told as the last day there is; no period of a calendar ends after it.
_FIRST_MS = round(datetime(2, 1, 1, tzinfo=UTC).timestamp()) * 1000
_LAST_MS = round(datetime(9998, 7, 1, tzinfo=UTC).timestamp()) * 1000
_NAME = re.compile(r"(\d{4})(?:-(?:Q([1-4])|(\d\d)(?:-(\d\d))?))?", re.ASCII)


@dataclass(frozen=True, order=True)
class Period:
    """From `start_ms` up to, not including, `end_ms`."""

    start_ms: int
    end_ms: int
    name: str

    def holds(self, t_ms: int) -> bool:
        return self.start_ms <= t_ms < self.end_ms


def period_at(t_ms: int, every: Every, zone: str) -> Period:
    """The one that holds a time. `zone`: the name of the site's time zone."""
    t_ms = max(_FIRST_MS, min(t_ms, _LAST_MS))
    at = datetime.fromtimestamp(t_ms / 1000, zone_of(zone))
    names = {
        "day": f"{at.year:04d}-{at:%m-%d}",
        "month": f"{at.year:04d}-{at:%m}",
        "quarter": f"{at.year:04d}-Q{(at.month + 2) // 3}",
        "year": f"{at.year:04d}",
    }
    return named_period(names[every], zone)


def named_period(name: str, zone: str) -> Period:
    """The one of this name. Raises BadData."""
    found = _NAME.fullmatch(name)
    try:
        if found is None:
            raise ValueError("is no period")
        year, quarter, month, day = (int(part) if part else None for part in found.groups())
        return _period(name, zone_of(zone), year or 0, quarter, month, day)
    except (ValueError, OverflowError) as exc:
        cure = "a period is written 2026-11, 2026-Q4, 2026 or 2026-11-23"
        raise BadData(f"{name!a}: {cure}") from exc


def _period(
    name: str, zone: ZoneInfo, year: int, quarter: int | None, month: int | None, day: int | None
) -> Period:
    if day is not None:
        begin = datetime(year, month or 1, day, tzinfo=zone)
        return Period(_ms(begin), _ms(_later(begin, days=1)), name)
    first, months = (1, 12) if month is None else (month, 1)
    if quarter is not None:
        first, months = 3 * quarter - 2, 3
    end = year * 12 + first - 1 + months
    begin = datetime(year, first, 1, tzinfo=zone)
    return Period(_ms(begin), _ms(datetime(end // 12, end % 12 + 1, 1, tzinfo=zone)), name)


def _later(moment: datetime, days: int) -> datetime:
    """So many days later by the clock on the wall."""
    day = datetime.fromordinal(moment.toordinal() + days)
    return day.replace(tzinfo=moment.tzinfo)


def _ms(moment: datetime) -> int:
    return round(moment.astimezone(UTC).timestamp()) * 1000
