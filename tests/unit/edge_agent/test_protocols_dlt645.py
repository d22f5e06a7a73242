"""Frames others published: every one below was found with its check sum right, except the bad one.

Where they stand:
maker      Heyuan ASDU-LS manual, 9.3 (manualshive.com 2128413, p. 18)
legend     «DLT645-2007 common frames» (hwhale.com/article/138066; also in other collections)
relay      a relay meter's log (CSDN, EXEC_CHRONICLE_KEY, 118301341)
phase1     a single-phase meter's answers with their values in comments (Java, WhmBean)
csharp     unit tests of a C# reader (Dlt645.Core.Tests)
c1997      a terminal's log, meter 010003635927 (JavaScript, rawDataToProtocol)
socket     a smart socket's serial log, 1997 edition (C, smart_socket_serial_cmd_parse)
single     frames quoted once in source code or on a page, without more
"""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.protocols import bcd
from edge_agent.protocols.dlt645 import (
    ANYONE,
    FOLLOW,
    READ_ADDRESS,
    Answer,
    Request,
    answer_frame,
    answer_length,
    error_words,
    find_answer,
    find_request,
    follow,
    freeze,
    matches,
    read,
    request_frame,
    set_time,
)

ENERGY, VOLTAGE, CURRENT, POWER, RATIO = "XXXXXX.XX", "XXX.X", "-XXX.XXX", "-XX.XXXX", "-X.XXX"
NOISE = st.binary(max_size=24)
LEGEND, SINGLE_PHASE, RELAY = "000000000161", "201000000012", "558890213594"

ASKED = [
    (
        "legend",
        "FE FE FE FE 68 61 01 00 00 00 00 68 11 04 33 33 34 33 14 16",
        read(LEGEND, "00010000"),
    ),
    ("legend", "68 61 01 00 00 00 00 68 11 04 33 34 34 35 17 16", read(LEGEND, "02010100")),
    ("single", "68 25 04 03 02 01 00 68 11 04 33 33 34 33 E1 16", read("000102030425", "00010000")),
    ("csharp", "68 12 90 78 56 34 12 68 11 04 33 33 34 33 68 16", read("123456789012", "00010000")),
    (
        "csharp",
        "FE FE FE FE 68 AA AA AA AA AA AA 68 11 04 33 33 34 33 AE 16",
        read(ANYONE, "00010000"),
    ),
    ("csharp", "68 AA AA AA AA AA AA 68 13 00 DF 16", Request(ANYONE, READ_ADDRESS)),
    (
        "csharp",
        "68 12 90 78 56 34 12 68 12 05 34 33 63 36 34 D1 16",
        follow(read("123456789012", "03300001"), 1),
    ),
    (
        "single",
        "68 99 99 99 99 99 99 68 08 06 84 55 43 38 39 4A 4B 16",
        set_time(datetime(2017, 6, 5, 10, 22, 51, tzinfo=UTC)),
    ),
    ("single", "68 07 07 00 00 34 12 68 11 04 34 34 39 38 12 16", read("123400000707", "05060101")),
    ("maker", "68 03 00 00 00 00 00 68 01 02 44 E9 03 16", read("000000000003", "B611")),
    ("single", "68 54 07 13 00 80 13 68 01 02 43 C3 DA 16", read("138000130754", "9010")),
    ("c1997", "68 27 59 63 03 00 01 68 01 02 45 E9 E8 16", read("010003635927", "B612")),
]

# where, frame, address, identifier, layout, the values in it
SAID = [
    ("legend", "68 61 01 00 00 00 00 68 91 08 33 33 34 33 59 33 33 33 8A 16", LEGEND, "00010000", ENERGY, [(26, -2)]),
    ("legend", "68 61 01 00 00 00 00 68 91 08 33 33 35 33 59 34 33 33 8C 16", LEGEND, "00020000", ENERGY, [(126, -2)]),
    ("legend", "68 61 01 00 00 00 00 68 91 08 33 33 36 33 59 33 34 33 8D 16", LEGEND, "00030000", "-XXXXXX.XX", [(10026, -2)]),
    ("legend", "68 61 01 00 00 00 00 68 91 06 33 34 34 35 34 43 10 16", LEGEND, "02010100", VOLTAGE, [(1001, -1)]),
    ("single", "68 61 01 00 00 00 00 68 91 07 33 33 36 35 45 58 33 6B 16", LEGEND, "02030000", POWER, [(2512, -4)]),
    ("single", "FE FE 68 61 01 00 00 00 00 68 91 06 33 33 39 35 34 38 09 16", LEGEND, "02060000", RATIO, [(501, -3)]),
    ("single", "68 59 50 82 12 34 00 68 91 06 33 33 39 35 33 C3 A2 16", "003412825059", "02060000", RATIO, [(-1000, -3)]),
    ("single", "68 25 04 03 02 01 00 68 91 08 33 33 34 33 75 39 45 33 8B 16", "000102030425", "00010000", ENERGY, [(120642, -2)]),
    ("single", "68 37 03 00 92 81 39 68 91 08 33 33 34 33 37 33 33 33 8C 16", "398192000337", "00010000", ENERGY, [(4, -2)]),
    ("single", "68 01 00 00 00 00 00 68 91 06 33 34 34 35 CB 55 58 16", "000000000001", "02010100", VOLTAGE, [(2298, -1)]),
    ("csharp", "68 12 90 78 56 34 12 68 91 08 33 33 34 33 89 67 45 33 54 16", "123456789012", "00010000", ENERGY, [(123456, -2)]),
    ("relay", "FE FE FE FE 68 94 35 21 90 88 55 68 91 06 33 34 34 35 7B 55 5E 16", RELAY, "02010100", VOLTAGE, [(2248, -1)]),
    ("relay", "FE FE FE FE 68 94 35 21 90 88 55 68 91 07 33 34 35 35 6B 35 33 63 16", RELAY, "02020100", CURRENT, [(238, -3)]),
    ("phase1", "68 12 00 00 00 10 20 68 91 18 33 32 34 33 5C 34 33 33 95 33 33 33 93 33 33 33 36 33 33 33 35 33 33 33 74 16", SINGLE_PHASE, "0001FF00", ENERGY + " ...", [(129, -2), (62, -2), (60, -2), (3, -2), (2, -2)]),
    ("phase1", "68 12 00 00 00 10 20 68 91 0A 33 32 34 35 89 55 32 32 32 32 21 16", SINGLE_PHASE, "0201FF00", f"{VOLTAGE} {VOLTAGE} {VOLTAGE}", [(2256, -1), None, None]),
    ("single", "FE FE FE FE 68 94 41 03 26 12 18 68 91 0D 33 32 35 35 BB 34 33 33 33 33 33 33 33 B9 16", "181226034194", "0202FF00", f"{CURRENT} {CURRENT} {CURRENT}", [(188, -3), (0, -3), (0, -3)]),
    ("single", "68 32 00 00 00 00 00 68 91 10 33 32 36 35 33 33 33 33 33 33 32 32 32 32 32 32 D1 16", "000000000032", "0203FF00", " ".join([POWER] * 4), [(0, -4), (0, -4), None, None]),
    ("single", "FE FE FE FE 68 24 02 00 00 00 00 68 91 18 33 32 34 33 C7 47 35 33 37 86 33 33 A7 86 33 33 36 87 33 33 44 87 33 33 EB 16", "000000000224", "0001FF00", ENERGY + " ...", [(21494, -2), (5304, -2), (5374, -2), (5403, -2), (5411, -2)]),
    ("maker", "68 03 00 00 00 00 00 68 81 04 44 E9 33 34 EC 16", "000000000003", "B611", "XXXX", [(100, 0)]),
    ("c1997", "FE FE FE FE 68 27 59 63 03 00 01 68 81 04 44 E9 56 35 F4 16", "010003635927", "B611", "XXXX", [(223, 0)]),
    ("c1997", "FE FE FE FE 68 27 59 63 03 00 01 68 81 06 43 C3 AC 59 47 33 C3 16", "010003635927", "9010", ENERGY, [(142679, -2)]),
    ("socket", "68 20 11 12 21 06 36 68 81 05 63 E9 33 33 33 DB 16", "360621121120", "B630", "XX.XXXX", [(0, -4)]),
    ("single", "68 54 07 13 00 80 13 68 81 06 43 C3 34 33 33 33 2B 16", "138000130754", "9010", ENERGY, [(1, -2)]),
    ("single", "68 43 97 35 14 00 00 68 81 06 43 C3 7B 96 57 33 1B 16", "000014359743", "9010", ENERGY, [(246348, -2)]),
]  # fmt: skip

MOMENTS = [
    ("phase1", "68 12 00 00 00 10 20 68 91 08 34 34 33 37 34 44 34 49 72 16", "04000101", "YYMMDDWW", datetime(2016, 1, 11, tzinfo=UTC)),
    ("phase1", "68 12 00 00 00 10 20 68 91 09 34 33 39 38 33 33 3C 43 48 B1 16", "05060001", "YYMMDDhhmm", datetime(2015, 10, 9, tzinfo=UTC)),
]  # fmt: skip

BLOCK = "68 12 00 00 00 10 20 68 91 0A 33 32 34 35 89 55 32 32 32 32 21 16"
SAMPLE = bytes.fromhex("68 25 04 03 02 01 00 68 91 08 33 33 34 33 75 39 45 33 8B 16")
SAMPLE_ASKED = read("000102030425", "00010000")
SAMPLE_SAID = Answer("000102030425", bytes.fromhex("42 06 12 00"))


def numbers(layout: str, data: bytes) -> list[bcd.Value | None]:
    parts = bcd.split(layout, data)
    assert parts is not None
    return [bcd.read_number(picture, part) for picture, part in parts]


@pytest.mark.parametrize(("source", "frame", "request_"), ASKED)
def test_published_requests(source: str, frame: str, request_: Request) -> None:
    data = bytes.fromhex(frame)
    assert find_request(data) == (request_, len(data))
    assert request_frame(request_, preamble=data.count(0xFE)) == data


@pytest.mark.parametrize(("source", "frame", "address", "di", "layout", "values"), SAID)
def test_published_answers(
    source: str, frame: str, address: str, di: str, layout: str, values: list[bcd.Value | None]
) -> None:
    data, asked = bytes.fromhex(frame), read(address, di)
    answer, used = find_answer(data, asked, layout)
    assert answer is not None
    assert used == len(data)
    assert numbers(layout, answer.data) == values
    assert answer_frame(asked, answer, preamble=data.count(0xFE)) == data


@pytest.mark.parametrize(("source", "frame", "di", "picture", "moment"), MOMENTS)
def test_published_moments(
    source: str, frame: str, di: str, picture: str, moment: datetime
) -> None:
    answer, _ = find_answer(bytes.fromhex(frame), read(SINGLE_PHASE, di), picture)
    assert answer is not None
    assert bcd.read_moment(picture, bcd.text(answer.data)) == moment
    assert bcd.write_moment(picture, moment) == answer.data


@pytest.mark.parametrize(
    ("frame", "address"),
    [
        ("68 01 00 00 00 00 00 68 93 06 34 33 33 33 33 33 9D 16", "000000000001"),  # go645's test
        ("FE FE FE FE 68 94 35 21 90 88 55 68 93 06 C7 68 54 C3 BB 88 49 16", RELAY),
        ("FE 68 12 90 78 56 34 12 68 93 06 45 C3 AB 89 67 45 07 16", "123456789012"),  # csharp
    ],
)
def test_the_meter_says_its_address(frame: str, address: str) -> None:
    data, asked = bytes.fromhex(frame), Request(ANYONE, READ_ADDRESS)
    found, used = find_answer(data, asked, "")
    assert found is not None
    assert (found.address, used) == (address, len(data))
    assert len(data.lstrip(b"\xfe")) == answer_length(asked, "")


@pytest.mark.parametrize(
    ("frame", "address"),
    [
        ("68 12 90 78 56 34 12 68 D1 01 35 8D 16", "123456789012"),  # csharp
        ("68 51 00 60 99 07 98 68 D1 01 35 C0 16", "980799600051"),  # single
        ("68 12 00 00 00 10 20 68 D1 01 35 19 16", SINGLE_PHASE),  # phase1: «no such data»
    ],
)
def test_a_refusal_is_an_answer(frame: str, address: str) -> None:
    asked = read(address, "00010000")
    answer, _ = find_answer(bytes.fromhex(frame), asked, ENERGY)
    assert answer == Answer(address, error=2)
    assert error_words(asked, 2) == "no such data"
    assert answer_frame(asked, answer, preamble=0) == bytes.fromhex(frame)


def test_a_refusal_with_more_to_come_or_of_no_known_error_is_none() -> None:
    asked = read("123456789012", "00010000")
    for control, error in ("F1", "35"), ("D1", "B3"), ("D1", "33"):
        body = bytes.fromhex(f"68 12 90 78 56 34 12 68 {control} 01 {error}")
        frame = body + bytes((sum(body) & 0xFF, 0x16))
        assert find_answer(frame, asked, ENERGY)[0] is None


def test_an_answer_without_data_never_goes_on() -> None:
    asked = read("123456789012", "00010000")
    frame = answer_frame(asked, Answer("123456789012", b"", more=True), preamble=0)
    assert find_answer(frame, asked, ENERGY)[0] is None


def test_a_meter_must_say_the_address_it_answers_with() -> None:
    asked = Request(ANYONE, READ_ADDRESS)
    body = bytes.fromhex("68 12 90 78 56 34 12 68 93 06 46 C3 AB 89 67 45")
    frame = body + bytes((sum(body) & 0xFF, 0x16))
    assert find_answer(frame, asked, "")[0] is None


def test_a_meter_that_answers_anyone_as_anyone_is_not_believed() -> None:
    """Some meters of 1997 echo the wildcard (single): then nobody knows who spoke."""
    frame = bytes.fromhex("68 AA AA AA AA AA AA 68 81 06 43 C3 94 A5 35 33 FA 16")
    assert find_answer(frame, read(ANYONE, "9010"), ENERGY)[0] is None


def test_the_frame_published_with_a_wrong_check_sum_is_none() -> None:
    # a Python source, surely a slip of the hand: 80 would be right
    assert find_request(bytes.fromhex("68 16 00 00 00 15 20 68 11 04 35 33 B3 35 85 16"))[0] is None
    # csharp: the same answer with check sum 55, with end byte 17; with 69 for the second 68
    for wrong in (
        "68 12 90 78 56 34 12 68 91 08 33 33 34 33 89 67 45 33 55 16",
        "68 12 90 78 56 34 12 68 91 08 33 33 34 33 89 67 45 33 54 17",
        "68 12 90 78 56 34 12 69 91 08 33 33 34 33 89 67 45 33 55 16",
    ):
        asked = read("123456789012", "00010000")
        assert find_answer(bytes.fromhex(wrong), asked, ENERGY)[0] is None


def test_noise_that_looks_like_a_header_does_not_hide_the_frame_behind_it() -> None:
    # from a C firmware's own test
    frame = "68 FE FE FE FE FE FE 68 88 88 88 88 88 88 68 11 04 33 33 34 33 E2 16"
    assert find_request(bytes.fromhex(frame)) == (read("888888888888", "00010000"), 23)


def test_one_sound_answer_among_those_of_others_is_found() -> None:
    # socket: a foreign answer, a refusal of another command, the answer
    line = bytes.fromhex(
        "56 7B 16 68 20 11 06 02 41 56 68 81 06 43 C3 33 33 33 33 F9 16"
        "68 20 11 12 21 06 36 68 C5 03 E9 01 63 85 16"
        "68 20 11 06 00 41 56 68 81 06 43 C3 3C 33 33 33 00 16"
    )
    answer, used = find_answer(line, read("564100061120", "9010"), ENERGY)
    assert answer == Answer("564100061120", bytes.fromhex("09 00 00 00"))
    assert used == len(line)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(read("000102030426", "00010000"), id="another meter"),
        pytest.param(read("000102030425", "00020000"), id="another identifier"),
        pytest.param(follow(SAMPLE_ASKED, 1), id="another control code"),
        pytest.param(read("000102030425", "0000"), id="another edition"),
    ],
)
def test_an_answer_to_something_else_is_none(wrong: Request) -> None:
    assert find_answer(SAMPLE, wrong, ENERGY)[0] is None


@pytest.mark.parametrize("layout", ["XXX.X", "XXXXXX.XX XXXXXX.XX", "YYMMDDWW", "XXXXXXXXXX"])
def test_data_of_another_shape_is_no_answer(layout: str) -> None:
    assert find_answer(SAMPLE, SAMPLE_ASKED, layout)[0] is None


def test_the_rest_of_a_long_answer_comes_in_following_frames() -> None:
    asked = read("000102030425", "0001FF00")
    first = answer_frame(asked, Answer("000102030425", b"\x01\x00\x00\x00\x02", more=True))
    assert first[12] == 0xB1
    answer, _ = find_answer(first, asked, ENERGY + " ...")
    assert answer == Answer("000102030425", b"\x01\x00\x00\x00\x02", more=True)
    second = answer_frame(follow(asked, 1), Answer("000102030425", b"\x00\x00\x00"))
    assert find_answer(second, follow(asked, 1), ENERGY)[0] == Answer("000102030425", b"\0\0\0")
    assert find_answer(second, follow(asked, 2), ENERGY)[0] is None


def test_short_addresses_ask_whoever_ends_so() -> None:
    assert matches("AAAAAAAA0425", "000102030425")
    assert not matches("AAAAAAAA0426", "000102030425")
    assert find_answer(SAMPLE, read("AAAAAAAA0425", "00010000"), ENERGY)[0] == SAMPLE_SAID
    assert find_answer(SAMPLE, read("AAAAAAAA0426", "00010000"), ENERGY)[0] is None


def test_a_freeze_is_now_or_at_a_minute() -> None:
    assert find_request(request_frame(freeze(ANYONE)))[0] == freeze(ANYONE)
    at = freeze(ANYONE, datetime(2026, 11, 20, 10, 15, tzinfo=UTC))
    assert at.data == bytes.fromhex("15 10 20 11")


@given(NOISE, NOISE)
def test_noise_around_an_answer_does_not_hide_it(before: bytes, after: bytes) -> None:
    found, used = find_answer(before + SAMPLE + after, SAMPLE_ASKED, ENERGY)
    assert found == SAMPLE_SAID
    assert used == len(before) + len(SAMPLE)


@given(st.integers(0, len(SAMPLE) - 1), NOISE)
def test_bytes_that_may_begin_an_answer_are_never_forgotten(cut: int, before: bytes) -> None:
    part = before + SAMPLE[:cut]
    found, used = find_answer(part, SAMPLE_ASKED, ENERGY)
    assert found is None
    assert find_answer(part[used:] + SAMPLE[cut:], SAMPLE_ASKED, ENERGY)[0] == SAMPLE_SAID
    assert len(part) - used < 212  # the longest frame


@given(st.integers(0, len(SAMPLE) - 1), st.integers(1, 255))
def test_no_single_wrong_byte_gets_through(at: int, change: int) -> None:
    wrong = SAMPLE[:at] + bytes((SAMPLE[at] ^ change,)) + SAMPLE[at + 1 :]
    assert find_answer(wrong, SAMPLE_ASKED, ENERGY)[0] is None


@given(
    st.dictionaries(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255), min_size=1, max_size=4)
)
def test_a_damaged_frame_gives_a_wrong_value_only_if_its_errors_cancel_out(
    damage: dict[int, int],
) -> None:
    wrong = bytearray(SAMPLE)
    for at, byte in damage.items():
        wrong[at] = byte
    found, _ = find_answer(bytes(wrong), SAMPLE_ASKED, ENERGY)
    if found is not None and found != SAMPLE_SAID:
        hit = [at for at in damage if wrong[at] != SAMPLE[at]]
        assert len(hit) >= 2  # one wrong byte never
        assert all(14 <= at <= 18 for at in hit)  # in the value and the check sum alone
        assert bcd.text(found.data).isdecimal()


@given(st.integers(0, 10**12 - 1), st.integers(0, 2**32 - 1), st.binary(min_size=1, max_size=100))
def test_both_ends_understand_each_other(number: int, di: int, data: bytes) -> None:
    asked = read(f"{number:012}", f"{di:08X}")
    for request in (asked, follow(asked, 255)):
        assert find_request(request_frame(request))[0] == request
        said = Answer(asked.address, data, more=True)
        frame = answer_frame(request, said)
        assert find_answer(frame, request, "B ...") == (said, len(frame))
    assert follow(asked, 255).control == FOLLOW
