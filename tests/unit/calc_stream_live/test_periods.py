"""Calendar periods of a site's clock, and parts that add up to their sum digit for digit."""

from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calc_stream.core.decimals import instant, parse_instant
from calc_stream.footprints.period import Every, named_period, period_at
from calc_stream.footprints.rounding import closed, square_root
from wire.errors import BadData

HOUR_MS = 3_600_000


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).astimezone(UTC).timestamp()) * 1000


@pytest.mark.parametrize(
    ("name", "zone", "start", "end"),
    [
        ("2026-11", "Asia/Shanghai", "2026-10-31T16:00Z", "2026-11-30T16:00Z"),
        ("2026-12", "UTC", "2026-12-01T00:00Z", "2027-01-01T00:00Z"),
        ("2026-Q1", "Europe/Berlin", "2025-12-31T23:00Z", "2026-03-31T22:00Z"),
        ("2026-Q4", "UTC", "2026-10-01T00:00Z", "2027-01-01T00:00Z"),
        ("2026", "Asia/Shanghai", "2025-12-31T16:00Z", "2026-12-31T16:00Z"),
        ("2026-03-29", "Europe/Berlin", "2026-03-28T23:00Z", "2026-03-29T22:00Z"),  # 23 hours
        ("2026-10-25", "Europe/Berlin", "2026-10-24T22:00Z", "2026-10-25T23:00Z"),  # 25 hours
        ("2026-12-31", "UTC", "2026-12-31T00:00Z", "2027-01-01T00:00Z"),
    ],
)
def test_a_period_is_by_the_clock_on_the_wall(name: str, zone: str, start: str, end: str) -> None:
    found = named_period(name, zone)
    assert (found.start_ms, found.end_ms) == (ms(start), ms(end))


@pytest.mark.parametrize("every", ["day", "month", "quarter", "year"])
@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/Chicago"])
def test_the_first_and_the_last_instant_there_are_have_a_period(every: Every, zone: str) -> None:
    """Production systems tell them of a time they do not know."""
    for text in ("0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"):
        t_ms = parse_instant(text)
        assert instant(t_ms) == text
        found = period_at(t_ms, every, zone)
        assert named_period(found.name, zone) == found


@pytest.mark.parametrize(
    "name", ["", "2026-13", "2026-Q5", "26-11", "2026-02-30", "2026-11-1", "2026-11 ", "0000", "x"]
)
def test_what_is_no_period_is_refused_with_how_one_is_written(name: str) -> None:
    with pytest.raises(BadData, match="written 2026-11, 2026-Q4, 2026 or 2026-11-23"):
        named_period(name, "UTC")


@given(
    st.integers(ms("1971-01-01T00:00Z"), ms("2100-01-01T00:00Z")),
    st.sampled_from(["day", "month", "quarter", "year"]),
    st.sampled_from(["UTC", "Asia/Shanghai", "Europe/Berlin", "America/St_Johns"]),
)
def test_every_time_is_in_one_period_and_the_next_begins_where_it_ends(
    t_ms: int, every: Every, zone: str
) -> None:
    found = period_at(t_ms, every, zone)
    assert found.holds(t_ms)
    assert named_period(found.name, zone) == found
    after = period_at(found.end_ms, every, zone)
    assert after.start_ms == found.end_ms
    assert after.name != found.name


@given(
    st.dictionaries(
        st.text("abc", min_size=1), st.fractions(0, 1000, max_denominator=997), min_size=1
    ),
    st.integers(0, 12),
)
def test_parts_add_up_to_the_whole_and_none_is_far_off(
    parts: dict[str, Fraction], decimals: int
) -> None:
    unit = Fraction(1, 10**decimals)
    whole = round(sum(parts.values()) / unit) * unit
    found = {name: Fraction(text) for name, text in closed(parts, str(whole), decimals).items()}
    assert sum(found.values()) == whole
    for name, part in parts.items():
        assert abs(found[name] - part) <= unit * (len(parts) + 1) / 2


@pytest.mark.parametrize(("number", "root"), [("2", "1.41421"), ("0", "0"), ("0.0009", "0.03")])
def test_a_root_has_its_digits(number: str, root: str) -> None:
    assert square_root(Fraction(number), 6) == root
