"""Each way in which an answer goes wrong, and that the seed decides it alone."""

from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

from edge_agent.protocols.modbus import Answer, Request, answer_frame, crc16, find_answer
from simulators.dice import Dice
from simulators.faults import Fault, Faults, Said
from simulators.slaves import Other, Turn

ASKED = Request(11, 4, 72, 4)
ANSWER = Answer((0x4366, 0x3334, 0x1234, 0x00FF))
RIGHT = answer_frame(ASKED, ANSWER, "rtu")
HEARD = b"the request"
T_MS = 1_800_000_000_000


def other(kind: Other) -> bytes:
    return kind.encode()


TURN = Turn("m-1", RIGHT, range(3, len(RIGHT) - 2), "crc", other)


def replies(kind: str, times: int = 1, seed: int = 7, turn: Turn = TURN, **more: Any) -> list[Any]:
    """What the line carried for `times` requests, of which every one is spoilt."""
    faults = Faults([Fault("m-1", kind, **{"every": 1, **more})], Dice(seed))  # type: ignore[arg-type]
    return [faults.replies(turn, HEARD, T_MS) for _ in range(times)]


def test_without_a_fault_the_line_carries_the_answer() -> None:
    assert Faults().replies(TURN, HEARD, T_MS) == [Said(RIGHT)]


@pytest.mark.parametrize(
    ("kind", "carried"),
    [
        ("silent", []),
        ("late", [Said(RIGHT, 1500)]),
        ("twice", [Said(RIGHT + RIGHT)]),
        ("again", [Said(RIGHT), Said(RIGHT, 1500)]),
        ("foreign", [Said(b"foreign")]),
        ("function", [Said(b"function")]),
        ("refusal", [Said(b"refusal")]),
        ("echo", [Said(HEARD, is_echo=True), Said(RIGHT)]),
    ],
)
def test_what_the_line_carries_instead(kind: str, carried: list[Said]) -> None:
    assert replies(kind) == [carried]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_as_many_bits_are_turned_as_asked_for(count: int) -> None:
    for ((data, *_),) in replies("flip", 200, count=count):
        wrong = int.from_bytes(data, "big") ^ int.from_bytes(RIGHT, "big")
        assert wrong.bit_count() == count
        assert find_answer(data, ASKED, "rtu")[0] is None


def test_blind_damage_passes_a_crc_with_wrong_values() -> None:
    for ((data, *_),) in replies("blind", 200):
        assert crc16(data[:-2]) == data[-2:]
        assert data[:3] == RIGHT[:3]
        assert data[3:-2] != RIGHT[3:-2]
        got, _ = find_answer(data, ASKED, "rtu")
        assert got is not None
        assert got != ANSWER


def test_blind_damage_passes_a_sum_with_two_bits_that_cancel_out() -> None:
    payload = bytes.fromhex("68 25 04 03 02 01 00 68 91 08 33 33 34 33 75 39 45 33 8B 16")
    turn = Turn("m-1", payload, range(14, 18), "sum", other)
    for ((data, *_),) in replies("blind", 200, turn=turn):
        wrong = int.from_bytes(data, "big") ^ int.from_bytes(payload, "big")
        assert wrong.bit_count() == 2
        assert sum(data[:-2]) & 0xFF == data[-2]
        assert data[14:18] != payload[14:18]


def test_stray_bytes_stand_before_or_behind_the_answer() -> None:
    for ((before, *_),) in replies("noise", 50, count=3):
        assert before.endswith(RIGHT)
        assert len(before) == len(RIGHT) + 3
    for ((behind, *_),) in replies("noise_after", 50, count=3):
        assert behind.startswith(RIGHT)
        assert len(behind) == len(RIGHT) + 3


def test_a_truncated_answer_is_a_beginning_of_it() -> None:
    lengths = set()
    for ((data, *_),) in replies("truncated", 300):
        assert RIGHT.startswith(data)
        lengths.add(len(data))
    assert lengths == set(range(1, len(RIGHT)))


def test_every_nth_request_of_its_meter_only_and_the_burst_behind_it() -> None:
    faults = Faults([Fault("m-1", "silent", every=5, times=2)])
    neighbour = Turn("m-2", RIGHT, range(3, 11), "crc", other)
    silent = []
    for n in range(1, 18):
        assert faults.replies(neighbour, HEARD, T_MS) == [Said(RIGHT)]
        if not faults.replies(TURN, HEARD, T_MS):
            silent.append(n)
    assert silent == [5, 6, 10, 11, 15, 16]


def test_the_same_seed_spoils_the_same_bits_and_another_seed_others() -> None:
    assert replies("flip", 50, seed=7) == replies("flip", 50, seed=7)
    assert replies("flip", 50, seed=7) != replies("flip", 50, seed=8)


def test_a_drifting_clock_swings_slowly_and_no_further_than_told() -> None:
    paces = [said.pace for (said,) in replies("drift", 200, every=100, permille=20)]
    assert min(paces) == pytest.approx(0.98)
    assert max(paces) == pytest.approx(1.02)
    steps = [abs(b - a) for a, b in pairwise(paces)]
    assert max(steps) < 0.001
    assert sum(paces) / 200 == pytest.approx(1.0)


class Rising:
    """One kWh a second from 1000 on."""

    serial = 1

    def value(self, quantity: str, t_ms: int) -> Fraction:  # noqa: ARG002
        return 1000 + Fraction(t_ms - T_MS, 1000)


def test_a_reboot_is_silence_and_then_an_older_index_for_good() -> None:
    reboot = Fault("m-1", "reboot", every=100, down_ms=5000, lost_ms=30_000)
    faults = Faults([reboot], t0_ms=T_MS)
    source = faults.source("m-1", Rising())

    def shown(after_s: int) -> Fraction:
        return source.value("active_energy_import", T_MS + 1000 * after_s)

    assert faults.replies(TURN, HEARD, T_MS + 99_999) == [Said(RIGHT)]
    assert faults.replies(TURN, HEARD, T_MS + 100_000) == []
    assert faults.replies(TURN, HEARD, T_MS + 104_999) == []
    assert faults.replies(TURN, HEARD, T_MS + 105_000) == [Said(RIGHT)]
    assert [shown(at) for at in (0, 99, 100, 105, 199)] == [1000, 1099, 1070, 1075, 1169]
    assert [shown(at) for at in (250, 350, 50)] == [1190, 1260, 1050]
    assert source.value("active_power", T_MS + 150_000) == 1150  # nothing to lose there
    assert faults.source("m-2", rising := Rising()) is rising
