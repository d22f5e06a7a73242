"""A serial port is opened by the name that stays the same, whatever number the system gives it."""

import asyncio
import contextlib
import time
from pathlib import Path
from random import Random

from edge_agent import profiles
from edge_agent.config import Metered
from edge_agent.device import Device, Memory, Polled, bounds
from edge_agent.drivers import Wanted, modbus
from edge_agent.rounds import Rounds
from tests.integration.agent_process import until
from tests.integration.meters_on_site import line


class Heard:
    """Keeps what the bus last said of its meter, and how often it was read."""

    def __init__(self) -> None:
        self.rounds, self.health = 0, ""

    def took(self, _device: Device, _polled: Polled) -> None:
        self.rounds += 1

    def note(self, _meter: str, health: str) -> None:
        self.health = health

    def memory(self, _meter: str) -> Memory:
        return Memory()


def plug_in(by_id: Path, port: Path) -> None:
    """What udev does: the name points to whatever number the adapter got."""
    fresh = by_id.with_name("new")
    fresh.symlink_to(port)
    fresh.replace(by_id)


async def test_an_adapter_that_comes_back_under_another_number_is_read_on(tmp_path: Path) -> None:
    by_id = tmp_path / "usb-FTDI_A"
    profile = profiles.load("eastron_sdm630")
    wanted = Wanted("press", profile, modbus.Address(unit_id=2), ("active_power",))
    meters = {"press": Metered("line-a", 200, wanted, bounds(wanted, 10_000))}
    settings = modbus.Settings(transport="rtu", device=str(by_id), baud=19200, timeout_ms=5000)
    heard = Heard()
    rounds = Rounds("line-a", modbus, settings, meters, heard, lambda: time.time_ns() // 1_000_000)
    running = asyncio.create_task(rounds.run(Random(1)))
    with line(tmp_path / "ttyUSB0", {2: "eastron_sdm630"}):
        first = (tmp_path / "ttyUSB0").readlink()
        plug_in(by_id, tmp_path / "ttyUSB0")
        await until(lambda: heard.rounds >= 2)
    by_id.unlink()
    await until(lambda: "there is no such line" in heard.health)
    read = heard.rounds
    with (
        line(tmp_path / "ttyUSB1", {}),  # somebody else has taken the old number
        line(tmp_path / "ttyUSB2", {2: "eastron_sdm630"}),
    ):
        assert first != (tmp_path / "ttyUSB2").readlink()
        plug_in(by_id, tmp_path / "ttyUSB2")
        await until(lambda: heard.rounds >= read + 2 and heard.health == "ok")
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
