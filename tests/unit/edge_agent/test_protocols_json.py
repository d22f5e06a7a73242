"""Documents as meters publish them: exact, and refused with the place that is wrong."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.protocols import json_document as json
from wire.errors import BadData


def test_pointers_as_the_rfc_lists_them() -> None:
    # RFC 6901, section 5.
    document = json.parse(
        b'{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\\\j":5,"k\\"l":6," ":7,"m~n":8,"~1":9}'
    )
    places = {"/foo/0": "bar", "/": 0, "/a~1b": 1, "/c%d": 2, "/e^f": 3, "/g|h": 4, "/ ": 7}
    places |= {"/i\\j": 5, '/k"l': 6, "/m~0n": 8, "/~01": 9}
    assert {place: json.at(document, place) for place in places} == places


@pytest.mark.parametrize("pointer", ["/no", "/foo/2", "/foo/-1", "/foo/x", "/foo/²", "/foo/0/x"])
def test_a_place_that_is_not_there_is_named(pointer: str) -> None:
    with pytest.raises(json.Missing, match=f"nothing at {pointer}"):
        json.at({"foo": ["bar", "baz"]}, pointer)


def test_numbers_stay_the_decimals_they_are() -> None:
    document = json.parse(b'{"a": 0.1, "b": 0.2, "c": "123456789.000000001", "d": null, "e": 7}')
    assert json.number(document, ["/a", "/b"]) == Decimal("0.3")
    assert json.number(document, ["/c"]) == Decimal("123456789.000000001")
    assert json.number(document, ["/a", "/d"]) is None
    assert json.number(document, ["/e"]) == 7


@pytest.mark.parametrize(
    "written", ["true", '"on"', "[1]", "{}", "1e999", '"NaN"', '"Infinity"', '"1e50"', "1" * 41]
)
def test_what_is_no_number_a_meter_would_write_is_bad_data(written: str) -> None:
    with pytest.raises(BadData):
        json.number(json.parse(f'{{"a": {written}}}'.encode()), ["/a"])


def test_times_need_their_offset() -> None:
    document = json.parse(b'{"u": 1707930973, "m": 1707930973123, "i": "2024-02-15T01:16:13+08:00", "l": "2024-02-15T01:16:13", "n": 1707930973.5}')  # fmt: skip
    assert json.time_ms(document, "/u", "unix_s") == 1_707_930_973_000
    assert json.time_ms(document, "/m", "unix_ms") == 1_707_930_973_123
    assert json.time_ms(document, "/n", "unix_s") == 1_707_930_973_500
    assert json.time_ms(document, "/i", "iso8601") == 1_707_930_973_000
    for place in ("/l", "/u"):
        with pytest.raises(BadData, match=place):
            json.time_ms(document, place, "iso8601")


@pytest.mark.parametrize("written", ["0", "-1e30", "1e30", "1e13", '"9999-12-31T00:00:00Z"'])
def test_a_time_of_another_age_is_bad_data(written: str) -> None:
    document = json.parse(f'{{"t": {written}}}'.encode())
    with pytest.raises(BadData, match="no time of this age"):
        json.time_ms(document, "/t", "iso8601" if "-12-" in written else "unix_s")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"\xff\xfe",
        b"1e99999999999999999999",
        b"{} x",
        b" " * json.MAX_BYTES + b"1",
    ],
)
def test_what_is_no_document_is_bad_data(data: bytes) -> None:
    with pytest.raises(BadData):
        json.parse(data)


@given(st.binary(max_size=64))
def test_nothing_but_bad_data_comes_of_noise(data: bytes) -> None:
    try:
        json.number(json.parse(data), ["/a/0"])
    except BadData:
        return
    except Exception as exc:
        pytest.fail(f"{data!r}: {exc!r}")
