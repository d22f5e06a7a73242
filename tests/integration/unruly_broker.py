"""A broker with bad manners: a proxy in front of a real one that understands MQTT's frames.

By chance it swallows acknowledgements to whoever publishes, brings messages twice, and holds some
back so that later ones overtake them. A connection it has treated so it cuts now and then: a
sender without an acknowledgement need not send again before.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

_PUBLISH, _PUBACK, _SUBACK, _DUPLICATE = 3, 4, 9, 8
_NOT_AUTHORIZED = b"\x87"


@dataclass
class Manners:
    """How likely each is, and for how long a message is held back; `done` counts. `refuse`: the last
    topic of a subscription is not allowed (MQTT 5); `late_s`: acknowledgements come so late."""

    drop_puback: float = 0.0
    double: float = 0.0
    hold: float = 0.0
    hold_s: float = 0.3
    cut_every_s: float = 0.0
    refuse: bool = False
    late_s: float = 0.0
    done: "Counter[str]" = field(default_factory=Counter)


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """One MQTT packet: type and flags, the length in up to four bytes, and so many more."""
    head = await reader.readexactly(1)
    length = shift = 0
    while True:
        head += (byte := await reader.readexactly(1))
        length |= (byte[0] & 0x7F) << shift
        shift += 7
        if not byte[0] & 0x80:
            return head + await reader.readexactly(length)


class Proxy:
    """Listens on a port of its own and speaks to the broker on `upstream`."""

    def __init__(self, upstream: int, manners: Manners, seed: int) -> None:
        self._upstream, self._manners = upstream, manners
        self._dice = random.Random(seed)
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.most_unanswered = self._unanswered = 0  # messages of those who publish

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Proxy"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        cutting = asyncio.create_task(self._cut())
        try:
            yield self
        finally:
            cutting.cancel()
            server.close()
            for writer in self._writers:
                writer.close()
            await asyncio.sleep(0.1)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._upstream)
        self._writers |= {writer, back}
        async with contextlib.AsyncExitStack() as stack:
            for each in (writer, back):
                stack.callback(each.close)
                stack.callback(self._writers.discard, each)
            ways = [self._forward(reader, back, True), self._forward(there, writer, False)]
            tasks = [asyncio.create_task(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to_broker: bool
    ) -> None:
        """Until one side has gone."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while frame := await read_frame(reader):
                kind, manners = frame[0] >> 4, self._manners
                if kind == _PUBACK and not to_broker and self._is(manners.drop_puback, "dropped"):
                    continue
                if kind == _PUBLISH and to_broker:
                    self._unanswered += 1
                    self.most_unanswered = max(self.most_unanswered, self._unanswered)
                if kind == _PUBACK and not to_broker:
                    loop.call_later(manners.late_s, self._acknowledge, writer, frame)
                    continue
                if kind == _PUBLISH and self._is(manners.hold, "held"):
                    held_s = self._dice.uniform(0, manners.hold_s)
                    loop.call_later(held_s, _write, writer, frame)
                    continue
                if kind == _SUBACK and manners.refuse:
                    frame = frame[:-1] + _NOT_AUTHORIZED
                _write(writer, frame)
                if kind == _PUBLISH and self._is(manners.double, "doubled"):
                    _write(writer, bytes([frame[0] | _DUPLICATE]) + frame[1:])
                await writer.drain()

    def _acknowledge(self, writer: asyncio.StreamWriter, frame: bytes) -> None:
        self._unanswered -= 1
        _write(writer, frame)

    def _is(self, chance: float, what: str) -> bool:
        happens = self._dice.random() < chance
        self._manners.done[what] += happens
        return happens

    async def _cut(self) -> None:
        while self._manners.cut_every_s:
            await asyncio.sleep(self._manners.cut_every_s)
            self._manners.done["cut"] += bool(self._writers)
            for writer in self._writers:
                writer.transport.abort()


def _write(writer: asyncio.StreamWriter, frame: bytes) -> None:
    if not writer.is_closing():
        writer.write(frame)
