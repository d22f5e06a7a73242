"""The search of a Modbus line, where meters are late, talk at once, or hide behind a gateway."""

import asyncio
import contextlib
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from edge_agent import profiles
from edge_agent.drivers import Found, LinkLost, Searchable
from edge_agent.drivers.modbus import Settings, connect
from edge_agent.profiles import Profile
from simulators.faults import Fault, Faults
from tests.integration.meters_on_site import line, model
from tests.integration.servers import free_port
from tests.integration.test_modbus_line import Line, framed

Converse = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SDM120 = {"eastron_sdm120": profiles.load("eastron_sdm120")}


@asynccontextmanager
async def served(converse: Converse) -> AsyncIterator[int]:
    """The port of a server that does this, and is done with everybody at the end."""
    talks: set[asyncio.Task[None] | None] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError):
            await converse(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await asyncio.gather(*filter(None, talks))


async def found(
    settings: Settings, first: int, last: int, known: dict[str, Profile] | None = None
) -> dict[int, Found]:
    """Who a search finds, by unit."""
    async with connect(settings, Random(1), lambda: 0) as bus:
        steps = [looked async for looked in bus.search(known or {}, first, last)]
    assert steps[-1].done == steps[-1].of == last - first + 1
    return {
        int(str(looked.found.address["unit_id"])): looked.found
        for looked in steps
        if looked.found is not None
    }


def rtu(path: Path | str, **change: int) -> Settings:
    return Settings(
        transport="rtu", device=str(path), **{"baud": 19200, "timeout_ms": 800, **change}
    )


async def test_a_meter_slower_than_the_haste_is_known_by_its_late_answer(tmp_path: Path) -> None:
    slow = Faults([Fault("slow", "late", every=1, delay_ms=350)])
    with line(tmp_path / "line", {3: model("eastron_sdm120", "slow")}, faults=slow):
        there = await found(rtu(tmp_path / "line"), 1, 9, SDM120)
    assert {unit: one.profiles for unit, one in there.items()} == {3: ("eastron_sdm120",)}
    assert there[3].sure == "likely"


async def test_two_that_talked_at_once_are_asked_again_one_by_one() -> None:
    """Unit 2 is late, and what it says falls upon the answer of unit 3."""
    asked: list[int] = []

    def meters(request: bytes, there: Line) -> None:
        asked.append(request[0])
        if request[0] == 3 and asked.count(3) == 1:
            there.say(b"\x02\x03\xa7\x51\x00")
        elif request[0] == 3 or (request[0] == 2 and asked.count(2) > 1):
            there.say(framed(request, 7, 8))

    with Line(meters) as rubble:
        there = await found(rtu(rubble.path, timeout_ms=300), 1, 8)
    assert sorted(there) == [2, 3]


async def test_a_line_that_is_never_quiet_does_not_take_for_ever() -> None:
    with Line(lambda _, there: there.say(b"\xa7\x51\x00")) as noisy:
        began = time.monotonic()
        assert await found(rtu(noisy.path, timeout_ms=50), 1, 60) == {}
        took_s = time.monotonic() - began
    once_s = 0.05 + 17 * 10 / 19200
    assert took_s < 3 * (60 + 8 * 2 * 4) * once_s


async def test_nobody_is_waited_for_longer_than_the_haste(tmp_path: Path) -> None:
    with line(tmp_path / "line", {}):
        began = time.monotonic()
        assert await found(rtu(tmp_path / "line", timeout_ms=2000), 1, 6) == {}
        took_s = time.monotonic() - began
    # Three in haste, and the last three with all patience, and their answers let go by.
    assert took_s < 3 * 0.35 + 3 * 2 * 2.05 + 4


async def test_a_gateway_that_says_nobody_is_there_is_believed_at_once() -> None:
    async def gateway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.read(12):
            unit, body = request[6], struct.pack(">BBB", 0x83, 11, 0)[:2]
            if unit == 5:
                body = bytes((request[7], 2 * request[11])) + bytes(2 * request[11])
            writer.write(request[:4] + struct.pack(">HB", len(body) + 1, unit) + body)

    async with served(gateway) as port:
        settings = Settings(transport="tcp", host="127.0.0.1", port=port, timeout_ms=60_000)
        began = time.monotonic()
        assert sorted(await found(settings, 1, 100)) == [5]
        assert time.monotonic() - began < 30


async def test_a_gateway_that_hangs_up_is_called_again_but_not_for_ever() -> None:
    calls = 0

    async def touchy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        request = await reader.read(12)
        if request[6:7] == b"\x01":
            writer.write(request[:4] + struct.pack(">HBBBHH", 7, 1, 3, 4, 0, 0))
            await reader.read(12)

    seen: list[str] = []

    async def follow(bus: Searchable) -> None:
        async for looked in bus.search({}, 1, 100):
            seen.append(f"{looked.where}{' answers' if looked.found else ''}")

    async with served(touchy) as port:
        settings = Settings(transport="tcp", host="127.0.0.1", port=port, timeout_ms=30_000)
        async with connect(settings, Random(1), lambda: 0) as bus:
            with pytest.raises(LinkLost):
                await follow(bus)
    assert seen[0] == "unit 1 answers"
    assert (len(seen), calls) == (3, 3)


async def test_a_line_that_is_not_there_ends_the_search() -> None:
    settings = Settings(transport="tcp", host="127.0.0.1", port=free_port(), timeout_ms=30_000)
    async with connect(settings, Random(1), lambda: 0) as bus:
        with pytest.raises(LinkLost, match="nobody listens there"):
            await anext(aiter(bus.search({}, 1, 3)))
