"""Frames others published: every one below was found with its check sum right, except the bad one.

Where they stand:
redisant   «CJ/T188-2004 examples» (cnblogs.com/cj94/p/18534598)
sc         an SC water meter explained (cnblogs.com/yangykaifa/p/7010777, hftangyu.com/563); the
           answer's check sum is wrong there and right in a Fox Edge decoder
jy         a JY heat meter explained (cnblogs.com/llguanli/p/8683992)
usr        a data collector's sample script (JavaScript, cj188reader)
utest      unit tests of a C# reader (FrameCJT188_2004)
single     frames quoted once in source code, without more
"""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.exact import as_decimal, as_fraction
from edge_agent.protocols.cjt188 import (
    ANY_KIND,
    ANYONE,
    COLD_WATER,
    HEAT,
    HEAT_LAYOUT,
    WATER_LAYOUT,
    Answer,
    Request,
    answer_frame,
    answer_length,
    find_answer,
    find_request,
    read_address,
    read_numbers,
    request_frame,
)

# Some makers' heat meters write the unit before the digits (jy, single).
UNIT_FIRST = (
    "UXXXXXX.XX UXXXXXX.XX UXXXXXX.XX UXXXX.XXXX UXXXXXX.XX XXXX.XX XXXX.XX XXXXXX BBBBBBB BB"
)
NOISE = st.binary(max_size=24)


def ask(kind: int, address: str, serial: int, di_reversed: bool = False) -> Request:
    return Request(kind, address, serial=serial, di_reversed=di_reversed)


ASKED = [
    ("redisant", "FE FE FE FE 68 10 18 02 12 20 20 00 00 01 03 90 1F 00 97 16", ask(16, "00002020120218", 0)),
    ("redisant", "FE FE FE FE 68 AA AA AA AA AA AA AA AA 03 03 81 0A 00 49 16", read_address()),
    ("sc", "FE FE FE FE 68 10 44 33 22 11 00 33 78 01 03 1F 90 00 80 16", ask(16, "78330011223344", 0, True)),
    ("jy", "FE FE FE FE 68 20 32 41 31 40 00 00 00 01 03 90 1F 01 20 16", ask(HEAT, "00000040314132", 1)),
    ("utest", "68 10 88 05 27 10 15 20 00 01 03 90 1F 01 25 16", ask(16, "00201510270588", 1)),
    ("single", "68 10 AA AA AA AA AA AA AA 01 03 90 1F 01 D2 16", ask(16, ANYONE, 1)),
    ("single", "68 10 AA AA AA AA AA AA AA 03 03 0A 81 A7 56 16", read_address(COLD_WATER, 0xA7, True)),
    ("usr", "FE FE FE FE FE 68 20 AA AA AA AA AA AA AA 03 03 81 0A 01 C0 16", read_address(HEAT, 1)),
]  # fmt: skip

# where, frame, the request, volume of water (m3, hundredths)
WATER = [
    ("redisant", "FE FE FE FE 68 10 18 02 12 20 20 00 00 81 16 90 1F 00 00 02 00 00 2C 00 02 00 00 2C 00 00 00 00 00 00 00 00 FF 85 16", ask(16, "00002020120218", 0), 200),
    ("sc", "68 10 44 33 22 11 00 33 78 81 16 1F 90 00 00 77 66 55 2C 00 77 66 55 2C 31 01 22 11 05 15 20 21 84 13 16", ask(16, "78330011223344", 0, True), 55667700),
    ("utest", "68 10 88 05 27 10 15 20 00 81 16 90 1F 01 00 00 00 00 2C 00 00 00 00 2C 06 20 17 09 01 17 20 00 00 8E 16", ask(16, "00201510270588", 1), 0),
    ("single", "FE FE 68 10 45 41 10 05 15 33 78 81 16 90 1F AA 00 59 59 00 2C FF FF FF FF 2C FF FF FF FF FF FF FF 00 00 C2 16", ask(16, "78331505104145", 0xAA), 595900),
    ("single", "68 10 01 00 23 09 18 20 00 81 16 90 1F 01 60 00 00 00 2C 60 00 00 00 2C 60 20 20 00 00 00 00 00 00 DC 16", ask(16, "00201809230001", 1), 60),
    ("single", "FE FE 68 10 26 13 06 07 00 33 78 81 16 1F 90 04 00 68 00 00 2C 00 00 00 00 2C 00 00 00 00 00 00 00 00 00 73 16", ask(16, "78330007061326", 4, True), 6800),
    ("single", "68 10 69 00 01 07 17 20 00 81 16 1F 90 02 00 00 00 00 2C 00 00 00 00 2C 59 54 16 19 08 17 20 13 01 EF 16", ask(16, "00201707010069", 2, True), 0),
    ("single", "FE FE FE 68 10 18 00 00 40 40 92 00 81 16 90 1F 00 29 00 00 00 2C 29 00 00 00 2C 00 00 00 00 00 00 00 00 23 B5 16", ask(16, "00924040000018", 0), 29),
]  # fmt: skip

# where, frame, the request, layout; then energy, power, flow, volume, supply, return, hours
HEATS = [
    ("jy", "FE FE FE FE 68 20 32 41 31 40 00 00 00 81 2E 90 1F 01 08 02 00 00 00 08 02 00 00 00 17 00 00 00 00 35 00 00 00 00 2C 34 10 00 00 35 25 00 66 25 00 00 00 00 53 00 12 10 07 15 20 00 00 31 16", ask(HEAT, "00000040314132", 1), UNIT_FIRST, "0.02 MWh, 0 W, 0 m3/h, 10.34 m3, 25.35, 25.66, 0"),
    ("single", "68 20 38 04 21 08 00 59 42 81 2E 90 1F 00 05 19 28 53 00 05 19 28 53 00 17 00 00 00 00 35 00 00 00 00 2C 42 33 18 00 03 19 00 10 19 00 61 27 00 26 57 23 31 03 15 20 03 01 F7 16", ask(HEAT, "42590008210438", 0), UNIT_FIRST, "5328.19 kWh, 0 W, 0 m3/h, 1833.42 m3, 19.03, 19.1, 2761"),
    ("single", "68 20 51 21 31 17 00 11 11 81 2E 1F 90 12 00 00 00 00 05 00 00 00 00 05 00 00 00 00 14 00 00 00 00 35 19 00 00 00 2C 76 30 00 68 30 00 73 02 00 32 41 11 12 09 07 20 04 00 E9 16", ask(HEAT, "11110017312151", 0x12, True), HEAT_LAYOUT, "0 kWh, 0 W, 0 m3/h, 0.19 m3, 30.76, 30.68, 273"),
    ("usr", "68 25 12 19 24 18 27 31 00 81 2E 1F 90 03 11 74 02 00 05 88 27 44 05 05 00 00 00 00 17 00 00 00 00 35 08 56 71 00 2C 79 26 00 64 26 00 66 47 07 11 52 17 03 09 25 20 00 05 2A 16", ask(0x25, "00312718241912", 3, True), HEAT_LAYOUT, "54427.88 kWh, 0 W, 0 m3/h, 7156.08 m3, 26.79, 26.64, 74766"),
]  # fmt: skip

SAMPLE_ASKED = ask(16, "78330011223344", 0, True)
SAMPLE = bytes.fromhex(WATER[1][1])
SAMPLE_SAID = Answer(
    16, "78330011223344", bytes.fromhex("00 77 66 55 2C 00 77 66 55 2C 31 01 22 11 05 15 20 21 84")
)


@pytest.mark.parametrize(("source", "frame", "request_"), ASKED)
def test_published_requests(source: str, frame: str, request_: Request) -> None:
    data = bytes.fromhex(frame)
    assert find_request(data, request_.di_reversed) == (request_, len(data))
    assert request_frame(request_, preamble=data.count(0xFE)) == data


@pytest.mark.parametrize(("source", "frame", "request_", "hundredths"), WATER)
def test_published_answers_of_water_meters(
    source: str, frame: str, request_: Request, hundredths: int
) -> None:
    data = bytes.fromhex(frame)
    answer, used = find_answer(data, request_, WATER_LAYOUT)
    assert answer is not None
    assert used == len(data)
    assert read_numbers(WATER_LAYOUT, answer.data)[0] == ((hundredths, -2), "m3")
    assert answer_frame(request_, answer, preamble=data.count(0xFE)) == data
    assert len(data) - data.count(0xFE) == answer_length(WATER_LAYOUT)


@pytest.mark.parametrize(("source", "frame", "request_", "layout", "said"), HEATS)
def test_published_answers_of_heat_meters(
    source: str, frame: str, request_: Request, layout: str, said: str
) -> None:
    data = bytes.fromhex(frame)
    answer, used = find_answer(data, request_, layout)
    assert answer is not None
    assert used == len(data)
    found = [number for number in read_numbers(layout, answer.data)[1:] if number is not None]
    shown = [f"{as_decimal(as_fraction(value))} {unit}".strip() for value, unit in found]
    assert ", ".join(shown) == said
    assert answer_frame(request_, answer, preamble=data.count(0xFE)) == data
    other = HEAT_LAYOUT if layout == UNIT_FIRST else UNIT_FIRST
    assert find_answer(data, request_, other)[0] is None, "units cannot be where they are not"


@pytest.mark.parametrize(
    ("frame", "asked", "address"),
    [
        ("FE FE FE FE 68 10 18 02 12 20 20 00 00 83 03 81 0A 00 F5 16", read_address(), "00002020120218"),  # redisant
        ("FE FE 68 10 89 67 45 23 01 33 78 83 03 0A 81 A7 34 16", read_address(16, 0xA7, True), "78330123456789"),  # single
        ("FF 68 10 00 29 15 24 03 26 20 83 03 0A 81 02 36 16", read_address(16, 2, True), "20260324152900"),  # single
    ],
)  # fmt: skip
def test_the_meter_says_its_address(frame: str, asked: Request, address: str) -> None:
    answer, _ = find_answer(bytes.fromhex(frame), asked, "")
    assert answer == Answer(COLD_WATER, address)


def test_the_answer_published_with_a_wrong_check_sum_is_none() -> None:
    wrong = bytes.fromhex(WATER[1][1].replace("84 13 16", "84 08 16"))
    assert find_answer(wrong, SAMPLE_ASKED, WATER_LAYOUT)[0] is None
    # utest: the request with 24 for 25
    assert find_request(bytes.fromhex("68 10 88 05 27 10 15 20 00 01 03 90 1F 01 24 16"))[0] is None


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"address": "78330011223345"}, id="another meter"),
        pytest.param({"kind": 0x11}, id="another kind"),
        pytest.param({"serial": 1}, id="another number"),
        pytest.param({"di": "D120"}, id="another identifier"),
        pytest.param({"di_reversed": False}, id="the identifier the other way round"),
        pytest.param({"control": 0x03}, id="another control code"),
    ],
)
def test_an_answer_to_something_else_is_none(wrong: dict[str, Any]) -> None:
    assert find_answer(SAMPLE, SAMPLE_ASKED, WATER_LAYOUT)[0] == SAMPLE_SAID
    assert find_answer(SAMPLE, replace(SAMPLE_ASKED, **wrong), WATER_LAYOUT)[0] is None


def test_the_unit_says_how_much_one_count_is() -> None:
    """32 is l/h, 17 kW in the table of CJ/T 188; here in m3/h and W."""
    data = bytes.fromhex("50 23 01 00 32 50 23 01 00 17")
    assert read_numbers("XXXX.XXXXU XXXXXX.XXU", data) == [
        ((12_350, -7), "m3/h"),
        ((12_350, 1), "W"),
    ]


def test_an_address_is_answered_with_nothing_more() -> None:
    asked = read_address()
    frame = answer_frame(asked, Answer(COLD_WATER, "00002020120218", b"\x00"))
    assert find_answer(frame, asked, "")[0] is None


def test_an_unknown_unit_is_no_answer() -> None:
    data = SAMPLE_SAID.data[:4] + b"\x2d" + SAMPLE_SAID.data[5:]
    frame = answer_frame(SAMPLE_ASKED, replace(SAMPLE_SAID, data=data))
    assert find_answer(frame, SAMPLE_ASKED, WATER_LAYOUT)[0] is None


def test_a_refusal_is_an_answer() -> None:
    refused = Answer(16, "78330011223344", refusal=b"\x01\x00")
    frame = answer_frame(SAMPLE_ASKED, refused, preamble=0)
    assert frame[9:12] == b"\xc1\x03\x00"
    assert find_answer(frame, SAMPLE_ASKED, WATER_LAYOUT)[0] == refused
    assert find_answer(frame, replace(SAMPLE_ASKED, serial=9), WATER_LAYOUT)[0] is None


@given(NOISE, NOISE)
def test_noise_around_an_answer_does_not_hide_it(before: bytes, after: bytes) -> None:
    found, used = find_answer(before + SAMPLE + after, SAMPLE_ASKED, WATER_LAYOUT)
    assert (found, used) == (SAMPLE_SAID, len(before) + len(SAMPLE))


@given(st.integers(0, len(SAMPLE) - 1), NOISE)
def test_bytes_that_may_begin_an_answer_are_never_forgotten(cut: int, before: bytes) -> None:
    part = before + SAMPLE[:cut]
    found, used = find_answer(part, SAMPLE_ASKED, WATER_LAYOUT)
    assert found is None
    assert find_answer(part[used:] + SAMPLE[cut:], SAMPLE_ASKED, WATER_LAYOUT)[0] == SAMPLE_SAID


@given(st.integers(0, len(SAMPLE) - 1), st.integers(1, 255))
def test_no_single_wrong_byte_gets_through(at: int, change: int) -> None:
    wrong = SAMPLE[:at] + bytes((SAMPLE[at] ^ change,)) + SAMPLE[at + 1 :]
    assert find_answer(wrong, SAMPLE_ASKED, WATER_LAYOUT)[0] is None


@given(
    st.sampled_from([COLD_WATER, HEAT, 0x30]),
    st.integers(0, 10**14 - 1),
    st.integers(0, 255),
    st.booleans(),
    st.binary(max_size=97),
)
def test_both_ends_understand_each_other(
    kind: int, number: int, serial: int, di_reversed: bool, data: bytes
) -> None:
    request = Request(kind, f"{number:014}", "D120", serial, di_reversed=di_reversed)
    assert find_request(request_frame(request), di_reversed)[0] == request
    said = Answer(kind, request.address, data)
    frame = answer_frame(request, said)
    layout = "B" * len(data)
    assert find_answer(frame, request, layout) == (said, len(frame))
    anyone = Request(ANY_KIND, ANYONE, "D120", serial, di_reversed=di_reversed)
    assert find_answer(frame, anyone, layout)[0] == said
