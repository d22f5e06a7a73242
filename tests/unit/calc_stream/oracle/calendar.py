"""Windows by the site's clock, and when factors change."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from .versions import Version

HOUR_MS = 3_600_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Marks:
    """`at`: when rows of a source's factor begin or end; `hourly`: sources with hourly rows."""

    at: dict[str, list[int]] = field(default_factory=dict)
    hourly: set[str] = field(default_factory=set)


def window_of(version: Version, t_ms: int) -> tuple[int, int]:
    """From when up to when the window lasts that holds `t_ms`, within the version."""
    today = (_EPOCH + timedelta(milliseconds=t_ms)).astimezone(ZoneInfo(version.zone)).date()
    window = version.policy["window"]
    shifts = version.policy["shifts"] if window == "shift" else ["00:00"]
    begins = _begins(version.zone, window, tuple(shifts), today)
    begin = max(b for b in begins if b <= t_ms)
    end = min(b for b in begins if b > t_ms)
    return max(begin, version.since), min(end, version.until)


@cache
def _begins(zone: str, window: str, shifts: tuple[str, ...], today: date) -> list[int]:
    """All around a day."""
    found = []
    for days in range(-40, 41):
        day = today + timedelta(days=days)
        for clock in shifts if window != "month" or day.day == 1 else ():
            hour, minute = map(int, clock.split(":"))
            moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(zone))
            found.append((moment - _EPOCH) // timedelta(milliseconds=1))
    return found
