"""Decimal strings and instants, exactly."""

from fractions import Fraction

import pytest

from calc_stream.core.decimals import (
    fixed,
    instant,
    parse_fraction,
    parse_instant,
    shortest,
    significant,
)


@pytest.mark.parametrize(
    ("text", "t_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T08:00:00.5+08:00", 500),
        ("1969-12-31T23:59:59.999Z", -1),
        ("2026-11-21T08:00:00.123000Z", 1795248000123),
        ("2026-11-21T02:30:00.123-05:30", 1795248000123),
    ],
)
def test_instants_are_read_in_any_zone(text: str, t_ms: int) -> None:
    assert parse_instant(text) == t_ms
    assert parse_instant(instant(t_ms)) == t_ms


@pytest.mark.parametrize(
    "text",
    [
        *("2026-11-21T08:00:00", "2026-11-21", "2026-11-21T08:00:00.0001Z", "2026-13-01T00:00:00Z"),
        *("2026-11-21T24:00:00Z", "2026-11-21T08:00:60Z", "2026-11-21T08:00:00+24:00", "now", ""),
        "२०२६-11-21T08:00:00Z",
    ],
)
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="instant|zone|finer"):
        parse_instant(text)


@pytest.mark.parametrize(
    "text", ["", "x", "1,5", "1_000", "NaN", "inf", "0x1", "1e9999", "٣", " 1"]
)
def test_what_is_no_decimal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="decimal string"):
        parse_fraction(text)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Fraction(64, 95), "0.673684210526"),
        (Fraction(10, 3), "3.33333333333"),
        (Fraction(0), "0"),
        (Fraction(100), "100"),
        (Fraction(999_999_999_999_5, 10), "1000000000000"),
        (Fraction(10**15 + 1), "1000000000000000"),
        (Fraction(1, 3 * 10**7), "0.0000000333333333333"),
        (Fraction(-1, 8), "-0.125"),
        (Fraction(100_000_000_000_5, 10), "100000000000"),  # half to even
        (Fraction(100_000_000_001_5, 10), "100000000002"),
    ],
)
def test_significant_digits(number: Fraction, text: str) -> None:
    assert significant(number) == text


def test_shortest_and_fixed_forms() -> None:
    assert [shortest(Fraction(n)) for n in ("95", "0.50", "0", "-1.25")] == [
        "95",
        "0.5",
        "0",
        "-1.25",
    ]
    assert fixed(-1, 1_000_000, 6) == "-0.000001"
    assert fixed(80_000_000, 1_000_000, 6) == "80.000000"
    assert fixed(5, 8, 3) == "0.625"
    assert fixed(7, 1, 0) == "7"
