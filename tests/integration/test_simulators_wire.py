"""What really passed between simulated meters and foreign readers, in the eyes of Wireshark."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
from pyModbusTCP.client import ModbusClient

from edge_agent import profiles
from edge_agent.profiles.modbus import Profile
from edge_agent.protocols.modbus import Framing, Request
from simulators.faults import Fault, Faults
from simulators.modbus_tcp import TcpPort
from simulators.serial_bus import Passage, SerialLine, Wire
from simulators.slaves.modbus import ModbusMeter, ModbusParty
from tests.integration.agent_process import until
from tests.integration.serial_master import Master
from tests.integration.test_simulators_line import Steady

pytestmark = pytest.mark.tshark
MODELS = {1: "siemens_pac2200", 11: "eastron_sdm630", 21: "abb_b23"}
PORT = {"mbrtu": 5020, "mbtcp": 502}  # the dissector of Modbus TCP knows a request by its port
Exchanged = list[tuple[bool, bytes]]  # is it an answer, and its bytes


class Row(NamedTuple):
    """What tshark says of one packet. `told`: whatever it finds odd."""

    protocols: str
    told: str
    unit: str
    function: str
    exception: str
    words: tuple[int, ...]


def dissect(folder: Path, exchanged: Exchanged, dissector: str) -> list[Row]:
    """Each frame as a TCP packet of its own, as tshark's dissector for Modbus reads it."""
    port = PORT[dissector]
    text, capture = folder / "frames.txt", folder / "frames.pcap"
    lines = (f"{'O' if answer else 'I'}\n0000 {data.hex(' ')}\n" for answer, data in exchanged)
    text.write_text("".join(lines))
    convert = ["text2pcap", "-q", "-D", "-T", f"5000,{port}", str(text), str(capture)]
    subprocess.run(convert, check=True, capture_output=True)
    fields = ("frame.protocols", "_ws.malformed", "_ws.expert.message", f"{dissector}.unit_id")
    fields += ("modbus.func_code", "modbus.exception_code", "modbus.regval_uint16")
    read = ["tshark", "-r", str(capture), "-d", f"tcp.port=={port},{dissector}", "-T", "fields"]
    read += ["-o", "mbrtu.crc_verification:TRUE", *(f"-e{field}" for field in fields)]
    done = subprocess.run(read, check=True, capture_output=True, text=True)
    rows = []
    for line in done.stdout.splitlines():
        protocols, malformed, odd, *rest, words = line.split("\t")
        numbers = tuple(int(word) for word in words.split(",") if word)
        rows.append(Row(protocols, malformed + odd, *rest, numbers))
    return rows


def meters(framing: Framing) -> ModbusParty:
    made = {
        unit: ModbusMeter(f"m-{unit}", profiles.load_as(Profile, model), Steady())
        for unit, model in MODELS.items()
    }
    return ModbusParty(made, framing)


class Tapped:
    """A line at 19200 8N1 that keeps what passes."""

    def __init__(self, path: Path, *faults: Fault) -> None:
        self.passed: list[Passage] = []
        wire = Wire(19200, turn_ms=0)
        parties = [meters("rtu")]
        self.line = SerialLine(path, wire, parties, lambda: 0, Faults(faults), self.passed.append)

    async def __aenter__(self) -> "Tapped":
        self._serving = asyncio.create_task(self.line.serve())
        while not self.line.path.exists():
            await asyncio.sleep(0.01)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._serving.cancel()
        await asyncio.gather(self._serving, return_exceptions=True)

    @property
    def exchanged(self) -> Exchanged:
        return [(passage.is_answer, passage.data) for passage in self.passed]


async def run(*command: str) -> None:
    await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False, timeout=60)


@pytest.mark.mbpoll
async def test_what_mbpoll_and_the_meters_exchange_on_a_line_is_sound(tmp_path: Path) -> None:
    common = ("mbpoll", "-m", "rtu", "-b", "19200", "-P", "none", "-0", "-1", "-o", "3")
    async with Tapped(tmp_path / "line") as tapped:
        path = str(tapped.line.path)
        for unit, start, count, kind in (
            *(("1", "801", "8", "4"), ("1", "65", "2", "4"), ("11", "0", "60", "3")),
            *(("21", "20480", "4", "4"), ("21", "23296", "30", "4")),
            *(("11", "5000", "2", "3"), ("99", "0", "2", "3")),  # refused, and nobody there
        ):
            await run(*common, "-a", unit, "-r", start, "-c", count, "-t", kind, path)
    rows = dissect(tmp_path, tapped.exchanged, "mbrtu")
    assert len(rows) == 7 + 6
    assert {row.protocols for row in rows} == {"eth:ethertype:ip:tcp:mbrtu:modbus"}
    assert {row.told for row in rows} == {""}
    answers = [r for r, (is_answer, _) in zip(rows, tapped.exchanged, strict=True) if is_answer]
    assert [row.unit for row in answers] == ["1", "1", "11", "21", "21", "11"]
    assert [row.exception for row in answers] == ["", "", "", "", "", "2"]
    assert answers[2].words[:2] == (0x4366, 0x0000)  # 230.0 in single precision
    assert int.from_bytes(b"".join(w.to_bytes(2, "big") for w in answers[3].words), "big") == 23000


async def test_a_turned_bit_is_seen_and_other_wrong_answers_are_sound_frames(
    tmp_path: Path,
) -> None:
    told = {}
    for kind in ("flip", "truncated", "blind", "foreign", "function", "refusal"):
        async with Tapped(tmp_path / "line", Fault("m-11", kind, every=1)) as tapped:  # type: ignore[arg-type]
            master = Master(tapped.line.path, 19200)
            await master.ask(Request(11, 4, 0, 10), 0.1)
            await until(lambda tapped=tapped: len(tapped.passed) > 1)  # type: ignore[misc]
            master.close()
        _, answer = dissect(tmp_path, tapped.exchanged, "mbrtu")
        told[kind] = answer
    assert "Incorrect CRC" in told["flip"].told
    assert "modbus" not in told["truncated"].protocols
    for kind in ("blind", "foreign", "function", "refusal"):
        assert told[kind].told == "", kind
    assert told["blind"].words != (0x4366, 0x0000) * 5
    assert (told["foreign"].unit, told["function"].function) == ("12", "3")
    assert told["refusal"].exception == "6"


@pytest.fixture
async def recorded() -> AsyncIterator[tuple[int, Exchanged]]:
    """A port whose conversations are kept on the way to the meters and back."""
    gate = TcpPort(meters("tcp"), lambda: 0)
    behind = await gate.listen("127.0.0.1", 0)
    serving = asyncio.create_task(gate.serve())
    exchanged: Exchanged = []

    async def hand_on(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        meter, to_meter = await asyncio.open_connection("127.0.0.1", behind)
        while request := await client.read(512):
            exchanged.append((False, request))
            to_meter.write(request)
            head = await meter.readexactly(6)
            answer = head + await meter.readexactly(int.from_bytes(head[4:], "big"))
            exchanged.append((True, answer))
            to_client.write(answer)
        for writer in (to_meter, to_client):
            writer.close()

    server = await asyncio.start_server(hand_on, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], exchanged
    server.close()
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


@pytest.mark.mbpoll
async def test_what_foreign_clients_and_the_meters_exchange_over_tcp_is_sound(
    recorded: tuple[int, Exchanged], tmp_path: Path
) -> None:
    port, exchanged = recorded

    def read() -> None:
        for unit, function, at, count in (
            *((1, 3, 801, 8), (11, 4, 72, 2), (21, 3, 20480, 4)),
            *((11, 4, 5000, 2), (11, 4, 0, 62), (200, 3, 0, 2)),  # refused three times
        ):
            client = ModbusClient("127.0.0.1", port, unit_id=unit, auto_open=True, timeout=60)
            ask = client.read_holding_registers if function == 3 else client.read_input_registers
            ask(at, count)
            client.close()

    await asyncio.to_thread(read)
    common = (
        "mbpoll",
        "-m",
        "tcp",
        "-p",
        str(port),
        "-0",
        "-1",
        "-t",
        "4",
        "-o",
        "10",
        "127.0.0.1",
    )
    await run(*common, "-a", "1", "-r", "801", "-c", "8")
    rows = dissect(tmp_path, exchanged, "mbtcp")
    assert len(rows) == 2 * 7
    assert {row.protocols for row in rows} == {"eth:ethertype:ip:tcp:mbtcp:modbus"}
    assert {row.told for row in rows} == {""}
    answers = rows[1::2]
    assert [row.exception for row in answers] == ["", "", "", "2", "3", "11", ""]
    assert answers[1].words == (0x4366, 0x0000)
    assert answers[0].words == answers[6].words
