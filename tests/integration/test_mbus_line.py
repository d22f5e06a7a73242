"""Our M-Bus driver on pseudo terminals, where meters answer as others captured them: in one telegram
or several, selected, late, foreign, noisy or wrong."""

import asyncio
import socket
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest

from edge_agent import profiles
from edge_agent.bus import Refused, Wanted, WrongMeter
from edge_agent.drivers.mbus import Address, Settings, connect
from edge_agent.line import NoAnswer
from edge_agent.protocols import mbus as codec
from edge_agent.protocols.mbus import Frame, find_request, frame_bytes
from edge_agent.protocols.mbus_records import sender
from tests.integration.mbus_meters import (
    FRAMES,
    KAMSTRUP,
    NOW_MS,
    Clock,
    Meters,
    answer_body,
    meter,
    read,
    settings,
    told,
)
from tests.integration.pty_meters import MeterLine
from wire.errors import BadData, ProfileError

Script = Callable[[Frame, MeterLine[Frame]], None]

# What libmbus prints for the same frame (its .norm.xml), in the quantity's unit.
PUBLISHED: list[tuple[str, str, dict[str, str]]] = [
    ("kamstrup_multical_601", "kamstrup_multical_601", {"heat_energy": "37351", "flow": "0.543", "temperature": "101.69"}),
    ("mbus_heat", "kamstrup_multical_601", {"heat_energy": "37351"}),
    ("mbus_heat", "metrona_ultraheat_xs", {"heat_energy": "19969", "flow": "0"}),
    ("mbus_heat", "sen_pollusonic_2", {"heat_energy": "6531"}),
    ("landis_gyr_ultraheat", "metrona_ultraheat_xs", {"heat_energy": "19969", "temperature": "0"}),
    ("landis_gyr_ultraheat", "landis+gyr_ultraheat_t230", {"heat_energy": "0", "temperature": "19.5"}),
    ("engelmann_sensostar", "EFE_Engelmann-Elster-SensoStar-2", {"heat_energy": "0", "temperature": "22"}),
    ("itron_cf_echo_2", "itron_cf_echo_2", {"heat_energy": "0", "temperature": "20.5"}),
    ("diehl_sharky", "abb_f95", {"heat_energy": "0", "temperature": "20.4"}),
    ("diehl_sharky", "hydrometer_sharky", {"heat_energy": "0", "temperature": "17.4"}),
    ("engelmann_waterstar", "EFE_Engelmann-WaterStar", {"water_volume": "0.332", "flow": "0"}),
    ("mbus_water", "EFE_Engelmann-WaterStar", {"water_volume": "0.332"}),
    ("mbus_water", "frame2", {"water_volume": "12.565"}),
    ("itron_cyble_water", "ACW_Itron-CYBLE-M-Bus-14", {"water_volume": "0.031"}),
    ("itron_cyble_gas", "itron_cyble_m-bus_v1.4_gas", {"gas_volume": "0.26"}),
    ("mbus_gas", "oms_frame1", {"gas_volume": "28504.27"}),
    ("abb_b23_mbus", "abb_delta", {"active_energy_import": "0", "reactive_energy_import": "0"}),
    ("kamstrup_382", "kamstrup_382_005", {"active_energy_import": "0", "active_power": "0"}),
    ("mbus_electricity", "kamstrup_382_005", {"active_energy_import": "0"}),
    ("nzr_dhz", "nzr_dhz_5_63", {"active_energy_import": "1.274", "voltage_l1": "237.2"}),
    ("saia_ale3_mbus", "SBC_Saia-Burgess-ALE3", {"active_energy_import": "2.99", "voltage_l1": "223", "active_power": "0"}),
    ("finder_7e23_mbus", "FIN-Finder-7E.23.8.230.0020", {"active_energy_import": "1728.68", "voltage_l1": "230", "current_l1": "0.6"}),
    ("emu_professional_mbus", "EMU_EMU-Professional-375-M-Bus", {"active_energy_import": "1.364", "active_power": "-2", "voltage_l1": "225.7", "current_l1": "-0.066"}),
]  # fmt: skip


@pytest.mark.parametrize(("profile", "name", "values"), PUBLISHED)
async def test_a_captured_telegram_read_through_its_profile(
    profile: str, name: str, values: dict[str, str]
) -> None:
    with MeterLine(find_request, Meters({5: [FRAMES[name]]})) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            each = meter(bus, profile, 5, *values)
            identity = await each.identify()
            answers = await read(each)
    assert told(answers) == {q: Fraction(figure) for q, figure in values.items()}
    assert identity["serial"] == sender(answer_body(FRAMES[name])).number  # type: ignore[union-attr]
    assert len(line.asked) == 2, "what identifies the meter brought its values"
    assert answers[0].t_ms == NOW_MS + 1


def test_every_profile_but_one_has_a_captured_telegram() -> None:
    ours = {
        name
        for name in profiles.names()
        if profiles.load(name, allow_unverified=True).protocol == "mbus"
    }
    assert ours - {profile for profile, _, _ in PUBLISHED} == {"mbus_cooling"}


async def test_a_line_of_2400_baud_with_even_parity() -> None:
    with MeterLine(find_request, Meters({5: [FRAMES["kamstrup_382_005"]]})) as line:
        async with connect(Settings(device=line.path), Random(1), Clock()) as bus:
            each = meter(bus, "kamstrup_382")
            assert told(await read(each)) == {"active_energy_import": 0, "active_power": 0}
        assert each.tally.answered == 2


async def test_several_telegrams_are_asked_for_by_turns_each_with_its_own_time() -> None:
    """abb_delta announces a further telegram; the A43's next one begins as NZR's does."""
    head = FRAMES["abb_delta"][7:19]
    second = frame_bytes(Frame(0x08, 5, 0x72, head + bytes.fromhex("04 2B 39 30 00 00")))
    with MeterLine(find_request, Meters({5: [FRAMES["abb_delta"], second]})) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            each = meter(bus, "abb_b23_mbus", 5, "active_energy_import", "active_power")
            first, last = await read(each)
            assert (await read(each))[1].values == {"active_power": (12_345_000, -3)}
            few = meter(bus, "abb_b23_mbus", 5, "active_energy_import")
            assert len(await read(few)) == 1, "what is not wanted is not asked for"
    assert first.values == {"active_energy_import": (0, -6)}
    assert last.t_ms > first.t_ms
    controls = [frame.control for frame in line.asked]
    assert controls == [0x40, 0x7B, 0x5B, 0x40, 0x7B, 0x5B, 0x40, 0x7B]


async def test_a_telegram_missing_in_the_middle_costs_only_its_own_values() -> None:
    meters = Meters({5: [FRAMES["abb_delta"]]})

    def once(request: Frame, line: MeterLine[Frame]) -> None:
        if request.control != 0x5B:
            meters(request, line)

    with MeterLine(find_request, once) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            each = meter(bus, "abb_b23_mbus", 5, "active_energy_import", "active_power")
            assert told(await read(each)) == {"active_energy_import": 0}
            assert [why for why in each.missed if "no answer in 1000 ms" in why]


async def test_a_meter_that_never_ends_is_left_after_a_while() -> None:
    with MeterLine(find_request, Meters({5: [FRAMES["abb_delta"]]})) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            answers = await read(
                meter(bus, "abb_b23_mbus", 5, "active_energy_import", "active_power")
            )
    assert len(answers) == 16


def late(seconds: float, meters: Script) -> Script:
    def script(request: Frame, line: MeterLine[Frame]) -> None:
        if request.control == 0x7B and len(line.asked) == 2:
            time.sleep(seconds)
        meters(request, line)

    return script


async def test_a_late_telegram_is_not_taken_for_the_next_meters() -> None:
    meters = Meters({5: [KAMSTRUP], 6: [FRAMES["metrona_ultraheat_xs"]]})
    with MeterLine(find_request, late(1.7, meters)) as line:
        # The driver waits 1.1 s for it, and lets as long go by.
        async with connect(settings(line), Random(1), Clock()) as bus:
            with pytest.raises(NoAnswer):
                await read(meter(bus, "mbus_heat", 5))
            assert told(await read(meter(bus, "mbus_heat", 6)))["heat_energy"] == 19969
            assert told(await read(meter(bus, "mbus_heat", 5)))["heat_energy"] == 37351


def _another(good: bytes) -> bytes:
    return frame_bytes(Frame(0x08, 6, 0x72, answer_body(FRAMES["metrona_ultraheat_xs"]).data))


SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "a stray 68 before": lambda good: b"\x68" + good,
    "an e5 before": lambda good: b"\xe5" + good,
    "the echo of our own request": lambda good: codec.request(5, toggle=True) + good,
    "noise behind": lambda good: good + b"\x55\xaa",
    "another meter's answer first": lambda good: _another(good) + good,
    "a flipped bit first": lambda good: good[:60] + bytes((good[60] ^ 4,)) + good[61:] + good,
    "half a telegram first": lambda good: good[:100] + good,
}


@pytest.mark.parametrize("spoilt", SPOILT)
async def test_one_sound_answer_among_anything_else_is_found(spoilt: str) -> None:
    good = frame_bytes(Frame(0x08, 5, 0x72, answer_body(KAMSTRUP).data))

    def script(request: Frame, line: MeterLine[Frame]) -> None:
        line.say(codec.ACK if request.control == codec.SND_NKE else SPOILT[spoilt](good))

    with MeterLine(find_request, script) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            assert told(await read(meter(bus, "mbus_heat")))["heat_energy"] == 37351


WRONG: dict[str, Callable[[bytes], bytes]] = {
    "a flipped bit": lambda good: good[:60] + bytes((good[60] ^ 4,)) + good[61:],
    "another meter's answer": _another,
    "half a telegram": lambda good: good[:100],
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_answer_alone_is_none(wrong: str) -> None:
    good = frame_bytes(Frame(0x08, 5, 0x72, answer_body(KAMSTRUP).data))

    def script(request: Frame, line: MeterLine[Frame]) -> None:
        line.say(codec.ACK if request.control == codec.SND_NKE else WRONG[wrong](good))

    with MeterLine(find_request, script) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            each = meter(bus, "mbus_heat")
            with pytest.raises(NoAnswer, match="no valid answer"):
                await read(each)
            assert each.tally.garbled == 1


async def test_a_meter_chosen_by_its_secondary_address() -> None:
    # Both have the primary address of a meter nobody has configured.
    both = Meters({0: [KAMSTRUP], 7: [FRAMES["metrona_ultraheat_xs"]]})
    with MeterLine(find_request, both) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            whole, number = "068558172D2C0804", "01810054"
            assert told(await read(meter(bus, "mbus_heat", whole)))["heat_energy"] == 37351
            assert told(await read(meter(bus, "mbus_heat", number)))["heat_energy"] == 19969
            assert told(await read(meter(bus, "mbus_heat", "0685FFFF")))["heat_energy"] == 37351
            with pytest.raises(NoAnswer, match="meter 12345678FFFFFFFF at"):
                await read(meter(bus, "mbus_heat", "12345678"))
    assert frame_bytes(line.asked[0])[:7] == bytes.fromhex("68 0B 0B 68 53 FD 52")
    assert {frame.address for frame in line.asked} == {253}


async def test_a_selected_meter_must_say_its_name() -> None:
    """Another meter that stayed selected answers at 253 as well."""

    def stubborn(request: Frame, line: MeterLine[Frame]) -> None:
        line.say(codec.ACK if request.ci else FRAMES["metrona_ultraheat_xs"])

    with MeterLine(find_request, stubborn) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            with pytest.raises(NoAnswer, match="no valid answer"):
                await read(meter(bus, "mbus_heat", "06855817"))


async def test_an_exchanged_meter_is_recognised_before_its_values_are_taken() -> None:
    meters = {5: [KAMSTRUP]}

    def whoever_is_there(request: Frame, line: MeterLine[Frame]) -> None:
        Meters(meters)(request, line)

    with MeterLine(find_request, whoever_is_there) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            each = meter(bus, "mbus_heat", 5, "heat_energy")
            assert (await each.identify())["serial"] == "06855817"
            assert (await each.identify())["model"] == "KAM 8 heat"
            await read(each)
            meters[5] = [FRAMES["metrona_ultraheat_xs"]]
            with pytest.raises(NoAnswer, match="068558172D2C0804 does not answer, but 01810054"):
                await read(each)
            assert (await each.identify())["serial"] == "01810054"
            assert told(await read(each)) == {"heat_energy": 19969}


async def test_another_model_than_the_profiles_is_told() -> None:
    with MeterLine(find_request, Meters({5: [FRAMES["nzr_dhz_5_63"]]})) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            with pytest.raises(WrongMeter, match="says it is NZR 1 electricity; .* any maker"):
                await meter(bus, "mbus_heat").identify()
            with pytest.raises(WrongMeter, match="says it is NZR 1 electricity"):
                await read(meter(bus, "mbus_heat"))
            with pytest.raises(ProfileError, match="no water_volume; it has heat_energy"):
                meter(bus, "mbus_heat", 5, "water_volume")


async def test_values_of_an_hour_ago_are_no_values() -> None:
    """A Landis+Gyr G350 tells its volume of the last full hour, in storage 1."""
    with MeterLine(find_request, Meters({5: [FRAMES["LGB_G350"]]})) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            with pytest.raises(BadData, match="tells nothing that is gas_volume"):
                await read(meter(bus, "mbus_gas"))


@pytest.mark.parametrize(("second", "values"), [(1, {"heat_energy": 1}), (2, None)])
async def test_a_value_told_twice_must_be_the_same(
    second: int, values: dict[str, int] | None
) -> None:
    twice = bytes.fromhex(f"04 06 01 00 00 00 04 06 0{second} 00 00 00")
    telegram = frame_bytes(Frame(0x08, 5, 0x72, KAMSTRUP[7:19] + twice))
    with MeterLine(find_request, Meters({5: [telegram]})) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            each = meter(bus, "mbus_heat")
            if values is None:
                with pytest.raises(BadData, match="more than once, each time different"):
                    await read(each)
            else:
                assert told(await read(each)) == values


async def test_letters_instead_of_digits_are_not_measured() -> None:
    text = Path(profiles.__file__).with_name("diehl_sharky.toml").read_text()
    model = profiles.parse(
        text.replace('kind = "flow",', 'kind = "flow", function = "error",'), "p"
    )
    with MeterLine(find_request, Meters({5: [FRAMES["abb_f95"]]})) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            each = bus.meter(Wanted("m", model, Address(address=5), ("flow",)))
            (answer,) = await read(each)
    assert answer.values == {"flow": None}
    assert answer.shown()["flow"][1] == "no number"


@pytest.mark.parametrize(("code", "kind"), [(8, NoAnswer), (9, NoAnswer), (1, Refused)])
async def test_a_refusal(code: int, kind: type[Exception]) -> None:
    def refuse(request: Frame, line: MeterLine[Frame]) -> None:
        refusal = frame_bytes(Frame(0x08, 5, 0x70, bytes((code,))))
        line.say(codec.ACK if request.control == codec.SND_NKE else refusal)

    with MeterLine(find_request, refuse) as line:
        async with connect(settings(line), Random(1), Clock()) as bus:
            with pytest.raises(kind, match=f"application error {code}"):
                await read(meter(bus, "mbus_heat"))


async def test_through_a_transparent_gateway() -> None:
    meters, gone = Meters({5: [KAMSTRUP]}), asyncio.Event()

    async def gateway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        class Said:
            def say(self, data: bytes) -> None:
                writer.write(b"\x00" + data)

        buffer = b""
        while new := await reader.read(256):
            buffer += new
            request, used = find_request(buffer)
            buffer = buffer[used:]
            if request is not None:
                meters(request, Said())  # type: ignore[arg-type]
        writer.close()
        await writer.wait_closed()
        gone.set()

    server = await asyncio.start_server(gateway, "127.0.0.1", 0, family=socket.AF_INET)
    port = server.sockets[0].getsockname()[1]
    given = Settings(host="127.0.0.1", port=port, timeout_ms=10_000)
    async with connect(given, Random(1), Clock()) as bus:
        assert told(await read(meter(bus, "mbus_heat")))["heat_energy"] == 37351
    await gone.wait()
    server.close()
