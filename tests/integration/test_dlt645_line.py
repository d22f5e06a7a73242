"""Our DL/T 645 driver on pseudo terminals, with meters that are many, late, noisy, odd or of 1997.

Frames written out were published; test_protocols_dlt645.py says where.
"""

import asyncio
import threading
from dataclasses import replace
from random import Random

import pytest

from edge_agent import profiles
from edge_agent.drivers import KnowsRatios, NoAnswer, Refused
from edge_agent.drivers.dlt645 import Address, Settings, connect
from edge_agent.drivers.dlt645.meter import Dlt645Meter
from edge_agent.profiles.dlt645 import Profile
from edge_agent.protocols import bcd
from edge_agent.protocols import dlt645 as codec
from edge_agent.protocols.dlt645 import Request
from tests.integration.dlt645_meters import Scripted, meters, settings, wanted
from tests.integration.pty_meters import MeterLine
from wire.errors import BadData, ProfileError
from wire.messages import Value

THREE_PHASE = profiles.load_as(Profile, "dlt645_2007")
SINGLE_PHASE = profiles.load_as(Profile, "dlt645_2007_single_phase")
OF_1997 = profiles.load_as(Profile, "dlt645_1997")
NOW_MS = 1_790_000_000_000

# address -> identifier -> the answer as it was published
LEGEND, PHASE1 = "000000000161", "201000000012"
PUBLISHED = {
    LEGEND: {
        "00010000": "68 61 01 00 00 00 00 68 91 08 33 33 34 33 59 33 33 33 8A 16",
        "02010100": "68 61 01 00 00 00 00 68 91 06 33 34 34 35 34 43 10 16",
        "02030000": "68 61 01 00 00 00 00 68 91 07 33 33 36 35 45 58 33 6B 16",
        "02060000": "68 61 01 00 00 00 00 68 91 06 33 33 39 35 34 38 09 16",
    },
    PHASE1: {
        "0201FF00": "68 12 00 00 00 10 20 68 91 0A 33 32 34 35 89 55 32 32 32 32 21 16",
        "00020000": "68 12 00 00 00 10 20 68 D1 01 35 19 16",  # published for another identifier
    },
    "010003635927": {
        "9010": "FE FE FE FE 68 27 59 63 03 00 01 68 81 06 43 C3 AC 59 47 33 C3 16",
        "B611": "FE FE FE FE 68 27 59 63 03 00 01 68 81 04 44 E9 56 35 F4 16",
        "B612": "FE FE FE FE 68 27 59 63 03 00 01 68 81 04 45 E9 33 33 D0 16",
    },
}


def published(request: Request, line: MeterLine[Request]) -> None:
    """Each of these meters by its published answers; what it was not asked for then, it refuses."""
    if (said := PUBLISHED.get(request.address)) is not None:
        refusal = codec.answer_frame(request, codec.Answer(request.address, error=2))
        line.say(bytes.fromhex(said.get(request.di, refusal.hex())))


async def one_round(meter: Dlt645Meter) -> dict[str, Value | None]:
    return {q: value async for answer in meter.read() for q, value in answer.values.items()}


def seen(line: MeterLine[Request]) -> list[str]:
    return [request.di for request in line.asked]


async def test_a_meter_is_read_by_its_published_answers() -> None:
    with meters(published) as line:
        async with connect(settings(line), Random(1), lambda: NOW_MS) as bus:
            meter = bus.meter(
                wanted(
                    THREE_PHASE,
                    LEGEND,
                    *("active_energy_import", "active_power", "power_factor", "voltage_l1"),
                )
            )
            answers = [answer async for answer in meter.read()]
    assert [answer.values for answer in answers] == [
        {"active_energy_import": (26, -2)},
        {"active_power": (2512, -1)},  # 0.2512 kW
        {"power_factor": (501, -3)},
        {"voltage_l1": (1001, -1)},
    ]
    assert answers[0].t_ms == NOW_MS
    assert answers[1].shown() == {"active_power": ("02030000", "12 25 00")}
    assert line.heard.startswith(bytes.fromhex("FE FE FE FE 68 61 01 00 00 00 00 68 11 04"))
    assert meter.tally.answered == 4


async def test_behind_transformers_the_primary_side_is_told_exactly() -> None:
    with meters(published) as line:
        async with connect(settings(line), Random(1), lambda: NOW_MS) as bus:
            quantities = "active_energy_import", "active_power", "voltage_l1"
            behind = replace(wanted(THREE_PHASE, LEGEND, *quantities), ct=40, pt=100)
            values = await one_round(bus.meter(behind))
    assert values == {
        "active_energy_import": (26 * 40, 0),  # 0.26 kWh * 4000
        "active_power": (2512 * 400, 0),
        "voltage_l1": (10010, 0),
    }


async def test_three_voltages_take_one_request_and_missing_phases_are_not_measured() -> None:
    with meters(published) as line:
        async with connect(settings(line), Random(1), lambda: NOW_MS) as bus:
            meter = bus.meter(wanted(THREE_PHASE, PHASE1, "voltage_l1", "voltage_l2", "voltage_l3"))
            values = await one_round(meter)
    assert values == {"voltage_l1": (2256, -1), "voltage_l2": None, "voltage_l3": None}
    assert seen(line) == ["0201FF00"]


async def test_a_meter_of_1997_is_read() -> None:
    with meters(published) as line:
        async with connect(settings(line), Random(1), lambda: NOW_MS) as bus:
            quantities = "active_energy_import", "voltage_l1", "voltage_l2"
            meter = bus.meter(wanted(OF_1997, "010003635927", *quantities))
            assert await one_round(meter) == {
                "active_energy_import": (142679, -2),
                "voltage_l1": (223, 0),
                "voltage_l2": (0, 0),
            }
            assert await meter.identify() == {"address": "010003635927"}
    assert {request.control for request in line.asked} == {codec.READ_1997}


async def test_a_line_of_8e1_opens_on_a_pseudo_terminal() -> None:
    with meters(published) as line:
        even = settings(line)
        assert even.parity == "E"
        async with connect(even, Random(1), lambda: NOW_MS) as bus:
            assert await bus.read(LEGEND, "00010000", "XXXXXX.XX") == bytes.fromhex("26 00 00 00")


ENERGY = bytes.fromhex(PUBLISHED[LEGEND]["00010000"])
FOREIGN = bytes.fromhex("68 25 04 03 02 01 00 68 91 08 33 33 34 33 75 39 45 33 8B 16")
OTHER_DATA = bytes.fromhex("68 61 01 00 00 00 00 68 91 08 33 33 35 33 59 34 33 33 8C 16")
SPOILT = {
    "a preamble": b"\xfe" * 4 + ENERGY,
    "no preamble": ENERGY,
    "noise that looks like a header": bytes.fromhex("68 FE FE FE FE FE FE 68") + ENERGY,
    "the echo of our own request": codec.request_frame(codec.read(LEGEND, "00010000")) + ENERGY,
    "another meter's answer first": FOREIGN + ENERGY,
    "another identifier first": OTHER_DATA + ENERGY,
    "a flipped bit first": ENERGY[:14] + bytes((ENERGY[14] ^ 1,)) + ENERGY[15:] + ENERGY,
    "the answer twice": ENERGY + ENERGY,
    "noise behind": ENERGY + b"\x55\xaa",
}


@pytest.mark.parametrize("spoilt", SPOILT)
async def test_one_sound_answer_among_anything_else_is_found(spoilt: str) -> None:
    with meters(lambda _, line: line.say(SPOILT[spoilt])) as line:
        async with connect(settings(line), Random(1), lambda: NOW_MS) as bus:
            for _ in range(2):
                data = await bus.read(LEGEND, "00010000", "XXXXXX.XX")
                assert data == bytes.fromhex("26 00 00 00")


@pytest.mark.parametrize(
    "wrong", [FOREIGN, OTHER_DATA, ENERGY[:14] + b"\x5a" + ENERGY[15:], ENERGY[:-2]]
)
async def test_a_wrong_answer_alone_is_none(wrong: bytes) -> None:
    with meters(lambda _, line: line.say(wrong)) as line:
        async with connect(settings(line, timeout_ms=500), Random(1), lambda: NOW_MS) as bus:
            with pytest.raises(NoAnswer, match=f"meter {LEGEND} at .*, 00010000: no valid answer"):
                await bus.read(LEGEND, "00010000", "XXXXXX.XX")


async def test_a_late_answer_is_not_taken_for_a_later_value_of_the_same_identifier() -> None:
    said, given_up = iter([26, 99]), threading.Event()

    def late_at_first(request: Request, line: MeterLine[Request]) -> None:
        number = next(said)
        given_up.wait(60)
        data = bcd.write_number("XXXXXX.XX", number)
        line.say(codec.answer_frame(request, codec.Answer(LEGEND, data)))

    with meters(late_at_first) as line:
        async with connect(settings(line, timeout_ms=800), Random(1), lambda: NOW_MS) as bus:
            with pytest.raises(NoAnswer):
                await bus.read(LEGEND, "00010000", "XXXXXX.XX")
            given_up.set()  # within the time in which a late answer is let go by
            data = await bus.read(LEGEND, "00010000", "XXXXXX.XX")
    assert bcd.read_number("XXXXXX.XX", data) == (99, -2)


async def test_several_meters_on_one_line_keep_their_own_values() -> None:
    energies = {f"{n:012}": {"00010000": bcd.write_number("XXXXXX.XX", n)} for n in range(1, 6)}
    script = Scripted(**{f"m{address}": data for address, data in energies.items()})
    with meters(script) as line:
        async with connect(settings(line), Random(1), lambda: NOW_MS) as bus:
            asked = [bus.meter(wanted(THREE_PHASE, a, "active_energy_import")) for a in energies]
            for _ in range(3):
                values = await asyncio.gather(*map(one_round, asked))
                assert [v["active_energy_import"] for v in values] == [(n, -2) for n in range(1, 6)]


async def test_an_optional_value_refused_once_is_not_asked_for_again() -> None:
    with meters(published) as line:
        async with connect(settings(line), Random(1), lambda: NOW_MS) as bus:
            meter = bus.meter(
                wanted(SINGLE_PHASE, PHASE1, "active_energy_export")  # D1, «no such data»
            )
            for _ in range(2):
                assert await one_round(meter) == {}
            assert meter.absent == {"active_energy_export"}
    assert seen(line) == ["00020000"]


async def test_a_meter_without_blocks_is_asked_one_by_one() -> None:
    volts = {f"02010{n}00": bcd.write_number("XXX.X", 2200 + n) for n in (1, 2, 3)}
    with meters(Scripted(m000000000161=volts)) as line:
        async with connect(settings(line), Random(1), lambda: NOW_MS) as bus:
            meter = bus.meter(wanted(THREE_PHASE, LEGEND, "voltage_l1", "voltage_l2", "voltage_l3"))
            for _ in range(2):
                assert await one_round(meter) == {
                    f"voltage_l{n}": (2200 + n, -1) for n in (1, 2, 3)
                }
    assert seen(line) == ["0201FF00", *volts, *volts]


async def test_a_block_of_another_shape_is_asked_one_by_one_from_then_on() -> None:
    def short_block(request: Request, line: MeterLine[Request]) -> None:
        data = b"\x56\x22" if request.di.startswith("0201") else b"\x26\x00\x00\x00"
        line.say(codec.answer_frame(request, codec.Answer(LEGEND, data)))

    with meters(short_block) as line:
        async with connect(settings(line, timeout_ms=500), Random(1), lambda: NOW_MS) as bus:
            meter = bus.meter(
                wanted(THREE_PHASE, LEGEND, "active_energy_import", "voltage_l1", "voltage_l2")
            )
            for _ in range(2):
                assert await one_round(meter) == {"active_energy_import": (26, -2)}
                assert len(meter.missed) == 1
            assert len(await one_round(meter)) == 3
            assert meter.missed == []


async def test_a_meter_that_lacks_what_every_one_has_shows_the_profile_wrong() -> None:
    with meters(Scripted(m000000000161={})) as line:
        async with connect(settings(line), Random(1), lambda: NOW_MS) as bus:
            meter = bus.meter(wanted(THREE_PHASE, LEGEND, "active_energy_import"))
            with pytest.raises(BadData, match=r"error 02 \(no such data\); .* right profile\?"):
                await one_round(meter)


async def test_other_refusals_are_told_and_teach_nothing() -> None:
    data = {"00010000": bcd.write_number("XXXXXX.XX", 1), "00020000": 0x04}
    with meters(Scripted(m000000000161=data)) as line:
        async with connect(settings(line), Random(1), lambda: NOW_MS) as bus:
            meter = bus.meter(wanted(THREE_PHASE, LEGEND, "active_energy_export"))
            with pytest.raises(Refused, match="not authorised") as refused:
                await one_round(meter)
            assert refused.value.code == 4
            both = "active_energy_export", "active_energy_import"
            meter = bus.meter(wanted(THREE_PHASE, LEGEND, *both))
            assert await one_round(meter) == {"active_energy_import": (1, -2)}
            assert len(meter.missed) == 1
            assert not meter.absent


async def test_a_long_answer_is_put_together_from_its_following_frames() -> None:
    whole = b"".join(bcd.write_number("XXXXXX.XX", n) for n in range(20))

    def in_three(request: Request, line: MeterLine[Request]) -> None:
        part = whole[request.frame * 30 : request.frame * 30 + 30]
        more = request.frame < 2
        line.say(codec.answer_frame(request, codec.Answer(LEGEND, part, more)))

    with meters(in_three) as line:
        async with connect(settings(line), Random(1), lambda: NOW_MS) as bus:
            assert await bus.read(LEGEND, "0001FF00", "XXXXXX.XX ...") == whole
            with pytest.raises(NoAnswer, match="do not add up to XXX.X"):
                await bus.read(LEGEND, "0001FF00", "XXX.X")
    assert [(r.control, r.frame) for r in line.asked[:3]] == [(0x11, 0), (0x12, 1), (0x12, 2)]


async def test_the_meters_own_number_tells_an_exchange() -> None:
    number = bcd.from_text("202611200001")
    with meters(Scripted(m000000000161={"04000402": number}, m000000000162={})) as line:
        async with connect(settings(line), Random(1), lambda: NOW_MS) as bus:
            known = bus.meter(wanted(THREE_PHASE, LEGEND, "voltage_l1"))
            nameless = bus.meter(wanted(THREE_PHASE, "000000000162", "voltage_l1"))
            assert await known.identify() == {"address": LEGEND, "serial": "202611200001"}
            assert await nameless.identify() == {"address": "000000000162"}


async def test_a_meter_may_know_its_transformers() -> None:
    told = {"04000306": bcd.write_number("XXXXXX", 40), "04000307": bcd.write_number("XXXXXX", 0)}
    with meters(Scripted(m000000000161=told, m000000000162={})) as line:
        async with connect(settings(line), Random(1), lambda: NOW_MS) as bus:
            for address, known in ((LEGEND, {"ct": 40}), ("000000000162", {})):
                meter = bus.meter(wanted(THREE_PHASE, address, "voltage_l1"))
                assert isinstance(meter, KnowsRatios)
                assert await meter.ratios() == known


async def test_a_quantity_the_standard_has_not_is_refused_by_name() -> None:
    settings_ = Settings(device="/dev/null")
    async with connect(settings_, Random(1), lambda: NOW_MS) as bus:
        with pytest.raises(ProfileError, match="no gas_volume; it has active_energy_import"):
            bus.meter(wanted(THREE_PHASE, LEGEND, "gas_volume"))


@pytest.mark.parametrize("address", ["161", "00000000016A", "999999999999", ""])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Address(address)
