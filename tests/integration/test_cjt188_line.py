"""Our CJ/T 188 driver on pseudo terminals. Frames written out were published; the tests of the
protocol say where."""

from collections.abc import Callable
from random import Random

import pytest

from edge_agent import profiles
from edge_agent.drivers import Found, NoAnswer, Refused, Searchable, Wanted
from edge_agent.drivers.cjt188 import Address, Settings, connect
from edge_agent.drivers.cjt188.meter import Cjt188Meter
from edge_agent.profiles.cjt188 import Profile
from edge_agent.protocols import cjt188 as codec
from edge_agent.protocols.cjt188 import Request
from tests.integration.pty_meters import MeterLine
from wire.errors import BadData, ProfileError
from wire.messages import Value

NOW_MS = 1_790_000_000_000
WATER, HEAT = profiles.load_as(Profile, "cjt188_water"), profiles.load_as(Profile, "cjt188_heat")
UNIT_FIRST = profiles.load_as(Profile, "cjt188_heat_unit_first")
GAS = profiles.load_as(Profile, "cjt188_gas", allow_unverified=True)

# Both answer the first request on a line, number 01.
WATER_AT, JY_AT = "00201809230001", "00000040314132"
WATER_SAID = (
    "68 10 01 00 23 09 18 20 00 81 16 90 1F 01 60 00 00 00 2C 60 00 00 00 2C 60 20 20 00 00 00 00"
    " 00 00 DC 16"
)
JY_SAID = (
    "FE FE FE FE 68 20 32 41 31 40 00 00 00 81 2E 90 1F 01 08 02 00 00 00 08 02 00 00 00 17 00 00"
    " 00 00 35 00 00 00 00 2C 34 10 00 00 35 25 00 66 25 00 00 00 00 53 00 12 10 07 15 20 00 00 31 16"
)

Script = Callable[[Request, MeterLine[Request]], None]


def meters(script: Script, di_reversed: bool = False) -> MeterLine[Request]:
    def find(data: bytes) -> tuple[Request | None, int]:
        request, used = codec.find_request(data, di_reversed)
        known = request is not None and request.di in (codec.COUNTERS, codec.ADDRESS)
        return (request if known else None), used

    return MeterLine(find, script)


def settings(line: MeterLine[Request], timeout_ms: int = 20_000) -> Settings:
    """Patient, unless told otherwise, with a meter on a busy machine."""
    return Settings(device=line.path, baud=19200, timeout_ms=timeout_ms)


def says(frame: str) -> Script:
    return lambda _, line: line.say(bytes.fromhex(frame))


def wanted(profile: Profile, address: Address, *quantities: str) -> Wanted:
    return Wanted("m", profile, address, quantities or tuple(profile.registers))


async def one_round(meter: Cjt188Meter) -> dict[str, Value | None]:
    return {q: value async for answer in meter.read() for q, value in answer.values.items()}


async def test_a_water_meter_is_read_by_its_published_answer() -> None:
    with meters(says(WATER_SAID)) as line:
        async with connect(settings(line), Random(1), lambda: NOW_MS) as bus:
            meter = bus.meter(wanted(WATER, Address(WATER_AT)))
            answers = [answer async for answer in meter.read()]
            assert await meter.identify() == {"address": WATER_AT}
    assert [(a.t_ms, a.values) for a in answers] == [(NOW_MS, {"water_volume": (60000, -5)})]
    assert answers[0].shown() == {"water_volume": ("number 0", "60e-2 m3")}
    assert line.heard == bytes.fromhex("FE FE FE 68 10 01 00 23 09 18 20 00 01 03 90 1F 01 91 16")
    assert meter.tally.answered == 1


async def test_a_heat_meter_with_its_units_first_is_read_by_its_published_answer() -> None:
    with meters(says(JY_SAID)) as line:
        async with connect(settings(line), Random(1), lambda: NOW_MS) as bus:
            meter = bus.meter(wanted(UNIT_FIRST, Address(JY_AT)))
            assert await one_round(meter) == {
                "heat_energy": (20_000, -3),  # 0.02 MWh
                "flow": (0, -4),
                "temperature": (2535, -2),
            }


async def test_the_profile_of_other_heat_meters_does_not_fit_it() -> None:
    with meters(says(JY_SAID)) as line:
        async with connect(settings(line, 800), Random(1), lambda: NOW_MS) as bus:
            with pytest.raises(NoAnswer, match="kind 20 at .*, 901F: no valid answer"):
                await one_round(bus.meter(wanted(HEAT, Address(JY_AT))))


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("05", (1_234_560, -3)),  # kWh
        ("08", (1_234_560_000, -3)),  # MWh
        ("11", (342_933_333, -3)),  # GJ: 342933.333... kWh, to the thousandth
        ("0E", (342_933, -3)),  # MJ
    ],
)
async def test_the_unit_is_the_one_in_the_answer(unit: str, expected: Value) -> None:
    data = bytes.fromhex(
        f"00 00 00 00 {unit} 56 34 12 00 {unit} 00 00 00 00 17 00 00 00 00 35 00 00 00 00 2C"
        " 00 50 00 00 40 00 00 00 00 00 00 00 00 00 00 00 00 00"
    )

    def heat(request: Request, line: MeterLine[Request]) -> None:
        line.say(codec.answer_frame(request, codec.Answer(codec.HEAT, JY_AT, data)))

    with meters(heat) as line:
        async with connect(settings(line), Random(1), lambda: NOW_MS) as bus:
            assert (await one_round(bus.meter(wanted(HEAT, Address(JY_AT)))))["heat_energy"] == (
                expected
            )


async def test_a_counter_in_a_unit_of_something_else_shows_the_profile_wrong() -> None:
    said = WATER_SAID.replace("60 00 00 00 2C 60", "60 00 00 00 05 60").replace("DC 16", "B5 16")
    with meters(says(said)) as line:
        async with connect(settings(line), Random(1), lambda: NOW_MS) as bus:
            with pytest.raises(BadData, match="water_volume came in kWh; is this the right"):
                await one_round(bus.meter(wanted(WATER, Address(WATER_AT))))


def water(kind: int, address: str) -> Script:
    data = bytes.fromhex("00 23 01 00 2C 00 00 00 00 2C 00 00 00 00 00 00 00 00 00")

    def answer(request: Request, line: MeterLine[Request]) -> None:
        if codec.matches(request, kind, address):
            said = codec.Answer(kind, address)
            if request.control == codec.READ:
                said = codec.Answer(kind, address, data)
            line.say(codec.answer_frame(request, said))

    return answer


@pytest.mark.parametrize("told", [None, True])
async def test_the_other_byte_order_is_found_out_or_told(told: bool | None) -> None:
    with meters(water(16, WATER_AT), di_reversed=True) as line:
        async with connect(settings(line, 800), Random(1), lambda: NOW_MS) as bus:
            meter = bus.meter(wanted(WATER, Address(WATER_AT, di_reversed=told)))
            if told is None:
                with pytest.raises(NoAnswer):
                    await one_round(meter)
            for _ in range(3):
                assert await one_round(meter) == {"water_volume": (12_300_000, -5)}
    assert [request.serial for request in line.asked] == ([2, 3, 4] if told is None else [1, 2, 3])


async def test_a_byte_order_that_was_answered_once_is_kept_when_the_meter_falls_silent() -> None:
    awake = True

    def dozing(request: Request, line: MeterLine[Request]) -> None:
        if awake:
            water(16, WATER_AT)(request, line)

    with meters(dozing) as line:
        async with connect(settings(line, 800), Random(1), lambda: NOW_MS) as bus:
            meter = bus.meter(wanted(WATER, Address(WATER_AT)))
            await one_round(meter)
            awake = False
            with pytest.raises(NoAnswer):
                await one_round(meter)
            awake = True
            assert await one_round(meter)


async def test_a_meter_may_be_of_another_kind_than_its_profile() -> None:
    with meters(water(codec.HOT_WATER, WATER_AT)) as line:
        async with connect(settings(line, 800), Random(1), lambda: NOW_MS) as bus:
            hot = bus.meter(wanted(WATER, Address(WATER_AT, kind="11")))
            assert await one_round(hot) == {"water_volume": (12_300_000, -5)}
            with pytest.raises(NoAnswer):
                await one_round(bus.meter(wanted(WATER, Address(WATER_AT))))


async def test_a_gas_meter_is_read_like_a_water_meter() -> None:
    with meters(water(codec.GAS, WATER_AT)) as line:
        async with connect(settings(line), Random(1), lambda: NOW_MS) as bus:
            meter = bus.meter(wanted(GAS, Address(WATER_AT)))
            assert await one_round(meter) == {"gas_volume": (12_300_000, -5)}


async def test_the_answer_to_an_earlier_request_is_none() -> None:
    def stale(request: Request, line: MeterLine[Request]) -> None:
        line.say(bytes.fromhex(WATER_SAID))  # always number 01

    with meters(stale) as line:
        async with connect(settings(line, 800), Random(1), lambda: NOW_MS) as bus:
            meter = bus.meter(wanted(WATER, Address(WATER_AT)))
            assert await one_round(meter)
            with pytest.raises(NoAnswer, match="no valid answer"):
                await one_round(meter)


async def test_a_refusal_is_told_with_the_meters_state() -> None:
    def refuse(request: Request, line: MeterLine[Request]) -> None:
        refused = codec.Answer(16, WATER_AT, refusal=b"\x04\x00")
        line.say(codec.answer_frame(request, refused))

    with meters(refuse) as line:
        async with connect(settings(line), Random(1), lambda: NOW_MS) as bus:
            with pytest.raises(Refused, match="refused, its state is 04 00") as refused:
                await one_round(bus.meter(wanted(WATER, Address(WATER_AT))))
            assert refused.value.code == 4


@pytest.mark.parametrize("di_reversed", [False, True])
async def test_one_meter_alone_says_its_address_and_what_it_is(di_reversed: bool) -> None:
    known = {"water": WATER, "heat": HEAT, "gas": GAS}
    with meters(water(16, WATER_AT), di_reversed) as line:
        async with connect(settings(line, 800), Random(1), lambda: NOW_MS) as bus:
            assert isinstance(bus, Searchable)
            looked = [step async for step in bus.search(known, 1, 247)]
    address = {"address": WATER_AT, "kind": "10", "di_reversed": di_reversed}
    identity = {"address": WATER_AT, "kind": "10"}
    assert looked[-1].found == Found(address, identity, ("water",), "likely", "CJ/T 188, kind 10")
    assert len(looked) == (2 if di_reversed else 1)
    assert Address(**address) == Address(WATER_AT, "10", di_reversed)  # type: ignore[arg-type]


async def test_nobody_there_is_found_out_in_two_steps() -> None:
    with meters(lambda _request, _line: None) as line:
        async with connect(settings(line, 800), Random(1), lambda: NOW_MS) as bus:
            looked = [step async for step in bus.search({"water": WATER}, 1, 247)]
    assert [(step.done, step.of, step.found) for step in looked] == [(1, 2, None), (2, 2, None)]


async def test_a_quantity_the_kind_has_not_is_refused_by_name() -> None:
    async with connect(Settings(device="/dev/null"), Random(1), lambda: NOW_MS) as bus:
        with pytest.raises(ProfileError, match="no flow; it has water_volume"):
            bus.meter(wanted(WATER, Address(WATER_AT), "flow"))


@pytest.mark.parametrize(
    "wrong", [{"address": "1"}, {"address": "AA" * 7}, {"address": WATER_AT, "kind": "1"}]
)
def test_what_is_no_address_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="digits in quotes"):
        Address(**wrong)  # type: ignore[arg-type]
