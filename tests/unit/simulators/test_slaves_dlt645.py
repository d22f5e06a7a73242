"""Simulated DL/T 645 meters, asked in bytes that others published and held against theirs.

Published: a web page's read of 1206.42 kWh; a real meter's 0.26 kWh and 100.1 V; a Go library's
answer to the question for an address; firmware's broadcast of the time; a terminal's log of 1997.
"""

from datetime import UTC, datetime
from fractions import Fraction

import pytest

from edge_agent.protocols import bcd
from edge_agent.protocols.dlt645 import (
    ANYONE,
    BROADCAST,
    Request,
    find_answer,
    find_request,
    follow,
    freeze,
    read,
    request_frame,
    set_time,
)
from simulators.slaves.dlt645 import Dlt645Meter, Dlt645Party
from simulators.slaves.dlt645_data import Clock

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
MARCH_5 = int(datetime(2026, 3, 5, 10, 20, 30, tzinfo=UTC).timestamp()) * 1000


class Shows:
    """A meter that measures what it is given, and 0 of everything else."""

    serial = 1

    def __init__(self, **values: str) -> None:
        self._values = values

    def value(self, quantity: str, t_ms: int) -> Fraction:  # noqa: ARG002
        return Fraction(self._values.get(quantity, 0))


class Counts:
    """1 kWh an hour since 1970, and half of that out again."""

    serial = 1

    def value(self, quantity: str, t_ms: int) -> Fraction:
        per_hour = {"active_energy_import": 1, "active_energy_export": Fraction(1, 2)}
        return Fraction(t_ms, HOUR_MS) * per_hour.get(quantity, 0)


def said(party: Dlt645Party, asked: str, t_ms: int = MARCH_5) -> list[str]:
    """Every answer to request bytes, as hex without preamble."""
    request, _ = party.find(bytes.fromhex(asked))
    assert request is not None
    turns = party.turns(request, t_ms)
    return [turn.answer.lstrip(b"\xfe").hex(" ").upper() for turn in turns]


@pytest.mark.parametrize(
    ("address", "edition", "shows", "asked", "answered"),
    [
        (
            *("000102030425", "2007", {"active_energy_import": "1206.42"}),
            "68 25 04 03 02 01 00 68 11 04 33 33 34 33 E1 16",
            "68 25 04 03 02 01 00 68 91 08 33 33 34 33 75 39 45 33 8B 16",
        ),
        (
            *("000000000161", "2007", {"active_energy_import": "0.26"}),
            "FE FE FE FE 68 61 01 00 00 00 00 68 11 04 33 33 34 33 14 16",
            "68 61 01 00 00 00 00 68 91 08 33 33 34 33 59 33 33 33 8A 16",
        ),
        (
            *("000000000161", "2007", {"voltage_l1": "100.1"}),
            "68 61 01 00 00 00 00 68 11 04 33 34 34 35 17 16",
            "68 61 01 00 00 00 00 68 91 06 33 34 34 35 34 43 10 16",
        ),
        (
            *("000000000001", "2007", {}),
            "68 AA AA AA AA AA AA 68 13 00 DF 16",
            "68 01 00 00 00 00 00 68 93 06 34 33 33 33 33 33 9D 16",
        ),
        (
            *("010003635927", "1997", {"voltage_l2": "223"}),
            "68 27 59 63 03 00 01 68 01 02 45 E9 E8 16",
            "68 27 59 63 03 00 01 68 81 04 45 E9 56 35 F5 16",  # published for phase 1: 44, F4
        ),
        (
            *("138000130754", "1997", {"active_energy_import": "0.01"}),
            "68 54 07 13 00 80 13 68 01 02 43 C3 DA 16",
            "68 54 07 13 00 80 13 68 81 06 43 C3 34 33 33 33 2B 16",
        ),
    ],
)
def test_it_answers_as_published(
    address: str, edition: str, shows: dict[str, str], asked: str, answered: str
) -> None:
    meter = Dlt645Meter("m", address, Shows(**shows), edition=edition)
    assert said(Dlt645Party([meter]), asked) == [answered]


def meter(
    address: str = "000000000001",
    zone_ms: int = 0,
    since_ms: int = MARCH_5 - 90 * DAY_MS,
    **more: object,
) -> Dlt645Meter:
    clock = more.pop("clock", None) or Clock(zone_ms)
    return Dlt645Meter("m", address, Counts(), clock=clock, since_ms=since_ms, **more)  # type: ignore[arg-type]


def data(of: Dlt645Meter, di: str, t_ms: int = MARCH_5) -> bytes:
    answer = of.answer(read(of.address, di), t_ms)
    assert answer.error is None
    return answer.data


def number(picture: str, data: bytes) -> Fraction:
    value = bcd.read_number(picture, data)
    assert value is not None
    return value[0] * Fraction(10) ** value[1]


ENERGY = "XXXXXX.XX"


def cut(kwh: Fraction) -> Fraction:
    """As an energy register shows it."""
    return Fraction(int(kwh * 100), 100)


def test_what_it_has_not_got_and_what_would_change_it_is_refused() -> None:
    for di in ("00010500", "0001000D", "02010000", "02010400", "05060140", "0504FF00", "01010000"):
        assert meter().answer(read("000000000001", di), MARCH_5).error == 0x02, di
    write = Request("000000000001", 0x14, data=bytes(16))
    assert meter().answer(write, MARCH_5).error == 0x04
    asked = "68 01 00 00 00 00 00 68 11 04 33 38 34 33 B8 16"
    assert said(Dlt645Party([meter()]), asked) == ["68 01 00 00 00 00 00 68 D1 01 35 D8 16"]


def test_every_tariff_rises_and_their_sum_is_the_total() -> None:
    seen = []
    for t_ms in (MARCH_5, MARCH_5 + DAY_MS):
        block = data(meter(), "0001FF00", t_ms)
        total, *tariffs = (number(ENERGY, block[at : at + 4]) for at in range(0, 20, 4))
        assert total == sum(tariffs) == cut(Fraction(t_ms, HOUR_MS))
        assert b"".join(data(meter(), f"00010{n}00", t_ms) for n in range(5)) == block
        seen.append(tariffs)
    assert all(now > then for then, now in zip(*seen, strict=True))


def test_export_and_the_combined_register_stand_beside_import() -> None:
    kwh = Fraction(MARCH_5, HOUR_MS)
    assert number(ENERGY, data(meter(), "00020000")) == cut(kwh / 2)
    assert number("-XXXXXX.XX", data(meter(), "00000000")) == cut(kwh * 3 / 2)


@pytest.mark.parametrize(
    ("watts", "digits"), [("-1234.5", "452381"), ("900000", "999979"), ("-900000", "9999f9")]
)
def test_the_sign_is_the_top_bit_and_what_is_too_big_stops_at_the_end(
    watts: str, digits: str
) -> None:
    of = Dlt645Meter("m", "000000000001", Shows(active_power=watts))
    assert data(of, "02030000").hex() == digits


def test_blocks_of_phases_are_the_phases_in_order() -> None:
    of = Dlt645Meter(
        "m", "1" * 12, Shows(voltage_l1="230.1", voltage_l2="229", voltage_l3="231.99")
    )
    assert data(of, "0201FF00").hex() == "012390221923"
    old = Dlt645Meter("m", "1" * 12, Shows(voltage_l1="230.1"), edition="1997")
    assert data(old, "B61F").hex() == "300200000000"


def test_a_block_too_long_for_a_frame_comes_in_numbered_parts() -> None:
    of = meter(tariffs=63)
    request = read(of.address, "0001FF00")
    answer = of.answer(request, MARCH_5)
    got, number_ = answer.data, 0
    assert answer.more
    while answer.more:
        number_ += 1
        later = MARCH_5 + number_ * HOUR_MS  # the block is of the moment it was asked for
        answer = of.answer(follow(request, number_), later)
        got += answer.data
    assert number_ == 1
    assert got == data(meter(tariffs=63, most=1000), "0001FF00")
    assert len(got) == 64 * 4
    assert of.answer(follow(request, 2), MARCH_5).error == 0x02
    assert of.answer(follow(read(of.address, "0002FF00"), 1), MARCH_5).error == 0x02


def test_in_1997_the_parts_come_one_after_the_other() -> None:
    of = meter(edition="1997", most=13)
    request = read(of.address, "901F")
    answer = of.answer(request, MARCH_5)
    got = answer.data
    while answer.more:
        answer = of.answer(follow(request, 1), MARCH_5)
        got += answer.data
    assert got == data(meter(edition="1997"), "901F")
    assert of.answer(follow(request, 1), MARCH_5).error == 0x02


def test_hours_and_days_are_remembered_by_its_own_clock() -> None:
    of = meter(clock=Clock(8 * HOUR_MS))  # 18:20:30 there
    assert bcd.text(data(of, "05040001")) == "2603051800"
    hour = MARCH_5 // HOUR_MS * HOUR_MS
    assert number(ENERGY, data(of, "05040101")) == cut(Fraction(hour, HOUR_MS))
    assert number(ENERGY, data(of, "050401FE")) == cut(Fraction(hour, HOUR_MS) - 253)
    assert number(ENERGY, data(of, "05040201")) == cut(Fraction(hour, HOUR_MS) / 2)
    assert data(of, "0504FF01") == data(of, "05040001") + data(of, "05040101") + data(
        of, "05040201"
    )
    assert bcd.text(data(of, "05060001")) == "2603050000"
    midnight = MARCH_5 // DAY_MS * DAY_MS - 8 * HOUR_MS
    assert number(ENERGY, data(of, "05060101")[:4]) == cut(Fraction(midnight, HOUR_MS))
    assert len(data(of, "05060101")) == 20
    assert bcd.text(data(of, "0506003E")) == "2601030000"


def test_a_settlement_day_is_the_first_of_a_month() -> None:
    first = int(datetime(2026, 2, 1, tzinfo=UTC).timestamp())
    assert number(ENERGY, data(meter(), "00010002")) == cut(Fraction(first, 3600))
    assert number(ENERGY, data(meter(edition="1997"), "9210")) == cut(Fraction(first, 3600))


def test_what_was_before_it_was_put_up_nobody_remembers() -> None:
    of = meter(since_ms=MARCH_5 - HOUR_MS)
    assert bcd.read_number(ENERGY, data(of, "05040101")) is not None
    assert bcd.read_number(ENERGY, data(of, "05040102")) is None
    assert data(of, "05060001") == b"\xff" * 5
    assert data(of, "00010001") == b"\xff" * 4


def test_its_clock_drifts_until_it_is_set() -> None:
    of = meter(clock=Clock(zone_ms=0, ahead_ms=2000, ppm=50, since_ms=MARCH_5))
    assert bcd.text(data(of, "04000102", MARCH_5)) == "102032"
    after = MARCH_5 + 10 * DAY_MS  # 43.2 s more
    assert bcd.text(data(of, "04000102", after)) == "102115"
    assert bcd.text(data(of, "04000101", after)) == "26031500"  # a Sunday
    right = request_frame(set_time(datetime.fromtimestamp(after / 1000, UTC)))
    assert said(Dlt645Party([of]), right.hex(), after) == []
    assert bcd.text(data(of, "04000102", after)) == "102030"
    far = request_frame(set_time(datetime.fromtimestamp(after / 1000 + 301, UTC)))
    assert said(Dlt645Party([of]), far.hex(), after) == []
    assert bcd.text(data(of, "04000102", after)) == "102030"
    assert of.clock.reaches(of.clock.shows(after + DAY_MS)) == after + DAY_MS


def test_the_published_broadcast_of_the_time_is_understood() -> None:
    at = int(datetime(2017, 6, 5, 10, 22, 0, tzinfo=UTC).timestamp()) * 1000
    of = meter(since_ms=at)
    party = Dlt645Party([of])
    assert said(party, "68 99 99 99 99 99 99 68 08 06 84 55 43 38 39 4A 4B 16", at) == []
    assert bcd.text(data(of, "04000102", at)) == "102251"


def test_it_freezes_when_told_to_and_answers_only_if_told_alone() -> None:
    of = meter()
    party = Dlt645Party([of])
    for address, answers in ((BROADCAST, 0), (of.address, 1)):
        assert len(said(party, request_frame(freeze(address, None)).hex(), MARCH_5)) == answers
    later = MARCH_5 + DAY_MS
    assert bcd.text(data(of, "05010001", later)) == "2603051020"
    assert number(ENERGY, data(of, "05010102", later)[:4]) == cut(Fraction(MARCH_5, HOUR_MS))
    assert data(of, "05010103", later) == b"\xff" * 20


def test_a_wildcard_makes_everybody_it_covers_talk() -> None:
    party = Dlt645Party([meter("000000000161"), meter("000000000261"), meter("000000000062")])

    def names(pattern: str) -> list[str]:
        request, _ = find_request(request_frame(read(pattern, "00010000")))
        assert request is not None
        found = (
            find_answer(turn.answer, request, ENERGY)[0] for turn in party.turns(request, MARCH_5)
        )
        return [answer.address for answer in found if answer is not None]

    assert names(ANYONE) == ["000000000161", "000000000261", "000000000062"]
    assert names("AAAAAAAAAA61") == ["000000000161", "000000000261"]
    assert names("AAAAAAAA0161") == ["000000000161"]
    assert names("000000000999") == []


def test_the_editions_do_not_hear_each_other() -> None:
    party = Dlt645Party([meter("1" * 12), meter("2" * 12, edition="1997")])
    assert said(party, request_frame(read("1" * 12, "9010")).hex()) == []
    assert said(party, request_frame(read("2" * 12, "00010000")).hex()) == []
    assert len(said(party, "68 AA AA AA AA AA AA 68 13 00 DF 16")) == 1


def test_the_other_answers_are_sound_frames_that_answer_something_else() -> None:
    party = Dlt645Party([meter("999999999998")])
    request, _ = party.find(request_frame(read("999999999998", "00010000")))
    assert request is not None
    (turn,) = party.turns(request, MARCH_5)
    assert turn.answer[turn.payload.start :][:4] != b""
    assert len(turn.payload) == 4
    assert find_answer(turn.other("foreign"), request, ENERGY)[0] is None
    assert find_answer(turn.other("function"), request, ENERGY)[0] is None
    neighbour = read("999999999999", "00010000")
    assert find_answer(turn.other("foreign"), neighbour, ENERGY)[0] is not None
    tariff = read("999999999998", "00010001")
    assert find_answer(turn.other("function"), tariff, ENERGY)[0] is not None
    refused, _ = find_answer(turn.other("refusal"), request, ENERGY)
    assert refused is not None
    assert refused.error == 0x01
