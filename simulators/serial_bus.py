"""A serial line with several meters on it, as a pty whose bytes take as long as on a wire.

A pty has no speed: what is written arrives at once. So the line keeps its own time. A byte counts
as arrived one character after the one before it, a request is complete when its last byte has
arrived, the meter is then silent as long as its protocol asks and takes its turn-around time, and
the answer leaves byte by byte at the line's speed. Frames are found by length and check sum, never
by silence: a process that is stopped for 5 ms must not lose one. A unit nobody has stays silent. Who
opens the line at another speed hears nothing, as on a wire. Who talks while somebody else does
spoils both.

What the line noticed stands in `stats`. A gap is measured from the moment the last byte was there
to be read until the gateway's next one is heard, so a process that is late sees gaps longer than
they were, never shorter: a violation counted is one.
"""

import asyncio
import logging
import math
import os
import pty
import termios
import tty
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from simulators.faults import Faults, Said
from simulators.slaves import Party

log = logging.getLogger(__name__)

_WAKE_S = 0.002  # bytes are let out in portions of this length, never early
_ROUNDING = 1e-6  # of a character
_FORGET_S = 0.5  # of silence, after which half a request will not be finished
_SPEEDS = {getattr(termios, name): int(name[1:]) for name in dir(termios) if name[1:].isdigit()}


@dataclass(frozen=True)
class Wire:
    """How a line is set, and how long its meters think before they answer."""

    baud: int = 9600
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    turn_ms: int = 10

    @property
    def character_s(self) -> float:
        """Seconds one character takes: 10 bits, or 11 with a parity or a second stop bit."""
        return (1 + 8 + (self.parity != "N") + self.stop_bits) / self.baud

    @property
    def silence_s(self) -> float:
        """The least silence between two frames: 3.5 characters, 1.75 ms above 19200 baud."""
        return 3.5 * 11 / self.baud if self.baud <= 19200 else 0.00175


@dataclass
class Stats:
    """What passed on a line. `least_gap_s`: before a request, infinite before the second frame."""

    requests: int = 0
    answers: int = 0
    collisions: int = 0
    busy_s: float = 0.0
    least_gap_s: float = math.inf
    gap_violations: int = 0  # gaps of less than 3.5 characters


@dataclass
class Passage:
    """Bytes on the wire: from the gateway, or an answer of a meter."""

    begin_s: float
    end_s: float
    data: bytes
    is_answer: bool
    spoilt: bool = False


class SerialLine:
    """One line at `path` (a symbolic link to the pty) and the meters of each protocol on it.

    `tap` is called with everything that has passed, for whoever wants to look at the wire.
    """

    def __init__(
        self,
        path: Path,
        wire: Wire,
        parties: Sequence[Party[Any]],
        now_ms: Callable[[], int],
        faults: Faults | None = None,
        tap: Callable[[Passage], None] | None = None,
    ) -> None:
        self.path, self.stats = path, Stats()
        self._wire, self._now_ms = wire, now_ms
        self._parties = [(party, bytearray()) for party in parties]
        self._faults = faults or Faults()
        self._tap = tap
        self._master = -1
        self._wrong_speed = 0
        self._asking = Passage(-math.inf, -math.inf, b"", is_answer=False)  # the gateway's last
        self._is_whole = True  # they ended a request
        self._speaking: list[Passage] = []
        self._busy_until = self._quiet_since = -math.inf

    async def serve(self) -> None:
        """Make the line and answer on it until cancelled; the link goes with it."""
        self._master, slave = pty.openpty()
        # We keep the slave's end open too, or the line would break when the gateway closes it.
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        self._link(os.ttyname(slave))
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as turns:
                loop.add_reader(
                    self._master, lambda: self._hear(os.read(self._master, 4096), turns)
                )
                await loop.create_future()
        finally:
            loop.remove_reader(self._master)
            os.close(self._master)
            os.close(slave)
            self.path.unlink(missing_ok=True)

    def _hear(self, data: bytes, turns: asyncio.TaskGroup) -> None:
        """Bytes of the gateway begin to pass now, or follow those that still do."""
        now = asyncio.get_running_loop().time()
        begin = max(now, self._asking.end_s)
        self._mind_the_gap(begin)
        asking = Passage(begin, begin + len(data) * self._wire.character_s, data, is_answer=False)
        self._asking = asking
        self._occupy(asking)
        self._is_whole = bool(self._speaking)
        if self._speaking:
            self._collide(asking, *self._speaking)
            return
        for party, waiting in self._parties:
            waiting += data
            while True:
                request, used = party.find(bytes(waiting))
                heard = bytes(waiting[:used])
                del waiting[:used]
                if request is None:
                    break
                self._is_whole = True
                self.stats.requests += 1
                turns.create_task(self._take_turn(party, request, heard, asking))

    async def _take_turn(
        self, party: Party[Any], request: Any, heard: bytes, asking: Passage
    ) -> None:
        await _until(asking.end_s)
        if asking.spoilt or not self._same_speed():
            return
        now_ms = self._now_ms()
        due = asking.end_s + party.least_turn_s(self._wire.baud) + self._wire.turn_ms / 1000
        async with asyncio.TaskGroup() as parts:
            for turn in party.turns(request, now_ms):
                for said in self._faults.replies(turn, heard, now_ms):
                    if said.is_echo:
                        self._write(said.data)
                    else:
                        parts.create_task(self._say(said, due + said.delay_ms / 1000))

    async def _say(self, said: Said, due: float) -> None:
        """From `due` on, each byte becomes readable when its last bit has passed."""
        await _until(due)
        now = asyncio.get_running_loop().time
        character_s = self._wire.character_s * said.pace
        spoken = Passage(due, due + len(said.data) * character_s, said.data, is_answer=True)
        if now() < self._asking.end_s or self._speaking:
            self._collide(spoken, self._asking, *self._speaking)
        self._speaking.append(spoken)
        sent = 0
        while sent < len(said.data):
            await _until(min(now() + _WAKE_S, spoken.end_s))
            passed = math.floor((now() - due) / character_s + _ROUNDING)
            portion = said.data[sent:passed]
            sent += len(portion)
            # What two say at once, a receiver reads as neither.
            self._write(bytes(b ^ 0x5A for b in portion) if spoken.spoilt else portion)
        self._speaking.remove(spoken)
        self.stats.answers += 1
        self._occupy(spoken)

    def _write(self, data: bytes) -> None:
        self._quiet_since = asyncio.get_running_loop().time()
        with suppress(BlockingIOError):  # nobody has read the line for a long time
            os.write(self._master, data)

    def _mind_the_gap(self, begin: float) -> None:
        gap = begin - max(self._quiet_since, self._asking.end_s)
        if gap > _FORGET_S:
            for _, waiting in self._parties:
                waiting.clear()
        elif self._speaking:
            gap = 0.0
        elif not self._is_whole and self._asking.end_s > self._quiet_since:
            return  # a frame written in pieces has no gap inside
        self.stats.least_gap_s = min(self.stats.least_gap_s, gap)
        self.stats.gap_violations += gap < self._wire.silence_s

    def _collide(self, *passages: Passage) -> None:
        self.stats.collisions += 1
        for passage in passages:
            passage.spoilt = True

    def _occupy(self, passage: Passage) -> None:
        begin = max(passage.begin_s, self._busy_until)
        self.stats.busy_s += max(0.0, passage.end_s - begin)
        self._busy_until = max(self._busy_until, passage.end_s)
        if self._tap is not None:
            self._tap(passage)

    def _same_speed(self) -> bool:
        speed = _SPEEDS.get(termios.tcgetattr(self._master)[5], 0)
        if speed != self._wire.baud and speed != self._wrong_speed:
            log.warning(
                "%s is opened at %d baud, its meters talk %d", self.path, speed, self._wire.baud
            )
        self._wrong_speed = speed
        return speed == self._wire.baud

    def _link(self, target: str) -> None:
        """Replace what a killed run left, in one step."""
        fresh = self.path.with_name(f".{self.path.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target)
        fresh.replace(self.path)


async def _until(when: float) -> None:
    await asyncio.sleep(max(0.0, when - asyncio.get_running_loop().time()))
