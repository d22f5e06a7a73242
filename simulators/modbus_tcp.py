"""Meters behind one Modbus TCP port, told apart by unit id.

An unknown unit is answered like a gateway does whose device is missing: exception 11.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import closing, suppress

from edge_agent.protocols.modbus import Answer, Request, find_request
from simulators.faults import Faults
from simulators.instrument import Instrument

_TARGET_DID_NOT_ANSWER = 11


class TcpPort:
    """Serves `instruments` by unit id. `now_ms` is the wall clock the plant lives on."""

    def __init__(
        self,
        instruments: Mapping[int, Instrument],
        now_ms: Callable[[], int],
        faults: Faults | None = None,
    ) -> None:
        self._instruments = instruments
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
                    request, used = find_request(waiting, "tcp")
                    waiting = waiting[used:]
                    if request is None and not used:
                        break
                    if request is not None:
                        await self._answer(request, writer)

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        instrument = self._instruments.get(request.unit)
        if instrument is None:
            name, answer = f"unit {request.unit}", Answer((), _TARGET_DID_NOT_ANSWER)
        else:
            name, answer = instrument.meter.name, instrument.answer(request, self._now_ms())
        reply = self._faults.reply(name, request, answer, "tcp")
        if reply is not None:
            await asyncio.sleep(reply.delay_ms / 1000)
            writer.write(reply.data)
            await writer.drain()
