"""Our read-out driver on pseudo terminals, where read-outs others published are told: in every
mode and at every speed, late, broken, foreign and without end."""

import asyncio
import os
import pty
import socket
import time
import tty
from collections.abc import Callable
from fractions import Fraction
from random import Random

import pytest

from edge_agent import profiles
from edge_agent.bus import Searchable, Wanted, WrongMeter
from edge_agent.drivers.iec62056_21 import Address, Settings, connect, cost
from edge_agent.line import LinkLost, NoAnswer
from edge_agent.protocols.iec62056_21 import readout_bytes, seven_bits, with_parity
from tests.integration.iec_meters import (
    GREETED,
    Clock,
    Meter,
    find,
    greeting,
    made,
    meter,
    read,
    settings,
    told,
    values,
)
from tests.integration.pty_meters import MeterLine
from wire.errors import BadData, ProfileError


async def test_mode_c_is_greeted_at_300_and_read_at_the_speed_it_offers() -> None:
    lem = Meter("lem_em4tii")
    with MeterLine(find, lem) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            each = meter(bus, "iec62056_21_electricity")
            assert await each.identify() == {
                "model": "EMH5\\@D4EM4TIIW001--",
                "serial": "03878504",
            }
            answer = await read(each)
            assert set(values(answer).values()) == {0}
            assert set(answer.values) == {
                *("active_energy_import", "active_energy_export"),
                *("reactive_energy_import", "reactive_energy_export"),
            }
            assert len(each.absent) == 7, "what its list leaves out is not missed"
            await read(each)
    assert line.asked == [GREETED, b"\x06050\r\n"] * 2, (
        "the first read-out identified it and served"
    )
    assert lem.speeds == [300, 9600, 300, 9600]
    assert answer.shown()["active_energy_import"] == ("1.8.0", "(000000000.0*kWh)")


async def test_mode_b_changes_its_speed_by_itself_and_wants_to_be_woken() -> None:
    heat = Meter("landis_gyr_uh50")
    with MeterLine(find, heat) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            each = meter(bus, "landis_gyr_uh50")
            assert (await each.identify())["serial"] == "66153690"
            answer = await read(each)
    # 328.871 GJ are 91353.05555... kWh.
    assert answer.values == {"heat_energy": (91_353_055_556, -6)}
    assert line.asked == [bytes(40) + GREETED]
    assert heat.speeds == [300, 2400]


async def test_mode_a_stays_at_its_speed_and_may_write_a_comma() -> None:
    """Its maker's own codes, from a made profile: a Kamstrup 382 as somebody read it out."""
    profile = made(
        'active_energy_import = { code = "1.20", unit = "kWh", decimals = 3 }\n'
        'active_power = { code = "1.6", unit = "W", decimals = 3 }'
    )
    kamstrup = Meter("kamstrup_382")
    with MeterLine(find, kamstrup) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            answer = await read(meter(bus, profile))
    assert values(answer) == {"active_energy_import": 83038, "active_power": 7400}
    assert kamstrup.speeds == [300, 300]


async def test_mode_a_may_leave_out_the_check() -> None:
    def plain(said: bytes) -> bytes:
        return said[1:-2]  # without STX, ETX and check

    with MeterLine(find, Meter("kamstrup_382", plain)) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            profile = made('active_energy_import = { code = "1.20", unit = "kWh", decimals = 3 }')
            assert values(await read(meter(bus, profile))) == {"active_energy_import": 83038}


@pytest.mark.parametrize(
    ("profile", "name", "expected"),
    [
        ("iec62056_21_electricity", "landis_gyr_e350", {"active_energy_import": "65.3", "active_energy_export": "3.5"}),
        ("iec62056_21_two_tariffs", "landis_gyr_e350", {"active_energy_import": "65.3", "active_energy_export": "1.5"}),
        ("iec62056_21_electricity", "landis_gyr_zmd120", {"active_energy_import": "1846", "active_energy_export": "4329.6"}),
        ("iec62056_21_two_tariffs", "landis_gyr_zmd120", {"active_energy_import": "1846", "active_energy_export": "4329.6"}),
        ("iec62056_21_heat", "landis_gyr_uh50", {"heat_energy": "91353.055556"}),
    ],
)  # fmt: skip
async def test_a_published_read_out_through_its_profile(
    profile: str, name: str, expected: dict[str, str]
) -> None:
    with MeterLine(find, Meter(name)) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            answer = await read(meter(bus, profile))
    assert values(answer) == {q: Fraction(figure) for q, figure in expected.items()}


async def test_its_values_have_the_time_at_which_they_began() -> None:
    class Slow(Meter):
        def __call__(self, said: bytes, line: MeterLine[bytes]) -> None:
            if said == GREETED:
                line.say(greeting("landis_gyr_e350"))
                return
            whole = told("landis_gyr_e350")
            for at in range(0, len(whole), 12):
                line.say(whole[at : at + 12])
                time.sleep(0.1)

    with MeterLine(find, Slow("landis_gyr_e350")) as line:

        def now_ms() -> int:
            return time.time_ns() // 1_000_000

        async with connect(settings(line), Random(1), now_ms) as bus:
            answer = await read(meter(bus, "iec62056_21_electricity"))
            assert now_ms() - answer.t_ms >= 1000, (
                "longer than timeout_ms, but never silent so long"
            )
    assert values(answer)["active_energy_import"] == Fraction("65.3")


async def test_one_of_several_is_called_by_its_number() -> None:
    first, second = Meter("landis_gyr_e350"), Meter("landis_gyr_zmd120")
    first.number, second.number = "74892473", "20000"

    def both(said: bytes, line: MeterLine[bytes]) -> None:
        called = {b"/?74892473!\r\n": first, b"/?20000!\r\n": second}
        if said in called:
            both_called.append(called[said])
        if both_called:
            both_called[-1](said, line)

    both_called: list[Meter] = []
    with MeterLine(find, both) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            asked = [meter(bus, "iec62056_21_electricity", n) for n in ("20000", "74892473")]
            energies = [values(await read(each))["active_energy_import"] for each in asked]
            assert energies == [1846, Fraction("65.3")]
            with pytest.raises(NoAnswer, match="meter 3 at .*: no answer in 1000 ms"):
                await read(meter(bus, "iec62056_21_electricity", "3"))


def flipped(said: bytes) -> bytes:
    return said[:100] + bytes((said[100] ^ 0x01,)) + said[101:]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(flipped, id="a flipped bit"),
        pytest.param(lambda said: said[:-1] + bytes((said[-1] ^ 0x82 ^ 0x01,)), id="a wrong check"),
        pytest.param(lambda said: said[:200], id="half a read-out"),
        pytest.param(lambda said: said[1:], id="its beginning lost"),
    ],
)
async def test_a_broken_read_out_is_none(spoil: Callable[[bytes], bytes]) -> None:
    with MeterLine(find, Meter("landis_gyr_uh50", spoil)) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            each = meter(bus, "iec62056_21_heat")
            with pytest.raises(NoAnswer, match="no valid answer"):
                await read(each)
            assert each.tally.garbled == 1


async def test_noise_and_an_echo_do_not_hide_an_answer() -> None:
    class Noisy(Meter):
        def __call__(self, said: bytes, line: MeterLine[bytes]) -> None:
            line.say(with_parity(said) + b"\x7f\xff")  # an optical head hears itself
            super().__call__(said, line)

    with MeterLine(find, Noisy("lem_em4tii")) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            answer = await read(meter(bus, "iec62056_21_electricity"))
    assert values(answer)["active_energy_import"] == 0


async def test_a_late_read_out_is_not_taken_for_the_next() -> None:
    """The first meter's comes when the second is due to be greeted."""
    first, second = Meter("landis_gyr_zmd120"), Meter("landis_gyr_e350")
    first.reaction_s = 1.6  # the driver waits 1.2 s for it, and lets as long go by

    def script(said: bytes, line: MeterLine[bytes]) -> None:
        (first if len(line.asked) <= 2 else second)(said, line)

    with MeterLine(find, script) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            each = meter(bus, "iec62056_21_electricity")
            with pytest.raises(NoAnswer):
                await read(each)
            assert values(await read(each))["active_energy_import"] == Fraction("65.3")


async def test_a_meter_that_talks_on_and_on_is_left() -> None:
    """One that pushes its telegrams unasked, in a mode of its own."""

    def endless(_said: bytes, line: MeterLine[bytes]) -> None:
        for _ in range(12):
            line.say(with_parity(b"1-0:1.8.0*255(000001.2963)\r\n" * 2))
            time.sleep(0.05)

    with MeterLine(find, endless) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            each = meter(bus, "iec62056_21_electricity")
            with pytest.raises(NoAnswer, match="talks on and on") as raised:
                await read(each)
            assert raised.value.garbled


@pytest.mark.parametrize("text", ["ERROR", "------", "", "12:00"])
async def test_an_error_text_is_not_measured(text: str) -> None:
    def erring(said: bytes, line: MeterLine[bytes]) -> None:
        line.say(
            greeting("landis_gyr_e350")
            if said == GREETED
            else readout_bytes(f"1.8.0({text})\r\n2.8.0(000003.5*kWh)\r\n!\r\n")
        )

    with MeterLine(find, erring) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            answer = await read(meter(bus, "iec62056_21_electricity"))
    assert answer.values == {"active_energy_import": None, "active_energy_export": (3_500_000, -6)}


async def test_what_does_not_fit_the_profile_is_told() -> None:
    with MeterLine(find, Meter("landis_gyr_e350")) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            with pytest.raises(BadData, match="tells no 6.8; every any heat meter"):
                await read(meter(bus, "iec62056_21_heat"))
            power = made('active_power = { code = "1.8.0", unit = "W", decimals = 3 }')
            with pytest.raises(BadData, match="tells 1.8.0 in kWh; its profile says W"):
                await read(meter(bus, power))
            with pytest.raises(WrongMeter, match="says it is LGZ0ZCF100AC.MXX; .* says LUG"):
                await meter(bus, "landis_gyr_uh50").identify()
            with pytest.raises(ProfileError, match="no water_volume; it has heat_energy"):
                bus.meter(
                    Wanted("m", profiles.load("iec62056_21_heat"), Address(), ("water_volume",))
                )


async def test_a_code_of_two_channels_is_told_unless_the_profile_says_which() -> None:
    def two(said: bytes, line: MeterLine[bytes]) -> None:
        line.say(
            greeting("landis_gyr_e350")
            if said == GREETED
            else readout_bytes("1-1:1.8.0(1*kWh)\r\n1-2:1.8.0(2*kWh)\r\n!\r\n")
        )

    with MeterLine(find, two) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            either = made('active_energy_import = { code = "1.8.0", unit = "kWh", decimals = 3 }')
            with pytest.raises(BadData, match=r"tells 1\.8\.0 more than once"):
                await read(meter(bus, either))
            one = made('active_energy_import = { code = "1-2:1.8.0", unit = "kWh", decimals = 3 }')
            assert values(await read(meter(bus, one))) == {"active_energy_import": 2}


async def test_at_one_speed_the_meter_is_told_to_stay() -> None:
    lem = Meter("lem_em4tii")
    with MeterLine(find, lem) as line:
        fixed = settings(line, baud=4800, switch_speed=False)
        async with connect(fixed, Random(1), Clock()) as bus:
            await read(meter(bus, "iec62056_21_electricity"))
    assert line.asked == [GREETED, b"\x06040\r\n"]
    assert lem.speeds == [4800, 4800]


async def test_through_a_gateway_that_removes_the_parity() -> None:
    gone = asyncio.Event()

    async def gateway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while said := await reader.readline():
            is_confirmed = b"\x06" in said
            answer = told("landis_gyr_uh50") if is_confirmed else greeting("lem_em4tii")
            writer.write(seven_bits(answer))
        writer.close()
        await writer.wait_closed()
        gone.set()

    server = await asyncio.start_server(gateway, "127.0.0.1", 0, family=socket.AF_INET)
    port = server.sockets[0].getsockname()[1]
    given = Settings(host="127.0.0.1", port=port, timeout_ms=10_000)
    async with connect(given, Random(1), Clock()) as bus:
        heat = values(await read(meter(bus, "iec62056_21_heat")))
    assert heat == {"heat_energy": Fraction("91353.055556")}
    await gone.wait()
    server.close()


async def test_a_search_finds_the_meter_that_is_alone() -> None:
    known = {name: profiles.load(name, allow_unverified=True) for name in profiles.names()}
    with MeterLine(find, Meter("landis_gyr_uh50")) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            assert isinstance(bus, Searchable)
            (looked,) = [step async for step in bus.search(known, 0, 250)]
    assert looked.found is not None
    assert looked.found.profiles == ("landis_gyr_uh50", "iec62056_21_heat")
    assert looked.found.sure == "likely"
    assert looked.found.identity == {"model": "LUGCUH50"}
    with MeterLine(find, lambda _said, _line: None) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            assert [step.where async for step in bus.search(known, 0, 250)] == ["whoever is alone"]


async def test_a_port_that_vanishes_in_a_read_out_is_told_at_once() -> None:
    async with connect(Settings(device="/dev/serial/by-id/none"), Random(1), Clock()) as bus:
        with pytest.raises(LinkLost, match="is the adapter plugged in"):
            await read(meter(bus, "iec62056_21_heat"))
    master, slave = os.openpty()
    given = Settings(device=os.ttyname(slave), timeout_ms=60_000)
    async with connect(given, Random(1), Clock()) as bus:
        reading = asyncio.create_task(read(meter(bus, "iec62056_21_heat")))
        await asyncio.sleep(0.1)
        os.close(slave)
        os.close(master)
        began = time.monotonic()
        with pytest.raises(LinkLost):
            await reading
        assert time.monotonic() - began < 30


async def test_a_port_that_vanishes_between_two_read_outs_is_a_lost_link() -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    port = Settings(device=os.ttyname(slave), timeout_ms=10_000)

    def tell_once() -> None:
        heard = b""
        while GREETED not in heard:
            heard += seven_bits(os.read(master, 64))
        os.write(master, greeting("kamstrup_382") + told("kamstrup_382"))

    async with connect(port, Random(1), Clock()) as bus:
        await asyncio.gather(bus.read_out("", 0), asyncio.to_thread(tell_once))
        os.close(master)
        os.close(slave)
        with pytest.raises(LinkLost, match=r"/dev/pts/\d+ cannot be opened"):
            await bus.read_out("", 0)


def test_what_a_read_out_takes() -> None:
    wanted = Wanted("m", profiles.load("iec62056_21_heat"), Address(), ("heat_energy",))
    quick = cost(Settings(device="/dev/null"), wanted)
    slow = cost(Settings(device="/dev/null", switch_speed=False), wanted)
    assert 2 < quick.seconds < 5
    assert 25 < slow.seconds < 35
