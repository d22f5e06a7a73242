"""Our DL/T 645 driver and codec against the PyPI package dlt645: neither end is ours alone.

It runs as processes of its own (a server object takes 64 MB). It writes addresses as they are
given, not lowest pair first as the standard says: here they are given to it the other way round.
"""

import asyncio
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from random import Random

import pytest

from edge_agent import profiles
from edge_agent.drivers import NotThere, Refused, Wanted
from edge_agent.drivers.dlt645 import Address, Settings, connect
from edge_agent.profiles.dlt645 import Profile
from edge_agent.protocols import bcd
from edge_agent.protocols import dlt645 as codec
from tests.integration.servers import free_port

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("dlt645") is None, reason="needs dlt645 of the extra dev"
)

ADDRESS, AS_GIVEN_TO_IT = "123456789012", "129078563412"

METER = f"""
import sys
from datetime import datetime
from dlt645 import Demand, MeterServerService
meter = MeterServerService.new_tcp_server("127.0.0.1", int(sys.argv[1]), 30)
meter.set_address("{AS_GIVEN_TO_IT}")
meter.set_00(0x00010000, 123456.78)
meter.set_00(0x00010100, 5.25)
meter.set_00(0x00020000, 0.01)
meter.set_01(0x01010000, Demand(12.3456, datetime(2026, 11, 20, 10, 15)))
meter.set_02(0x02010100, 229.8)
meter.set_02(0x02020100, 5.004)
meter.set_02(0x02030000, -1.2345)
meter.set_02(0x02060000, 0.987)
meter.set_02(0x02800002, 49.98)
assert meter.start()
print("ready", flush=True)
sys.stdin.read()
"""

READER = f"""
import sys
from dlt645 import MeterClientService
reader = MeterClientService.new_tcp_client("127.0.0.1", int(sys.argv[1]), 60)
reader.set_address("{AS_GIVEN_TO_IT}")
assert reader.connect()
print(reader.read_00(0x00010000).value)
print(reader.read_02(0x02010100).value)
print(reader.read_02(0x02030000).value)
"""


@pytest.fixture(scope="module")
def peer() -> Iterator[int]:
    """The port of their meter."""
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-c", METER, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield port
        process.kill()


def settings(port: int) -> Settings:
    return Settings(host="127.0.0.1", port=port, baud=115200, timeout_ms=20_000)


async def test_their_meter_is_read(peer: int) -> None:
    quantities = (
        *("active_energy_import", "active_energy_export", "voltage_l1", "current_l1"),
        *("active_power", "power_factor", "frequency"),
    )
    profile = profiles.load_as(Profile, "dlt645_2007")
    wanted = Wanted("m", profile, Address(ADDRESS), quantities)
    async with connect(settings(peer), Random(1), lambda: 0) as bus:
        meter = bus.meter(wanted)
        values = {q: v async for answer in meter.read() for q, v in answer.values.items()}
        assert values == {
            "active_energy_import": (12345678, -2),
            "active_energy_export": (1, -2),
            "voltage_l1": (2298, -1),
            "current_l1": (5004, -3),
            "active_power": (-12345, -1),
            "power_factor": (987, -3),
            "frequency": (4998, -2),
        }
        assert meter.missed == []
        tariff = await bus.read(ADDRESS, "00010100", "XXXXXX.XX")
        assert bcd.read_number("XXXXXX.XX", tariff) == (525, -2)
        demand = await bus.read(ADDRESS, "01010000", "XX.XXXX YYMMDDhhmm")
        assert bcd.read_number("XX.XXXX", demand[:3]) == (123456, -4)
        assert bcd.text(demand[3:]) == "2611201015"


async def test_their_refusal_is_understood(peer: int) -> None:
    async with connect(settings(peer), Random(1), lambda: 0) as bus:
        with pytest.raises(NotThere, match="no such data"):
            await bus.read(ADDRESS, "02FE0000", "XXXX")
        with pytest.raises(Refused, match="other error"):
            await bus.read(ADDRESS, "05040001", "YYMMDDhhmm")  # it keeps no freezes


async def test_their_reader_understands_our_end_of_a_meter() -> None:
    held = {
        "00010000": bcd.write_number("XXXXXX.XX", 120642),
        "02010100": bcd.write_number("XXX.X", 2298),
        "02030000": bcd.write_number("-XX.XXXX", -12345),
    }
    asked: list[str] = []

    async def meter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard = b""
        while new := await reader.read(256):
            heard += new
            request, used = codec.find_request(heard)
            heard = heard[used:]
            if request is not None:
                asked.append(request.address)
                said = codec.Answer(ADDRESS, held[request.di])
                writer.write(codec.answer_frame(request, said))
        writer.close()

    port = free_port()
    async with await asyncio.start_server(meter, "127.0.0.1", port):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", READER, str(port)), stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
    assert said.decode().split() == ["1206.42", "229.8", "-1.2345"]
    assert set(asked) == {ADDRESS}
