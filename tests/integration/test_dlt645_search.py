"""Our DL/T 645 driver looking for meters on a pseudo terminal."""

from random import Random

from edge_agent import profiles
from edge_agent.drivers import Found, Searchable
from edge_agent.drivers.dlt645 import Address, connect
from edge_agent.profiles.dlt645 import Profile
from edge_agent.protocols import bcd
from edge_agent.protocols import dlt645 as codec
from edge_agent.protocols.dlt645 import Request
from tests.integration.dlt645_meters import Script, Scripted, meters, settings
from tests.integration.pty_meters import MeterLine

THREE_PHASE = profiles.load_as(Profile, "dlt645_2007")
SINGLE_PHASE = profiles.load_as(Profile, "dlt645_2007_single_phase")
OF_1997 = profiles.load_as(Profile, "dlt645_1997")
PHASE1, OLD = "201000000012", "010003635927"
NOW_MS = 1_790_000_000_000
# published: see test_protocols_dlt645.py, «c1997»
OLD_ENERGY = "FE FE FE FE 68 27 59 63 03 00 01 68 81 06 43 C3 AC 59 47 33 C3 16"


async def found(script: Script, timeout_ms: int = 500, **known: Profile) -> list[Found]:
    with meters(script) as line:
        fast = settings(line, timeout_ms=timeout_ms, baud=115200)
        async with connect(fast, Random(1), lambda: NOW_MS) as bus:
            assert isinstance(bus, Searchable)
            return [looked.found async for looked in bus.search(known, 1, 247) if looked.found]


def single_phase(number: int) -> dict[str, bytes | int]:
    power, volts = bcd.write_number("-XX.XXXX", number), bcd.write_number("XXX.X", 2300)
    return {
        "00010000": bcd.write_number("XXXXXX.XX", number),
        "02010100": volts,
        "02020100": power,
        "02030000": power,
        "04000402": bcd.from_text(f"{number:012}"),
    }


KNOWN = {"three": THREE_PHASE, "one": SINGLE_PHASE, "old": OF_1997}


async def test_one_meter_alone_says_its_address_and_what_it_is() -> None:
    (only,) = await found(Scripted(m201000000012=single_phase(7)), **KNOWN)
    identity = {"address": PHASE1, "serial": "000000000007"}
    why = "DL/T 645-2007; has 4 of 15 values asked for"
    assert only == Found({"address": PHASE1}, identity, ("one",), "likely", why)
    assert Address(**only.address) == Address(PHASE1)  # type: ignore[arg-type]


async def test_meters_that_answer_at_once_are_told_apart_digit_by_digit() -> None:
    numbers = "201000000012", "201000003412", "000000000077"
    script = Scripted(**{f"m{a}": single_phase(n) for n, a in enumerate(numbers)})
    # It asks 200 times and waits each time: short, unless the machine was too busy for that.
    for timeout_ms in (12, 60, 200):
        those = await found(script, timeout_ms, one=SINGLE_PHASE)
        if (names := {each.address["address"] for each in those}) == set(numbers):
            break
    assert names == set(numbers)


async def test_two_meters_that_answer_one_after_the_other_are_both_heard() -> None:
    script = Scripted(m000000000001=single_phase(1), m000000000002=single_phase(2))

    def politely(request: Request, line: MeterLine[Request]) -> None:
        for address in script.meters:
            if codec.matches(request.address, address):
                line.say(script.answer(address, request))

    names = [one.address["address"] for one in await found(politely, one=SINGLE_PHASE)]
    assert names == ["000000000001", "000000000002"]


async def test_a_meter_of_1997_is_found_by_a_read() -> None:
    def old(request: Request, line: MeterLine[Request]) -> None:
        if request.control == codec.READ_1997 and codec.matches(request.address, OLD):
            refusal = codec.answer_frame(request, codec.Answer(OLD, error=2))
            line.say(bytes.fromhex(OLD_ENERGY) if request.di == "9010" else refusal)

    (only,) = await found(old, three=THREE_PHASE)
    assert (only.address, only.profiles) == ({"address": OLD}, ())
    assert only.why.startswith("DL/T 645-1997")


async def test_a_line_that_is_never_quiet_ends_the_search() -> None:
    with meters(lambda _, line: line.say(b"\x00\x68\x55")) as line:
        fast = settings(line, timeout_ms=5, baud=115200)
        async with connect(fast, Random(1), lambda: NOW_MS) as bus:
            steps = [looked async for looked in bus.search({"one": SINGLE_PHASE}, 1, 247)]
    assert len(steps) < 200
    assert not any(looked.found for looked in steps)
