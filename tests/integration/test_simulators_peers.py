"""Simulated meters read by programs none of us wrote, over TCP and over a line with its speed."""

import asyncio
import math
import struct
import subprocess
from pathlib import Path

import pytest
from pyModbusTCP.client import ModbusClient

from edge_agent.protocols.modbus import Framing, Request, find_answer, request_frame
from simulators import plant
from simulators.faults import Fault, Faults
from simulators.instrument import Instrument
from simulators.live import instruments
from simulators.modbus_tcp import TcpPort
from simulators.scenario import Scenario
from simulators.serial_bus import SerialLine, Wire
from simulators.slaves.modbus import ModbusParty
from tests.integration.serial_master import Master
from tests.unit.simulators.reading import registers

needs_mbpoll = pytest.mark.mbpoll
T0_MS = 1_800_000_000_000
NOW_MS = T0_MS + 90_000
PROFILES = ("siemens_pac2200", "siemens_pac3200", "eastron_sdm630", "schneider_iem3155", "abb_b23")


@pytest.fixture
def meters() -> dict[int, Instrument]:
    """The Modbus power meters of the demo plant by unit id, at one fixed instant."""
    demo = plant.load(plant.find("demo_plant"))
    every = instruments(Scenario(demo, 7, T0_MS))
    return {i.meter.unit_id: i for i in every if i.meter.profile in PROFILES}


def party(meters: dict[int, Instrument], framing: Framing) -> ModbusParty:
    return ModbusParty({unit: registers(meter) for unit, meter in meters.items()}, framing)


@pytest.fixture
async def port(meters):
    gate = TcpPort(party(meters, "tcp"), lambda: NOW_MS)
    number = await gate.listen("127.0.0.1", 0)
    serving = asyncio.create_task(gate.serve())
    yield number
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


@pytest.fixture
async def line(meters, tmp_path: Path):
    """A function that brings up a line of the given baud rate."""
    running = []

    async def open_line(
        baud: int = 9600, turn_ms: int = 0, faults: Faults | None = None
    ) -> SerialLine:
        path = tmp_path / "line"
        wire = Wire(baud, turn_ms=turn_ms)
        made = SerialLine(path, wire, [party(meters, "rtu")], lambda: NOW_MS, faults)
        running.append(asyncio.create_task(made.serve()))
        while not path.exists():
            await asyncio.sleep(0.01)
        return made

    yield open_line
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def kwh(instrument: Instrument) -> float:
    return float(instrument.value("active_energy_import", NOW_MS))


async def mbpoll(*arguments: str) -> str:
    command = ["mbpoll", "-o", "10", *arguments]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


async def test_pymodbustcp_reads_every_unit_of_a_port(port, meters):
    def read() -> dict[int, float]:
        found = {}
        for unit, instrument in meters.items():
            client = ModbusClient("127.0.0.1", port, unit_id=unit, auto_open=True, timeout=60)
            if "siemens" in instrument.meter.profile:
                raw = struct.pack(">8H", *client.read_holding_registers(801, 8))
                found[unit] = sum(struct.unpack(">dd", raw)) / 1000
            elif instrument.meter.profile == "eastron_sdm630":
                raw = struct.pack(">2H", *client.read_input_registers(72, 2))
                found[unit] = struct.unpack(">f", raw)[0]
            elif instrument.meter.profile == "schneider_iem3155":
                raw = struct.pack(">4H", *client.read_holding_registers(3203, 4))
                found[unit] = int.from_bytes(raw, "big") / 1000
            else:
                raw = struct.pack(">4H", *client.read_holding_registers(20480, 4))
                found[unit] = int.from_bytes(raw, "big") / 100
            client.close()
        return found

    found = await asyncio.to_thread(read)
    assert len(found) == 13  # of the 30 meters
    for unit, shown in found.items():
        assert -0.0005 < kwh(meters[unit]) - shown < 0.01, unit


async def test_pymodbustcp_is_refused_what_is_not_there(port):
    def read() -> tuple[object, int, object, int]:
        client = ModbusClient("127.0.0.1", port, unit_id=1, auto_open=True, timeout=60)
        nothing, why = client.read_holding_registers(60_000, 2), client.last_except
        client.unit_id = 200
        nobody, who = client.read_holding_registers(1, 2), client.last_except
        client.close()
        return nothing, why, nobody, who

    assert await asyncio.to_thread(read) == (None, 2, None, 11)


@pytest.mark.parametrize("pause", [False, True])
async def test_requests_in_one_packet_or_in_crumbs_are_all_answered(port, pause):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    asked = [Request(1, 3, 1, 2, transaction=n) for n in range(1, 6)]
    stream = b"".join(request_frame(request, "tcp") for request in asked)
    for i in range(0, len(stream), 5 if pause else len(stream)):
        writer.write(stream[i : i + 5] if pause else stream)
        await asyncio.sleep(0.002)
    for request in asked:
        frame = await asyncio.wait_for(reader.readexactly(13), 60)
        answer, _ = find_answer(frame, request, "tcp")
        assert answer is not None
    writer.close()


async def test_a_late_answer_over_tcp_comes_behind_those_to_later_requests(meters):
    late = Faults([Fault("m-press-1", "late", every=1, delay_ms=200)])
    gate = TcpPort(party(meters, "tcp"), lambda: NOW_MS, late)
    number = await gate.listen("127.0.0.1", 0)
    serving = asyncio.create_task(gate.serve())
    await asyncio.sleep(0.05)  # it listens once it serves
    reader, writer = await asyncio.open_connection("127.0.0.1", number)
    for transaction, unit in ((1, 11), (2, 12)):
        writer.write(request_frame(Request(unit, 4, 0, 2, transaction), "tcp"))
    frames = [await asyncio.wait_for(reader.readexactly(13), 60) for _ in range(2)]
    assert [(frame[1], frame[6]) for frame in frames] == [(2, 12), (1, 11)]
    writer.close()
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


class TestMbpoll:
    pytestmark = needs_mbpoll

    async def test_reads_a_pac_over_tcp(self, port, meters):
        arguments = ("-m", "tcp", "-p", str(port), "-a", "1", "-0", "-1", "-r", "801", "-c", "8")
        out = await mbpoll(*arguments, "-t", "4:hex", "127.0.0.1")
        words = [int(line.split("0x")[1], 16) for line in out.splitlines() if "0x" in line]
        shown = sum(struct.unpack(">dd", struct.pack(">8H", *words))) / 1000
        assert 0 <= kwh(meters[1]) - shown < 0.001

    async def test_reads_an_sdm630_and_a_b23_on_one_line(self, line, meters):
        made = await line(9600)
        common = ("-m", "rtu", "-b", "9600", "-P", "none", "-0", "-1")
        out = await mbpoll(*common, "-a", "11", "-r", "72", "-t", "3:float", "-B", str(made.path))
        (shown,) = [float(row.split()[-1]) for row in out.splitlines() if row.startswith("[72]")]
        assert shown == pytest.approx(kwh(meters[11]), abs=0.01)  # six digits are printed
        out = await mbpoll(*common, "-a", "14", "-r", "20480", "-c", "4", "-t", "4", str(made.path))
        words = [int(row.split()[1]) for row in out.splitlines() if row.startswith("[2048")]
        raw = int.from_bytes(struct.pack(">4H", *words), "big")
        assert raw == int(kwh(meters[14]) * 100)

    async def test_hears_nothing_from_a_unit_nobody_has(self, line):
        made = await line(9600)
        arguments = ("-m", "rtu", "-b", "9600", "-P", "none", "-0", "-1", "-o", "0.3")
        out = await mbpoll(*arguments, "-a", "99", "-r", "72", "-t", "3:float", str(made.path))
        assert "timed out" in out


@pytest.mark.parametrize(("baud", "turn_ms"), [(9600, 0), (9600, 20), (19200, 10)])
async def test_an_answer_takes_as_long_as_on_a_wire(line, baud, turn_ms):
    made = await line(baud, turn_ms)
    master = Master(made.path, baud)
    request, character = Request(11, 4, 0, 60), 10 / baud
    quiet = 8 * character + turn_ms / 1000
    latest, quickest, tries = 1.15 * (quiet + 125 * character) + 0.02, math.inf, 0
    while quickest >= latest and tries < 10:  # not much late, but on a busy machine
        data, times = await master.ask(request, 0.2, least=125)
        assert len(data) == 125
        answer, _ = find_answer(data, request, "rtu")
        assert answer is not None
        for n, arrived in enumerate(times, 1):
            assert arrived > quiet + n * character - 0.001, n  # never early
        quickest, tries = min(quickest, times[-1]), tries + 1
    assert quickest < latest
    master.close()


async def test_units_are_silent_to_foreign_numbers_bad_sums_and_a_wrong_speed(line):
    made = await line(9600)
    master = Master(made.path, 9600)
    assert (await master.ask(Request(99, 4, 0, 2), 0.1))[0] == b""
    master.file.write(request_frame(Request(11, 4, 0, 2), "rtu")[:-1] + b"\x00")
    assert (await master.listen(0.1))[0] == b""
    data, _ = await master.ask(Request(11, 4, 0, 2), 0.15, least=9)
    assert len(data) == 9  # behind the broken one
    wrong = Master(made.path, 19200)
    assert (await wrong.ask(Request(11, 4, 0, 2), 0.1))[0] == b""
    for opened in (master, wrong):
        opened.close()


async def test_a_late_answer_arrives_while_the_master_asks_somebody_else(line):
    faults = Faults([Fault("m-press-1", "late", every=1, delay_ms=600)])
    made = await line(19200, 0, faults)
    master = Master(made.path, 19200)
    late, asked = Request(11, 4, 0, 2), Request(12, 4, 72, 2)
    assert (await master.ask(late, 0.3))[0] == b""
    data, _ = await master.ask(asked, 0.5, least=18)
    assert find_answer(data, late, "rtu")[0] is not None
    assert find_answer(data, asked, "rtu")[0] is not None
    assert len(data) == 18
    master.close()


async def test_a_silent_fault_hits_only_its_turn_and_its_meter(line):
    made = await line(19200, 0, Faults([Fault("m-press-1", "silent", every=2)]))
    master = Master(made.path, 19200)
    for unit, length in ((11, 9), (11, 0), (12, 9), (12, 9), (11, 9)):
        data, _ = await master.ask(Request(unit, 4, 0, 2), 0.08, least=length)
        assert len(data) == length
    master.close()


async def test_a_line_that_is_started_again_replaces_its_link(line, tmp_path):
    (tmp_path / "line").symlink_to("/dev/pts/4711")
    made = await line(9600)
    while (target := made.path.readlink()) == Path("/dev/pts/4711"):
        await asyncio.sleep(0.01)
    assert target.exists()
