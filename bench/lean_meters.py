"""Modbus TCP meters that cost next to nothing: one port at every address 127.0.0.1 to 127.0.0.8, any
number of connections, all units.

`python -m bench.lean_meters`: prints its port and serves until killed. Every request for twenty
registers is answered with ten 32-bit floats, the first of which counts; no other is.
"""

import asyncio
import struct

_REQUEST = struct.Struct(">HHHBBHH")
_ANSWER = struct.Struct(">HHHBBB10f")
_WORDS = 20
_ADDRESSES = 8
UNITS = 247  # at one address
_REST = (0.0, 4711.5, 230.1, 229.8, 231.2, 6.71, 6.93, 6.58, 50.01)


def address(n: int) -> str:
    """Where the meter number `n` is."""
    return f"127.0.0.{1 + n // UNITS}"


class Meter(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See the base."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._counted = 0
        self._waiting = b""

    def data_received(self, data: bytes) -> None:
        """See the base."""
        waiting = self._waiting + data
        while len(waiting) >= _REQUEST.size:
            transaction, _, _, unit, function, _, count = _REQUEST.unpack_from(waiting)
            waiting = waiting[_REQUEST.size :]
            if count == _WORDS:
                self._counted += 1
                values = (float(self._counted // 100), *_REST)
                head = (transaction, 0, 3 + 2 * count, unit, function, 2 * count)
                self._transport.write(_ANSWER.pack(*head, *values))
        self._waiting = waiting


async def main() -> None:
    loop = asyncio.get_running_loop()
    first = await loop.create_server(Meter, address(0), 0, backlog=4096)
    port = first.sockets[0].getsockname()[1]
    for n in range(1, _ADDRESSES):
        await loop.create_server(Meter, address(n * UNITS), port, backlog=4096)
    print(port, flush=True)
    await first.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
