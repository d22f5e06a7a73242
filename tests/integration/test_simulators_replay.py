"""`plant-sim replay` as a process, read by the agent it wrote a configuration for."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from pyModbusTCP.client import ModbusClient

from tests.integration.servers import free_port
from wire.signing import SigningKey

CSV = """\
time,meter,quantity,value
2026-03-05T08:00:00Z,press,active_energy_import,12345.67
2026-03-05T08:30:00Z,press,active_energy_import,12346.78
2026-03-05T08:00:00Z,press,voltage_l1,230.5
2026-03-05T08:30:00Z,gas,gas_volume,1000.123456
"""
Start = Callable[..., Awaitable["Replay"]]


class Replay:
    """The process, its folder and the agent.toml it printed."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self.process, self.folder = process, folder
        self.config = folder / "agent.toml"
        self.said: list[str] = []

    async def told(self, words: str) -> None:
        """Wait for a line of its progress that holds `words`, told already or still to come."""
        assert self.process.stderr is not None
        async with asyncio.timeout(60):
            while not any(words in line for line in self.said):
                line = (await self.process.stderr.readline()).decode()
                assert line, f"never said {words!r}, but {self.said}"
                self.said.append(line)

    async def agent(self, *words: str) -> str:
        command = (sys.executable, "-m", "edge_agent", *words, "--config", str(self.config))
        agent = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        out, _ = await asyncio.wait_for(agent.communicate(), 90)
        assert agent.returncode == 0, out.decode()
        return out.decode()


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    running = []
    (tmp_path / "data.csv").write_text(CSV)
    key = SigningKey.load_or_create(tmp_path / "receipt.key")
    (tmp_path / "receipt.pub").write_text(str(key.public))

    async def begin(*words: str, expected: tuple[str, ...] = ()) -> Replay:
        command = (sys.executable, "-m", "simulators", "replay", str(tmp_path / "data.csv"), *words)
        command += ("--state", str(tmp_path / "st"), "--receipt-key", str(tmp_path / "receipt.pub"))
        with (tmp_path / "agent.toml").open("wb") as config:
            process = await asyncio.create_subprocess_exec(
                *command, stdout=config, stderr=asyncio.subprocess.PIPE
            )
        running.append(process)
        made = Replay(process, tmp_path)
        for words in (*expected, " %  2026-03-05T08:"):  # how far it is: all its ports are open
            await made.told(words)
        return made

    yield begin
    for process in running:
        if process.returncode is None:
            process.terminate()
        _, log = await process.communicate()
        assert b"Traceback" not in log
        assert process.returncode == 0


def shows(table: str, quantity: str, value: str) -> bool:
    return any(quantity in line and f" {value} " in line for line in table.splitlines())


async def test_the_agent_reads_exactly_what_was_recorded(start):
    port = free_port()
    replay = await start("--speed", "600", "--tcp", f"127.0.0.1:{port}")
    assert "good: 2 meters on 1 bus" in await replay.agent("check")
    await replay.told("100 %  2026-03-05T08:30:00Z")
    await replay.told("at its end; the last values stand until Ctrl-C")
    table = await replay.agent("read", "press")
    assert shows(table, "active_energy_import", "12346.78 kWh"), table
    assert shows(table, "voltage_l1", "230.50 V") or shows(table, "voltage_l1", "230.5 V"), table
    table = await replay.agent("read", "gas")
    assert shows(table, "gas_volume", "1000.123456 m3"), table

    def by_somebody_else() -> list[int]:
        client = ModbusClient("127.0.0.1", port, unit_id=1, auto_open=True, timeout=60)
        words: list[int] = client.read_holding_registers(10, 4)
        client.close()
        return words

    words = await asyncio.to_thread(by_somebody_else)
    assert int.from_bytes(b"".join(word.to_bytes(2, "big") for word in words), "big") == 1234678


@pytest.mark.parametrize(
    ("profile", "meter", "other", "shown"),
    [
        ("dlt645_2007", "press", "gas", {"active_energy_import": "12345.67 kWh"}),
        ("mbus_gas", "gas", "press", {"gas_volume": "1000.123456 m3"}),
        ("cjt188_gas", "gas", "press", {"gas_volume": "1000.12"}),  # all that its digits show
    ],
)
async def test_recorded_readings_are_served_by_meters_of_any_protocol_on_a_line(
    start, tmp_path, profile, meter, other, shown
):
    line = ("--line", str(tmp_path / "line"), "--baud", "9600", "--parity", "E")
    left_out = f"{other}: its model has none of its quantities; the meter is left out"
    replay = await start("--profile", profile, *line, expected=(left_out,))
    table = await replay.agent("read", meter)
    for quantity, value in shown.items():
        assert any(quantity in row and f" {value}" in row for row in table.splitlines()), table


async def test_a_taken_port_or_a_bad_file_is_one_line_and_exit_2(tmp_path):
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    (tmp_path / "data.csv").write_text(CSV)
    (tmp_path / "bad.csv").write_text(CSV.replace("12346.78", "?"))
    for file, told in (("data.csv", f"127.0.0.1:{port} cannot"), ("bad.csv", "line 3: value: '?'")):
        command = (sys.executable, "-m", "simulators", "replay", str(tmp_path / file))
        command += ("--tcp", f"127.0.0.1:{port}", "--state", str(tmp_path / "st"))
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        _, log = await process.communicate()
        assert process.returncode == 2
        assert told in log.decode()
        assert b"Traceback" not in log
    server.close()
