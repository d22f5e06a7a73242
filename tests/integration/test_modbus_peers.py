"""Our driver against peers we did not write, and against meters that misbehave.

The misbehaving peers are real sockets; each test is named after the guard it fails without. See
test_modbus_line.py for the same on a serial line.
"""

import argparse
import asyncio
import contextlib
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from pyModbusTCP.server import DataBank, ModbusServer

from edge_agent import profiles
from edge_agent.device import Device, bounds
from edge_agent.drivers import Bus, LinkLost, NoAnswer, NotThere, Refused, Wanted
from edge_agent.drivers.modbus import Address, Settings, connect
from edge_agent.field import read as read_command
from tests.integration.servers import free_port
from wire.errors import ConfigError
from wire.signing import SigningKey

NOW_MS = 1_790_000_000_000


# --- a peer none of us wrote -------------------------------------------------------------------


@pytest.fixture
def pymodbustcp() -> Iterator[tuple[int, DataBank]]:
    bank, port = DataBank(), free_port()
    server = ModbusServer(host="127.0.0.1", port=port, no_block=True, data_bank=bank)
    server.start()
    yield port, bank
    server.stop()


def now_ms() -> int:
    return NOW_MS


def device(bus: Bus, profile: str, *quantities: str) -> Device:
    wanted = Wanted("m", profiles.load(profile), Address(unit_id=1), quantities)
    return Device("m", bus.meter(wanted), now_ms, bounds(wanted, 48_000))


async def test_an_sdm630_behind_pymodbustcp_is_read(pymodbustcp: tuple[int, DataBank]) -> None:
    port, bank = pymodbustcp
    bank.set_input_registers(0, [0x4366, 0x3334])  # 230.2 V: Eastron's protocol document
    bank.set_input_registers(52, [0x4542, 0xA000])  # 3114.0 W
    bank.set_input_registers(72, [0x4640, 0xE6B7])  # 12345.6787 kWh, nearest to 12345.679
    bank.set_holding_registers(64512, [0x0123, 0x4567])
    asked = ("voltage_l1", "active_power", "active_energy_import")
    async with connect(
        Settings(transport="tcp", host="127.0.0.1", port=port), Random(1), now_ms
    ) as bus:
        polled = await device(bus, "eastron_sdm630", *asked).poll()
    values = {q: v for sample in polled.samples for q, v in sample.values.items()}
    assert values == {
        "voltage_l1": (2302, -1),
        "active_power": (31140, -1),
        "active_energy_import": (12345679, -3),
    }
    assert [(e.event, e.detail) for e in polled.events] == [("identity", {"serial": "19088743"})]
    assert {sample.t_ms for sample in polled.samples} == {NOW_MS}


async def test_a_pac2200_behind_pymodbustcp_is_read(pymodbustcp: tuple[int, DataBank]) -> None:
    port, bank = pymodbustcp
    tariffs = struct.unpack(">8H", struct.pack(">2d", 1_000_000.5, 234_567.25))
    bank.set_holding_registers(801, list(tariffs))
    bank.set_holding_registers(65, [0x4542, 0xA000])
    async with connect(
        Settings(transport="tcp", host="127.0.0.1", port=port), Random(1), now_ms
    ) as bus:
        pac = device(bus, "siemens_pac2200", "active_energy_import", "active_power")
        polled = await pac.poll()
    assert [sample.values for sample in polled.samples] == [
        {"active_power": (31140, -1)},
        {"active_energy_import": (1234568, -3)},
    ]


# --- a meter with a mind of its own, over TCP --------------------------------------------------

Script = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class TcpMeter:
    """Hands every request (12 bytes) to the script and counts the connections."""

    def __init__(self, script: Script) -> None:
        self.script, self.port, self.connections = script, free_port(), 0
        self.asked: list[bytes] = []
        self._open: set[asyncio.StreamWriter] = set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                request = await reader.readexactly(12)
                self.asked.append(request)
                await self.script(request, reader, writer)
        await closed(writer)
        self._open.remove(writer)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["TcpMeter"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        try:
            yield self
        finally:
            server.close()
            while self._open:  # the driver has closed its end, or is closed here
                for writer in self._open:
                    writer.close()
                await asyncio.sleep(0.01)

    def settings(self, timeout_ms: int = 2000) -> Settings:
        return Settings(transport="tcp", host="127.0.0.1", port=self.port, timeout_ms=timeout_ms)


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


def said(request: bytes, *words: int, **change: int) -> bytes:
    """An answer to `request`, or one changed in one place (transaction, unit, function, size)."""
    transaction = change.get("transaction", int.from_bytes(request[:2], "big"))
    unit, function = change.get("unit", request[6]), change.get("function", request[7])
    pdu = struct.pack(f">BB{len(words)}H", function, change.get("size", 2 * len(words)), *words)
    protocol = change.get("protocol", 0)
    return struct.pack(">HHHB", transaction, protocol, len(pdu) + 1, unit) + pdu


@pytest.mark.parametrize(
    "change",
    [{"function": 4}, {"unit": 9}, {"transaction": 0}, {"transaction": 999}, {"protocol": 1}],
    ids=lambda change: next(iter(change)),
)
async def test_only_the_strictly_matching_answer_is_taken(change: dict[str, int]) -> None:
    async def first_foreign_then_right(request: bytes, _r: object, w: asyncio.StreamWriter) -> None:
        w.write(said(request, 666, 666, **change))
        await w.drain()
        w.write(said(request, 1, 2))

    async with (
        TcpMeter(first_foreign_then_right).running() as meter,
        connect(meter.settings(), Random(1), now_ms) as bus,
    ):
        assert await bus.read(1, 3, 100, 2) == (1, 2)


async def test_a_short_answer_is_refused() -> None:
    async def short(request: bytes, _r: object, w: asyncio.StreamWriter) -> None:
        w.write(said(request, 1))

    async with (
        TcpMeter(short).running() as meter,
        connect(meter.settings(), Random(1), now_ms) as bus,
    ):
        with pytest.raises(NoAnswer, match="no valid answer in 2000 ms, only 00 01"):
            await bus.read(1, 3, 100, 2)


async def test_requests_of_two_callers_are_never_in_flight_together() -> None:
    under_way = worst = 0

    async def slow(request: bytes, reader: asyncio.StreamReader, w: asyncio.StreamWriter) -> None:
        nonlocal under_way, worst
        under_way += 1
        worst = max(worst, under_way + len(reader._buffer) // 12)  # type: ignore[attr-defined]
        await asyncio.sleep(0.02)
        under_way -= 1
        w.write(said(request, request[9]))

    async with (
        TcpMeter(slow).running() as meter,
        connect(meter.settings(), Random(1), now_ms) as bus,
    ):
        reads = (bus.read(1, 3, address, 1) for address in range(5))
        assert await asyncio.gather(*reads) == [(n,) for n in range(5)]
    assert worst == 1


async def test_a_dead_meter_costs_one_timeout_and_is_asked_once() -> None:
    async def only_unit_1(request: bytes, _r: object, w: asyncio.StreamWriter) -> None:
        if request[6] == 1:
            w.write(said(request, 7))

    async with (
        TcpMeter(only_unit_1).running() as meter,
        connect(meter.settings(3_000), Random(1), now_ms) as bus,
    ):
        began = time.monotonic()
        with pytest.raises(NoAnswer, match=r"unit 2 at .*, registers 0 to 0: no answer in 3000 ms"):
            await bus.read(2, 3, 0, 1)
        assert await bus.read(1, 3, 0, 1) == (7,)
        assert time.monotonic() - began < 6
    assert [request[6] for request in meter.asked] == [2, 1]


async def test_a_link_lost_while_waiting_is_told_at_once_and_opened_again() -> None:
    async def hang_up_once(request: bytes, _r: object, w: asyncio.StreamWriter) -> None:
        if meter.connections == 1:
            w.close()
        else:
            w.write(said(request, 7))

    meter = TcpMeter(hang_up_once)
    async with meter.running(), connect(meter.settings(60_000), Random(1), now_ms) as bus:
        began = time.monotonic()
        with pytest.raises(LinkLost, match="lost while waiting") as lost:
            await bus.read(1, 3, 0, 1)
        assert time.monotonic() - began < 30
        assert lost.value.retry_after_s is not None
        await asyncio.sleep(lost.value.retry_after_s)
        assert await bus.read(1, 3, 0, 1) == (7,)


async def test_a_bus_that_was_down_at_the_start_is_reached_later() -> None:
    async def answer(request: bytes, _r: object, w: asyncio.StreamWriter) -> None:
        w.write(said(request, 7))

    meter = TcpMeter(answer)
    async with connect(meter.settings(), Random(1), now_ms) as bus:
        with pytest.raises(LinkLost, match="cannot be opened") as lost:
            await bus.read(1, 3, 0, 1)
        async with meter.running():
            await asyncio.sleep(lost.value.retry_after_s or 0)
            assert await bus.read(1, 3, 0, 1) == (7,)


class Measured(Random):
    """Draws 100 ms each time, and keeps the longest pause it was allowed to draw."""

    def __init__(self) -> None:
        super().__init__(1)
        self.longest_s: list[float] = []

    def uniform(self, a: float, b: float) -> float:
        self.longest_s.append(b)
        assert a == 0
        return 0.1


async def test_a_gateway_that_accepts_and_hangs_up_is_not_stormed() -> None:
    async def hang_up(_request: bytes, _r: object, w: asyncio.StreamWriter) -> None:
        w.close()

    jitter, reads = Measured(), 0
    async with (
        TcpMeter(hang_up).running() as meter,
        connect(meter.settings(), jitter, now_ms) as bus,
    ):
        while len(jitter.longest_s) < 7:
            reads += 1
            with pytest.raises(LinkLost):
                await bus.read(1, 3, 0, 1)
            await asyncio.sleep(0.002)
    assert jitter.longest_s == [1, 2, 4, 8, 16, 30, 30]
    assert meter.connections == 7 < reads  # a read in the pause opens nothing


async def test_a_silent_connection_is_made_anew_after_three_unanswered_requests() -> None:
    async def mute_at_first(request: bytes, _r: object, w: asyncio.StreamWriter) -> None:
        if meter.connections > 1:
            w.write(said(request, 7))

    meter = TcpMeter(mute_at_first)
    async with meter.running(), connect(meter.settings(400), Random(1), now_ms) as bus:
        for _ in range(3):
            with pytest.raises(NoAnswer):
                await bus.read(1, 3, 0, 1)
        assert await bus.read(1, 3, 0, 1) == (7,)


async def test_refusals_say_what_the_meter_said() -> None:
    async def refuse(request: bytes, _r: object, w: asyncio.StreamWriter) -> None:
        code = request[9]
        w.write(request[:5] + bytes((3, request[6], request[7] | 0x80, code)))

    async with (
        TcpMeter(refuse).running() as meter,
        connect(meter.settings(), Random(1), now_ms) as bus,
    ):
        with pytest.raises(NotThere, match=r"exception 2 \(illegal data address\)") as refused:
            await bus.read(1, 3, 2, 1)
        assert refused.value.code == 2
        with pytest.raises(Refused, match="illegal function"):
            await bus.read(1, 3, 1, 1)
        with pytest.raises(NoAnswer, match="device busy"):
            await bus.read(1, 3, 6, 1)


def test_an_installer_reads_one_meter_by_name(
    pymodbustcp: tuple[int, DataBank], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port, bank = pymodbustcp
    bank.set_input_registers(0, [0x4366, 0x3334])
    receipt_key = SigningKey.load_or_create(tmp_path / "receipt.key")
    (tmp_path / "receipt.pub").write_text(str(receipt_key.public))
    (tmp_path / "agent.toml").write_text(f"""
site = "s"
gateway = "g"
state = "{tmp_path}"
receipt_key_file = "{tmp_path}/receipt.pub"
[buses.net]
driver = "modbus"
transport = "tcp"
host = "127.0.0.1"
port = {port}
[meters.press]
bus = "net"
unit_id = 1
profile = "eastron_sdm630"
rated_power_w = 48000
quantities = ["voltage_l1"]
""")
    parser = argparse.ArgumentParser()
    read_command.add_arguments(parser)
    config = ["--config", str(tmp_path / "agent.toml")]
    assert read_command.run(parser.parse_args(["press", *config])) == 0
    shown = capsys.readouterr().out
    assert "voltage_l1  0      4366 3334  230.2 V  ok" in shown
    assert read_command.run(parser.parse_args(["press", "--all", *config])) == 0
    assert "active_energy_import" in capsys.readouterr().out
    with pytest.raises(ConfigError, match=r"meters\.none: no such meter; known: press"):
        read_command.run(parser.parse_args(["none", *config]))
