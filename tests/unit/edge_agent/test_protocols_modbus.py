"""Frames others published. Sources stand beside each; every check sum was recomputed by us once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.protocols.modbus import (
    Answer,
    Request,
    answer_frame,
    answer_length,
    crc16,
    find_answer,
    find_request,
    request_frame,
)

# Eastron SDM120 protocol document: voltage of unit 1.
SDM120_ASKED = bytes.fromhex("01 04 00 00 00 02 71 CB")
SDM120_SAID = bytes.fromhex("01 04 04 43 66 33 34 1B 38")
VOLTAGE = Request(1, 4, 0, 2)

# Modbus Application Protocol V1.1b3, 6.3: registers 108-110 (address 107) hold 555, 0, 100.
HOLDING = Request(17, 3, 107, 3)
HOLDING_PDU = bytes.fromhex("03 06 02 2B 00 00 00 64")

# A frame that is complete up to its end, so that anything can be put around or into it.
NOISE = st.binary(max_size=12)


def test_crc_of_a_published_frame() -> None:
    assert crc16(bytes.fromhex("02 07")) == bytes.fromhex("41 12")  # Serial Line V1.02, appendix B
    assert crc16(SDM120_ASKED[:-2]) == SDM120_ASKED[-2:]


def test_request_and_answer_of_the_sdm120_document() -> None:
    assert request_frame(VOLTAGE, "rtu") == SDM120_ASKED
    assert find_answer(SDM120_SAID, VOLTAGE, "rtu") == (Answer((0x4366, 0x3334)), 9)
    assert answer_frame(VOLTAGE, Answer((0x4366, 0x3334)), "rtu") == SDM120_SAID
    assert find_request(SDM120_ASKED, "rtu") == (VOLTAGE, 8)


def test_answer_of_the_application_protocol_example_over_tcp() -> None:
    request = Request(17, 3, 107, 3, transaction=0x1501)
    assert request_frame(request, "tcp") == bytes.fromhex("15 01 00 00 00 06 11 03 00 6B 00 03")
    frame = bytes.fromhex("15 01 00 00 00 09 11") + HOLDING_PDU
    assert find_answer(frame, request, "tcp") == (Answer((555, 0, 100)), len(frame))
    assert answer_frame(request, Answer((555, 0, 100)), "tcp") == frame
    assert find_request(request_frame(request, "tcp"), "tcp") == (request, 12)


def test_an_exception_is_an_answer() -> None:
    frame = bytes.fromhex("0A 81 02 B0 53")  # simplymodbus.ca, exception example
    assert crc16(frame[:-2]) == frame[-2:]
    read = bytes.fromhex("0A 83 02")
    found, _ = find_answer(read + crc16(read), Request(10, 3, 0, 1), "rtu")
    assert found == Answer((), 2)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(Request(2, 4, 0, 2), id="another unit"),
        pytest.param(Request(1, 3, 0, 2), id="another function"),
        pytest.param(Request(1, 4, 0, 1), id="fewer registers asked"),
        pytest.param(Request(1, 4, 0, 3), id="more registers asked"),
    ],
)
def test_an_answer_to_something_else_is_none(wrong: Request) -> None:
    assert find_answer(SDM120_SAID, wrong, "rtu")[0] is None


def test_a_wrong_check_sum_is_no_answer() -> None:
    assert find_answer(SDM120_SAID[:-1] + b"\x00", VOLTAGE, "rtu")[0] is None


@pytest.mark.parametrize("transaction", [0, 8], ids=["none", "another"])
def test_over_tcp_the_transaction_must_be_ours(transaction: int) -> None:
    asked, said = Request(1, 4, 0, 2, transaction=7), Request(1, 4, 0, 2, transaction)
    frame = answer_frame(said, Answer((1, 2)), "tcp")
    assert find_answer(frame, asked, "tcp") == (None, len(frame))
    good = answer_frame(asked, Answer((3, 4)), "tcp")
    assert find_answer(frame + good, asked, "tcp") == (Answer((3, 4)), len(frame + good))


def test_over_tcp_another_protocol_is_skipped_by_its_length() -> None:
    asked = Request(1, 4, 0, 2, transaction=7)
    good = answer_frame(asked, Answer((3, 4)), "tcp")
    foreign = good[:2] + b"\x12\x34" + good[4:]
    assert find_answer(foreign, asked, "tcp") == (None, len(foreign))
    assert find_answer(foreign + good, asked, "tcp")[0] == Answer((3, 4))


def test_over_tcp_an_answer_must_be_of_the_unit_and_of_the_length_it_says() -> None:
    asked = Request(17, 3, 107, 3, transaction=0x1501)
    for wrong in ("15 01 00 00 00 09 12 03 06", "15 01 00 00 00 09 11 03 08"):
        frame = bytes.fromhex(wrong) + HOLDING_PDU[2:]
        assert find_answer(frame, asked, "tcp") == (None, len(frame))


def test_over_tcp_a_length_no_frame_can_have_is_no_beginning() -> None:
    asked = Request(17, 3, 107, 3, transaction=0x1501)
    for length in ("00 00", "00 01", "00 FF"):
        noise = bytes.fromhex(f"15 01 00 00 {length} 11")
        assert find_answer(noise, asked, "tcp") == (None, len(noise))


def test_a_write_is_no_read() -> None:
    # Serial Line and Application Protocol, 6.6: write register 2 (address 1), 3.
    write = bytes.fromhex("11 06 00 01 00 03")
    assert find_request(write + crc16(write), "rtu")[0] is None


@given(NOISE, NOISE)
def test_noise_around_an_answer_does_not_hide_it(before: bytes, after: bytes) -> None:
    found, used = find_answer(before + SDM120_SAID + after, VOLTAGE, "rtu")
    assert found == Answer((0x4366, 0x3334))
    assert used == len(before) + len(SDM120_SAID)


def test_the_echo_of_the_request_is_not_its_answer() -> None:
    found, _ = find_answer(SDM120_ASKED + SDM120_SAID, VOLTAGE, "rtu")
    assert found == Answer((0x4366, 0x3334))
    assert find_answer(SDM120_ASKED, VOLTAGE, "rtu")[0] is None


@given(st.integers(0, 9), st.binary(max_size=40))
def test_bytes_that_may_begin_an_answer_are_never_forgotten(cut: int, before: bytes) -> None:
    part = before + SDM120_SAID[:cut]
    found, used = find_answer(part, VOLTAGE, "rtu")
    if found is None:
        rest = part[used:] + SDM120_SAID[cut:]
        assert find_answer(rest, VOLTAGE, "rtu")[0] == Answer((0x4366, 0x3334))
        assert len(part) - used < answer_length(VOLTAGE, "rtu")


@given(
    st.integers(0, 255),
    st.sampled_from([3, 4]),
    st.integers(0, 65535),
    st.lists(st.integers(0, 65535), min_size=1, max_size=125),
    st.sampled_from(["rtu", "tcp"]),
)
def test_both_ends_understand_each_other(unit, function, address, words, framing) -> None:  # type: ignore[no-untyped-def]
    request = Request(unit, function, address, len(words), 513 if framing == "tcp" else 0)
    assert find_request(request_frame(request, framing), framing)[0] == request
    frame = answer_frame(request, Answer(tuple(words)), framing)
    assert len(frame) == answer_length(request, framing)
    assert find_answer(frame, request, framing) == (Answer(tuple(words)), len(frame))
