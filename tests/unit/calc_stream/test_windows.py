"""Shifts, days and months of a site's own clock."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from calc_stream.core.windows import Windows, zone_of

CHINA, BERLIN = "Asia/Shanghai", "Europe/Berlin"


def ms(text: str, zone: str = "UTC") -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * 1000


def shown(times: list[int], zone: str) -> list[str]:
    return [datetime.fromtimestamp(t / 1000, ZoneInfo(zone)).strftime("%d %H:%M") for t in times]


def test_a_day_begins_at_the_site_s_midnight() -> None:
    noon = ms("2026-11-21T12:00", CHINA)
    assert Windows(CHINA).around(noon) == (ms("2026-11-20T16:00"), ms("2026-11-21T16:00"))


def test_the_beginning_belongs_to_a_window_and_the_end_does_not() -> None:
    midnight = ms("2026-11-21T00:00", CHINA)
    assert Windows(CHINA).around(midnight)[0] == midnight
    assert Windows(CHINA).around(midnight - 1)[1] == midnight


def test_a_night_shift_lasts_into_the_next_day() -> None:
    shifts = Windows(CHINA, (360, 840, 1320))
    night = shifts.around(ms("2026-11-22T03:00", CHINA))
    assert night == (ms("2026-11-21T22:00", CHINA), ms("2026-11-22T06:00", CHINA))


def test_a_month_lasts_from_its_first_to_the_next_s() -> None:
    month = Windows(CHINA, monthly=True)
    december = ms("2026-12-01T00:00", CHINA), ms("2027-01-01T00:00", CHINA)
    assert month.around(ms("2026-12-31T23:59", CHINA)) == december
    assert month.around(december[0]) == december


def test_a_day_on_which_clocks_are_set_has_another_length() -> None:
    spring = Windows(BERLIN).around(ms("2026-03-29T12:00", BERLIN))
    autumn = Windows(BERLIN).around(ms("2026-10-25T12:00", BERLIN))
    assert [(last - first) // 3_600_000 for first, last in (spring, autumn)] == [23, 25]


def test_shifts_keep_their_clock_time_when_clocks_are_set() -> None:
    shifts = Windows(BERLIN, (360, 840, 1320))
    begins = shifts.begins(ms("2026-03-28T20:00", BERLIN), ms("2026-03-29T20:00", BERLIN)).tolist()
    assert shown(begins, BERLIN) == ["28 14:00", "28 22:00", "29 06:00", "29 14:00", "29 22:00"]


def test_a_clock_time_that_is_skipped_or_comes_twice() -> None:
    at_half_past_two = Windows(BERLIN, (150,))
    spring = at_half_past_two.around(ms("2026-03-29T12:00", BERLIN))[0]
    assert datetime.fromtimestamp(spring / 1000, UTC).hour == 1  # 02:30 by winter time: 03:30
    autumn = at_half_past_two.around(ms("2026-10-25T12:00", BERLIN))[0]
    assert datetime.fromtimestamp(autumn / 1000, UTC).hour == 0  # the first of the two, summer time


@pytest.mark.parametrize("name", ["Atlantis", "", "../etc/passwd", "Asia"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        zone_of(name)
