"""Meters behind one TCP port: Modbus TCP, or a serial protocol as a serial server hands it on."""

import asyncio
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any

from simulators.faults import Faults, Said
from simulators.slaves import Party


class TcpPort:
    """Serves the meters of `party`. `now_ms` is the wall clock the plant lives on."""

    def __init__(
        self, party: Party[Any], now_ms: Callable[[], int], faults: Faults | None = None
    ) -> None:
        self._party = party
        self._now_ms = now_ms
        self._faults = faults or Faults()
        self._server: asyncio.Server | None = None
        self._conversations: asyncio.TaskGroup | None = None

    async def listen(self, host: str, port: int) -> int:
        """Take the port, 0 for any; the number it got. Raises OSError where it is taken."""
        self._server = await asyncio.start_server(self._accept, host, port, start_serving=False)
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    async def serve(self) -> None:
        """Answer until cancelled."""
        if self._server is None:
            raise ValueError("listen first")
        async with asyncio.TaskGroup() as self._conversations, self._server:
            await self._server.serve_forever()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._conversations is not None:
            self._conversations.create_task(self._converse(reader, writer))

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        waiting = b""
        with closing(writer), suppress(ConnectionError):
            while data := await reader.read(4096):
                waiting += data
                while True:
                    request, used = self._party.find(waiting)
                    heard, waiting = waiting[:used], waiting[used:]
                    if request is None and not used:
                        break
                    if request is not None:
                        await self._answer(request, heard, writer)

    async def _answer(self, request: Any, heard: bytes, writer: asyncio.StreamWriter) -> None:
        now_ms = self._now_ms()
        for turn in self._party.turns(request, now_ms):
            for said in self._faults.replies(turn, heard, now_ms):
                if said.delay_ms and self._conversations is not None:
                    self._conversations.create_task(_say_later(said, writer))
                else:
                    writer.write(said.data)
                    await writer.drain()


async def _say_later(said: Said, writer: asyncio.StreamWriter) -> None:
    """What is late does not hold up the answers to other requests."""
    await asyncio.sleep(said.delay_ms / 1000)
    if not writer.is_closing():
        with suppress(ConnectionError):
            writer.write(said.data)
            await writer.drain()
