"""A line with meters that are read out: greet one, follow its speed, hear it to the end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from random import Random
from typing import Literal

from edge_agent import line
from edge_agent.bus import Found, Looked, Wanted
from edge_agent.drivers.iec62056_21.hearing import Hearing
from edge_agent.drivers.iec62056_21.meter import IecMeter, ReadOut, fitting
from edge_agent.line import Line, LinkLost, NoAnswer, Tally
from edge_agent.profiles import Profile
from edge_agent.protocols import iec62056_21 as codec

_REACTION_S = 0.2  # the least between two messages
_SPARE_S = 0.015  # for the last character to leave an adapter


class IecBus:
    """One read-out at a time. `follows`: the line can be set to the speed a meter offers."""

    def __init__(
        self,
        settings: line.Settings,
        random: Random,
        now_ms: Callable[[], int],
        *,
        follows: bool,
    ) -> None:
        self._line = Line(settings, random, silence_s=settings.min_gap_ms / 1000, anonymous=True)
        self._settings, self._follows = settings, follows
        self._now_ms = now_ms
        self._switching: asyncio.Task[None] | None = None

    def meter(self, wanted: Wanted) -> IecMeter:
        """See edge_agent.bus.Bus."""
        return IecMeter(self.read_out, wanted, self._now_ms)

    async def search(
        self, profiles: Mapping[str, Profile], first: int, last: int
    ) -> AsyncIterator[Looked]:
        """See edge_agent.bus.Searchable. Only a meter that is alone is found: addresses are the
        makers' own numbers and cannot be tried from `first` to `last`."""
        del first, last
        try:
            read_out = await self.read_out("", 0)
        except NoAnswer as exc:
            several = ": more than one meter, or one that cannot be read" if exc.garbled else ""
            heard: Literal["", "noise", "echo"]
            heard = "noise" if exc.garbled else "echo" if exc.echo else ""
            yield Looked(1, 1, f"whoever is alone{several}", None, heard)
            return
        said = str(read_out.identification)
        names, sure = fitting(read_out, profiles)
        found = Found({}, {"model": said}, names, sure, f"it says it is {said}")
        yield Looked(1, 1, f"whoever is alone: {said}", found)

    async def read_out(self, address: str, wake_up: int, tally: Tally | None = None) -> ReadOut:
        """Everything the meter `address` tells. Raises NoAnswer or LinkLost."""
        tally = tally or Tally()
        who = f"meter {address}".rstrip() + f" at {self._settings.place}"
        hearing = Hearing(self._now_ms, self._announced)
        async with self._line.turn(address):
            try:
                if self._follows:
                    await self._line.set_speed(self._settings.baud)
                greeting = bytes(wake_up) + codec.request(address)
                await self._ask(greeting, hearing.greeting, tally, who)
                if hearing.awaits_confirmation:
                    await asyncio.sleep(_REACTION_S)
                    await self._ask(self._confirm(hearing), hearing.read_out, tally, who)
            finally:
                self._stop_switching()
        if hearing.identification is None or hearing.text is None:
            tally.garbled += 1
            raise NoAnswer(f"{who}: talks on and on, but it is no read-out", garbled=True)
        items = tuple(codec.items(hearing.text))
        return ReadOut(hearing.began_ms, hearing.identification, items)

    def drop(self) -> None:
        """Close the link; the next request opens it again."""
        self._stop_switching()
        self._line.drop()

    async def _ask(self, frame: bytes, find: line.Find[bool], tally: Tally, who: str) -> None:
        pause_s = self._settings.timeout_ms / 1000
        await self._line.ask(frame, find, 0, tally, who, pause_s=pause_s)

    def _confirm(self, hearing: Hearing) -> bytes:
        """Mode C: the acknowledgement; when it has left, the line has the speed it names."""
        identification = hearing.identification
        letter = identification.letter if identification else "0"
        if not self._follows:
            letter = codec.letter_of(self._settings.baud) or letter
        frame = codec.acknowledge(letter)
        if self._follows and identification and identification.confirmed_baud:
            left_s = len(frame) * self._settings.character_s + _SPARE_S
            self._switch(identification.confirmed_baud, left_s)
        return frame

    def _announced(self, baud: int) -> None:
        """Mode B: the meter goes on at another speed by itself, after a pause."""
        if self._follows:
            self._switch(baud, 0.0)

    def _switch(self, baud: int, after_s: float) -> None:
        async def switch() -> None:
            await asyncio.sleep(after_s)
            with suppress(LinkLost):  # then no read-out comes, which is told
                await self._line.set_speed(baud)

        self._switching = asyncio.create_task(switch())

    def _stop_switching(self) -> None:
        if self._switching is not None:
            self._switching.cancel()
        self._switching = None
