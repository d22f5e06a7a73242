"""A bus at work over TCP: who waits for whom."""

import asyncio
import contextlib
import itertools
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import msgspec

from edge_agent import profiles
from edge_agent.config import Metered
from edge_agent.counters import Seen
from edge_agent.device import Device, Memory, Polled, bounds
from edge_agent.drivers import Answer, Wanted, modbus
from edge_agent.rounds import Rounds
from tests.integration.agent_process import until
from tests.integration.servers import free_port

PROFILE = """
vendor = "V"
model = "M"
grade = "A"
source = "made for this test"
[limits]
min_gap_ms = {gap}
[registers]
active_power = {{ at = 0, as = "u16", unit = "W" }}
active_energy_import = {{ at = 100, as = "u16", unit = "kWh" }}
"""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Heard:
    """Keeps when each meter's rounds came."""

    def __init__(self) -> None:
        self.rounds: dict[str, list[float]] = {}
        self.health: dict[str, str] = {}

    def took(self, device: Device, _polled: Polled) -> None:
        self.rounds.setdefault(device.name, []).append(time.monotonic())

    def note(self, meter: str, health: str) -> None:
        self.health[meter] = health

    def memory(self, _meter: str) -> Memory:
        return Memory()


@asynccontextmanager
async def plant() -> AsyncIterator[tuple[int, list[tuple[float, int]]]]:
    """Meters that answer every unit at once; (port, (time, unit) of each request)."""
    asked: list[tuple[float, int]] = []
    talks: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while request := await reader.readexactly(12):
                asked.append((time.monotonic(), request[6]))
                writer.write(request[:4] + struct.pack(">HBBBH", 5, request[6], request[7], 2, 7))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked
        await asyncio.wait_for(asyncio.gather(*filter(None, talks)), 60)


def driver(kind: type[modbus.ModbusBus]) -> Any:
    """The Modbus driver, with buses of another kind."""

    class Driver:
        @staticmethod
        @asynccontextmanager
        async def connect(
            settings: modbus.Settings, random: Random, now_ms: Callable[[], int]
        ) -> AsyncIterator[modbus.ModbusBus]:
            bus = kind(settings, settings.framing, random, now_ms)
            try:
                yield bus
            finally:
                bus.drop()

    return Driver


def meter(unit: int, gap_ms: int, interval_ms: int) -> Metered:
    profile = profiles.parse(PROFILE.format(gap=gap_ms), "made")
    asked = ("active_power", "active_energy_import")
    wanted = Wanted(f"m{unit}", profile, modbus.Address(unit_id=unit), asked)
    return Metered("bus", interval_ms, wanted, bounds(wanted, 1000))


def at(port: int) -> modbus.Settings:
    return modbus.Settings(transport="tcp", host="127.0.0.1", port=port, timeout_ms=10_000)


async def run(rounds: Rounds, is_enough: Callable[[], object]) -> None:
    running = asyncio.create_task(rounds.run(Random(1)))
    await until(is_enough)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_a_meter_that_needs_a_rest_costs_its_neighbours_nothing() -> None:
    heard = Heard()
    async with plant() as (port, asked):
        meters = {"m1": meter(1, 300, 1000), "m2": meter(2, 0, 50)}
        rounds = Rounds("bus", modbus, at(port), meters, heard, now_ms)
        await run(rounds, lambda: len(heard.rounds.get("m1", ())) >= 2)
    ours = [(t, n) for n, (t, unit) in enumerate(asked) if unit == 1]
    for (before, n), (after, m) in itertools.pairwise(ours):
        assert after - before >= 0.299, "it is asked no sooner than it wants"
        assert m - n > 1, "and while it rests, the other one has its turns"
    assert set(heard.health.values()) == {"ok"}


async def test_a_line_that_is_gone_makes_every_meter_silent_and_none_wait_longer_and_longer() -> (
    None
):
    """A dead meter is asked less and less often; a line that comes back has them all at once."""
    heard, settings = Heard(), modbus.Settings(transport="tcp", host="127.0.0.1", port=free_port())
    meters = {"m1": meter(1, 0, 100), "m2": meter(2, 0, 100)}
    rounds = Rounds("bus", modbus, settings, meters, heard, now_ms)
    least_s = time.monotonic() + 0.5
    await run(rounds, lambda: heard.health.keys() == meters.keys() and time.monotonic() > least_s)
    assert all(said.startswith("bus bus: 127.0.0.1:") for said in heard.health.values())
    assert [rounds.schedule.probe_ms(name) for name in meters] == [None, None]
    assert rounds.progress() < 10, "and nobody spins"


async def test_a_round_belongs_to_the_slot_it_was_begun_in() -> None:
    """The first begins in the middle of a slot, and is answered only in the next."""
    clock_ms = 1_790_000_000_950

    class Slow(modbus.ModbusBus):
        async def read(self, *asked: Any, **how: Any) -> tuple[int, ...]:
            nonlocal clock_ms
            clock_ms += 100
            return await super().read(*asked, **how)

    async with plant() as (port, _):
        heard, meters = Heard(), {"m1": meter(1, 0, 1000)}
        rounds = Rounds("bus", driver(Slow), at(port), meters, heard, lambda: clock_ms)
        await run(rounds, lambda: heard.rounds)
    assert clock_ms == 1_790_000_001_150
    assert (rounds.slots["m1"].due, rounds.slots["m1"].answered) == (1, 0)


async def test_a_meter_taken_out_while_it_is_asked_goes_when_its_round_is_over() -> None:
    heard = Heard()
    async with plant() as (port, asked):
        meters = {"m1": meter(1, 300, 1000), "m2": meter(2, 0, 50)}
        rounds = Rounds("bus", modbus, at(port), meters, heard, now_ms)
        running = asyncio.create_task(rounds.run(Random(1)))
        while not any(unit == 1 for _, unit in asked):
            await asyncio.sleep(0.01)
        rounds.change({"m2": meters["m2"]}, 900_000)
        await until(lambda: rounds.devices.keys() == {"m2"})
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    assert len(heard.rounds["m1"]) == 1, "and what it had been asked for was taken"


async def test_another_pace_and_rating_count_within_a_second_also_where_nobody_is_due() -> None:
    heard = Heard()
    async with plant() as (port, _):
        hourly, often = meter(1, 0, 3_600_000), meter(1, 0, 50)
        rounds = Rounds("bus", modbus, at(port), {"m1": hourly}, heard, now_ms)
        running = asyncio.create_task(rounds.run(Random(1)))
        while "m1" not in heard.rounds:
            await asyncio.sleep(0.01)
        first = rounds.devices["m1"]
        rounds.change({"m1": often}, 900_000)
        await until(lambda: rounds.slots["m1"].due >= 5)
        assert rounds.devices["m1"] is first, "and what was learned of it stays"
        stronger = bounds(often.wanted, 2000)
        rounds.change({"m1": msgspec.structs.replace(often, bounds=stronger)}, 900_000)
        await until(lambda: rounds.devices["m1"] is not first)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def test_a_bus_of_resting_meters_alone_goes_round() -> None:
    heard = Heard()
    async with plant() as (port, _):
        meters = {"m1": meter(1, 50, 100), "m2": meter(2, 50, 100)}
        rounds = Rounds("bus", modbus, at(port), meters, heard, now_ms)
        await run(
            rounds, lambda: [n for n in meters if len(heard.rounds.get(n, ())) >= 5] == [*meters]
        )


async def test_a_meter_that_tells_of_its_past_holds_nobody_up() -> None:
    """Its memory takes a second to read, a request at a time; the other one's slots are kept."""
    told: list[int] = []  # what had been asked for by anybody, at each step of it

    class Remembering(modbus.ModbusBus):
        def meter(self, wanted: Wanted) -> Any:
            plain = super().meter(wanted)
            if wanted.name != "m1":
                return plain

            async def history(after_ms: int) -> AsyncIterator[Answer]:
                for n in range(20):
                    told.append(len(asked))
                    await self.read(1, 3, 100, 1)
                    await asyncio.sleep(0.05)
                    yield Answer(after_ms + n + 1, {"active_energy_import": (7, 0)})

            plain.history = history  # type: ignore[attr-defined]
            return plain

    class Heard2(Heard):
        def memory(self, _meter: str) -> Memory:
            hour_ago = time.time_ns() // 1_000_000 - 3_600_000
            return Memory({}, {"active_energy_import": Seen((7, 0), hour_ago)})

    heard = Heard2()
    async with plant() as (port, asked):
        meters = {"m1": meter(1, 0, 1000), "m2": meter(2, 0, 50)}
        rounds = Rounds("bus", driver(Remembering), at(port), meters, heard, now_ms)
        await run(rounds, lambda: "m1" in heard.rounds and len(told) >= 20)
    others = [unit for _, unit in asked[told[0] : told[19]] if unit == 2]
    assert len(others) >= 15, "two requests in each of about 20 slots; held up, it had none"
