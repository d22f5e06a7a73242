"""Days as the site has them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def day(t_ms: int, timezone: str) -> str:
    """The date in the zone, such as 2026-10-01."""
    moment = _EPOCH + timedelta(milliseconds=t_ms)
    return moment.astimezone(ZoneInfo(timezone)).date().isoformat()
