"""Digits in bytes. Published bytes of whole answers are in the tests of the protocols."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.protocols import bcd


@pytest.mark.parametrize(
    ("picture", "data", "value"),
    [
        ("XXXXXX.XX", "42 06 12 00", (120642, -2)),
        ("-XX.XXXX", "45 23 81", (-12345, -4)),  # the top bit of the last byte is the sign
        ("-XX.XXXX", "45 23 01", (12345, -4)),
        ("XX.XXXX", "45 23 81", (812345, -4)),
        ("-X.XXX", "00 90", (-1000, -3)),
        ("XXXX", "23 02", (223, 0)),
        ("XXX.X", "FF FF", None),
        ("-XX.XXXX", "FF FF FF", None),
    ],
)
def test_numbers(picture: str, data: str, value: bcd.Value | None) -> None:
    assert bcd.fits(picture, bytes.fromhex(data))
    assert bcd.read_number(picture, bytes.fromhex(data)) == value
    if value is not None:
        assert bcd.write_number(picture, value[0]) == bytes.fromhex(data)


@pytest.mark.parametrize(
    ("layout", "data"),
    [
        ("XXXXXX.XX", "4A 06 12 00"),
        ("XXXXXX.XX", "42 06 12"),
        ("XXXXXX.XX", "42 06 12 00 00"),
        ("XXXXXX.XX", "42 06 12 FF"),
        ("-XX.XXXX", "45 23 FA"),
        ("XXX.X XXX.X", "01 22 FF 22"),
        ("XXX.X ...", "01 22 01"),
        ("XXX.X ...", ""),
        ("YYMMDDhhmm", "15 10 20 13 26"),
        ("YYMMDDhhmm", "15 24 20 11 26"),
        ("YYMMDDWW", "08 11 01 16"),
        ("hhmmss", "60 00 00"),
        ("NNNNNN", "12 34 5F"),
    ],
)
def test_what_does_not_fit(layout: str, data: str) -> None:
    assert not bcd.fits(layout, bytes.fromhex(data))


@pytest.mark.parametrize(
    ("layout", "data"),
    [
        ("YYMMDDhhmm", "00 00 00 00 00"),  # never happened
        ("YYMMDDhhmm", "FF FF FF FF FF"),
        ("XXX.X ...", "01 22 FF FF 02 22"),
        ("XXX.X BB XXX.X", "01 22 AB CD 02 22"),
    ],
)
def test_what_fits(layout: str, data: str) -> None:
    assert bcd.fits(layout, bytes.fromhex(data))


def test_no_day_of_a_calendar_is_never() -> None:
    assert bcd.read_moment("YYMMDDhhmm", "0000000000") is None
    assert bcd.read_moment("YYMMDDhhmm", "2602300000") is None


def test_a_year_may_have_four_digits() -> None:
    moment = datetime(2017, 8, 19, 16, 54, 59, tzinfo=UTC)
    assert bcd.write_moment("YYYYMMDDhhmmss", moment) == bytes.fromhex("59 54 16 19 08 17 20")
    assert bcd.read_moment("YYYYMMDDhhmmss", "20170819165459") == moment


@pytest.mark.parametrize("picture", ["", "XXX", "X.X.X", "X-X", "-", "B.B", "YYMMD", "XXNN", "QQ"])
def test_what_is_no_picture_is_refused(picture: str) -> None:
    with pytest.raises(ValueError, match="is no picture of digits"):
        bcd.size(picture)


@pytest.mark.parametrize(
    ("picture", "mantissa"), [("XXX.X", 10000), ("XXX.X", -1), ("-XX.XXXX", 800000)]
)
def test_a_number_too_large_for_its_picture_is_refused(picture: str, mantissa: int) -> None:
    with pytest.raises(ValueError, match="does not go into"):
        bcd.write_number(picture, mantissa)


@given(
    st.sampled_from(["XXXXXX.XX", "-XX.XXXX", "XXX.X", "-XXX.XXX", "-X.XXX", "XXXX"]),
    st.integers(0, 10**8),
    st.booleans(),
)
def test_every_number_comes_back(picture: str, number: int, negative: bool) -> None:
    signed = picture.startswith("-")
    digits = 2 * bcd.size(picture)
    mantissa = number % ((8 if signed else 10) * 10 ** (digits - 1))
    mantissa = -mantissa if signed and negative else mantissa
    data = bcd.write_number(picture, mantissa)
    assert bcd.fits(picture, data)
    assert bcd.read_number(picture, data) == (mantissa, -len(picture.partition(".")[2]))


@given(
    st.sampled_from(["YYMMDDhhmm", "YYMMDDWWhhmmss", "YYYYMMDDhhmmss"]),
    st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)),  # noqa: DTZ001 the strategy wants it so
)
def test_every_moment_comes_back(picture: str, moment: datetime) -> None:
    kept = moment.replace(microsecond=0, second=moment.second if "ss" in picture else 0, tzinfo=UTC)
    data = bcd.write_moment(picture, kept)
    assert bcd.fits(picture, data)
    assert bcd.read_moment(picture, bcd.text(data)) == kept
