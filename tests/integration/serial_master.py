"""A gateway's end of a serial line, as plain as it gets: opens once, then reads and writes bytes."""

import asyncio
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from edge_agent.protocols.modbus import Request, request_frame

T = TypeVar("T")


class Master:
    """A raw master on a pty."""

    def __init__(self, path: Path, baud: int) -> None:
        self.file = path.open("r+b", buffering=0)
        attributes = termios.tcgetattr(self.file)
        attributes[4] = attributes[5] = getattr(termios, f"B{baud}")
        termios.tcsetattr(self.file, termios.TCSANOW, attributes)
        self.silence_s = 3.5 * 11 / baud
        self._quiet_since = 0.0

    async def ask(
        self, request: Request, wait_s: float, least: int = 0
    ) -> tuple[bytes, list[float]]:
        """What came within `wait_s`, or until it was `least` bytes, and when (s after asking)."""
        return await self.send(request_frame(request, "rtu"), wait_s, least)

    async def send(self, data: bytes, wait_s: float, least: int = 0) -> tuple[bytes, list[float]]:
        """The same for any bytes."""
        self.file.write(data)
        return await self.listen(wait_s, least)

    async def listen(self, wait_s: float, least: int = 0) -> tuple[bytes, list[float]]:
        loop, began, got, times = asyncio.get_running_loop(), time.monotonic(), bytearray(), []

        def take() -> None:
            data = self.file.read(512)
            got.extend(data)
            times.extend([time.monotonic() - began] * len(data))

        loop.add_reader(self.file, take)
        await asyncio.sleep(wait_s)
        async with asyncio.timeout(60):
            while len(got) < least:  # a busy machine is late
                await asyncio.sleep(0.01)
        loop.remove_reader(self.file)
        return bytes(got), times

    async def poll(
        self, frame: bytes, find: Callable[[bytes], tuple[T | None, int]], wait_s: float = 60.0
    ) -> T:
        """Ask after 3.5 characters of silence, and return as soon as `find` has the answer."""
        loop, got = asyncio.get_running_loop(), bytearray()
        while (rest_s := self._quiet_since + self.silence_s - time.monotonic()) > 0:
            await asyncio.sleep(rest_s)
        answer: asyncio.Future[T] = loop.create_future()

        def take() -> None:
            got.extend(self.file.read(512))
            found, _ = find(bytes(got))
            if found is not None and not answer.done():
                self._quiet_since = time.monotonic()
                answer.set_result(found)

        loop.add_reader(self.file, take)
        try:
            self.file.write(frame)
            return await asyncio.wait_for(answer, wait_s)
        finally:
            loop.remove_reader(self.file)

    def close(self) -> None:
        self.file.close()
