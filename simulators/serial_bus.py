"""A serial line with several meters on it, as a pty whose bytes take as long as on a wire.

A pty has no speed: what is written arrives at once. So the line keeps its own time. A byte counts
as arrived one character after the one before it, a request is complete when its last byte has
arrived, the meter then takes its turn-around time, and the answer leaves byte by byte at the line's
speed. Frames are found by length and check sum, never by silence: a process that is stopped for
5 ms must not lose one. A unit nobody has stays silent. Who opens the line at another speed hears
nothing, as on a wire. What the gateway sends while a meter talks collides and is lost.
"""

import asyncio
import logging
import os
import pty
import termios
import tty
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from edge_agent.protocols.modbus import Request, find_request
from simulators.faults import Faults, Reply
from simulators.instrument import Instrument
from simulators.plant import Port

log = logging.getLogger(__name__)

_WAKE_S = 0.002  # bytes are let out in portions of this length, never early
_SPEEDS = {getattr(termios, name): int(name[1:]) for name in dir(termios) if name[1:].isdigit()}


class SerialLine:
    """One line at `path` (a symbolic link to the pty), meters by unit id."""

    def __init__(
        self,
        path: Path,
        port: Port,
        instruments: Mapping[int, Instrument],
        now_ms: Callable[[], int],
        faults: Faults | None = None,
    ) -> None:
        self.path = path
        self.character_s = (10 if port.parity == "N" else 11) / port.baud
        self.collisions = 0
        self._port = port
        self._instruments = instruments
        self._now_ms = now_ms
        self._faults = faults or Faults()
        self._wrong_speed = 0

    async def serve(self) -> None:
        """Make the line and answer on it until cancelled; the link goes with it."""
        master, slave = pty.openpty()
        # We keep the slave's end open too, or the line would break when the gateway closes it.
        tty.setraw(slave)
        os.set_blocking(master, False)
        self._link(os.ttyname(slave))
        heard: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        loop.add_reader(master, lambda: heard.put_nowait((loop.time(), os.read(master, 4096))))
        try:
            async with asyncio.TaskGroup() as late:
                await self._converse(master, heard, late)
        finally:
            loop.remove_reader(master)
            os.close(master)
            os.close(slave)
            self.path.unlink(missing_ok=True)

    async def _converse(
        self, master: int, heard: asyncio.Queue[tuple[float, bytes]], late: asyncio.TaskGroup
    ) -> None:
        waiting, arrived = b"", 0.0  # bytes not yet part of a frame; when the last one arrived
        while True:
            began, data = await heard.get()
            arrived = max(arrived, began) + len(data) * self.character_s
            waiting += data
            request, used = find_request(waiting, "rtu")
            waiting = waiting[used:]
            if request is None:
                continue
            await _until(arrived)
            reply = self._reply(master, request)
            if reply is None:
                continue
            due = arrived + (self._port.turn_ms + reply.delay_ms) / 1000
            if reply.delay_ms:
                late.create_task(self._send(master, reply.data, due))
                continue
            end = await self._send(master, reply.data, due)
            self._drop_collided(heard, end)

    def _drop_collided(self, heard: asyncio.Queue[tuple[float, bytes]], end: float) -> None:
        kept = []
        while not heard.empty():
            kept.append(heard.get_nowait())
        for began, data in kept:
            if began < end:
                self.collisions += 1
            else:
                heard.put_nowait((began, data))

    def _reply(self, master: int, request: Request) -> Reply | None:
        instrument = self._instruments.get(request.unit)
        if instrument is None or not self._same_speed(master):
            return None
        answer = instrument.answer(request, self._now_ms())
        return self._faults.reply(instrument.meter.name, request, answer, "rtu")

    async def _send(self, master: int, data: bytes, due: float) -> float:
        """From `due` on, each byte becomes readable when its last bit has passed; the end."""
        await _until(due)
        loop = asyncio.get_running_loop()
        sent = 0
        while sent < len(data):
            await _until(min(loop.time() + _WAKE_S, due + len(data) * self.character_s))
            passed = min(len(data), int((loop.time() - due) / self.character_s))
            with suppress(BlockingIOError):  # nobody has read the line for a long time
                os.write(master, data[sent:passed])
            sent = passed
        return loop.time()

    def _same_speed(self, master: int) -> bool:
        speed = _SPEEDS.get(termios.tcgetattr(master)[5], 0)
        if speed != self._port.baud and speed != self._wrong_speed:
            log.warning(
                "%s is opened at %d baud, its meters talk %d", self.path, speed, self._port.baud
            )
        self._wrong_speed = speed
        return speed == self._port.baud

    def _link(self, target: str) -> None:
        """Replace what a killed run left, in one step."""
        fresh = self.path.with_name(f".{self.path.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target)
        fresh.replace(self.path)


async def _until(when: float) -> None:
    await asyncio.sleep(max(0.0, when - asyncio.get_running_loop().time()))
