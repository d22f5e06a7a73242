"""Our driver's own link to a TCP gateway: when it is opened anew, and how long it pauses."""

import asyncio
import contextlib
from random import Random

import pytest

from edge_agent.drivers import LinkLost, NoAnswer
from edge_agent.drivers.modbus import Settings, connect
from tests.integration.servers import free_port
from tests.integration.test_modbus_line import address, now_ms


class Noted(Random):
    """Notes between what the pause before the next attempt was drawn; takes none."""

    def __init__(self) -> None:
        super().__init__(1)
        self.ceilings: list[float] = []

    def uniform(self, a: float, b: float) -> float:
        assert a == 0
        self.ceilings.append(b)
        return 0.0


class Gateway:
    """A TCP gateway that can go away and come back; no meter answers for register 100."""

    def __init__(self, port: int) -> None:
        self._port, self.connections = port, 0
        self._writers: list[asyncio.StreamWriter] = []

    async def come(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)

    async def go(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while request := await reader.readexactly(12):
                if address(request[6:]) != 100:
                    writer.write(request[:5] + bytes((5, *request[6:8], 2, 0, 8)))


async def test_a_connection_on_which_three_in_a_row_are_not_answered_is_opened_anew() -> None:
    gateway = Gateway(port := free_port())
    await gateway.come()
    settings = Settings(transport="tcp", host="127.0.0.1", port=port, timeout_ms=400)
    async with connect(settings, Random(1), now_ms) as bus:
        for dead, connections in ((2, 1), (2, 1), (3, 2)):
            for _ in range(dead):
                with pytest.raises(NoAnswer):
                    await bus.read(1, 3, 100, 1)
            assert await bus.read(1, 3, 200, 1) == (8,)
            assert gateway.connections == connections
    await gateway.go()


async def test_the_pauses_before_a_lost_link_is_tried_again_grow_at_random_and_begin_anew() -> None:
    gateway, noted = Gateway(port := free_port()), Noted()
    settings = Settings(transport="tcp", host="127.0.0.1", port=port, timeout_ms=30_000)
    async with connect(settings, noted, now_ms) as bus:
        for losses in (8, 1):
            for _ in range(losses):
                with pytest.raises(LinkLost):
                    await bus.read(1, 3, 200, 1)
            await gateway.come()
            assert await bus.read(1, 3, 200, 1) == (8,)
            await gateway.go()
            await asyncio.sleep(0.05)
    assert noted.ceilings == [1, 2, 4, 8, 16, 30, 30, 30, 1]
