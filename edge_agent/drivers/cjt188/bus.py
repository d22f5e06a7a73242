"""A CJ/T 188 line: the answer of one meter, the meters made of them, and who is there alone."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from random import Random

from edge_agent import line
from edge_agent.drivers import Found, Looked, NoAnswer, Refused, Wanted
from edge_agent.drivers.cjt188.meter import Cjt188Meter
from edge_agent.line import Line, Tally
from edge_agent.profiles import Profile as AnyProfile
from edge_agent.profiles.cjt188 import Profile
from edge_agent.protocols import cjt188 as codec

_PREAMBLE = 4  # bytes FE before an answer, at most


class Cjt188Bus:
    """One request on the line at a time, each answered, timed out or lost before the next."""

    def __init__(
        self, settings: line.Settings, preamble: int, random: Random, now_ms: Callable[[], int]
    ) -> None:
        self._line = Line(settings, random, silence_s=settings.silence_s)
        self._place = settings.place
        self._preamble = preamble
        self._now_ms = now_ms
        self._serial = 0

    def meter(self, wanted: Wanted) -> Cjt188Meter:
        """See edge_agent.drivers.Bus."""
        return Cjt188Meter(self.read, wanted, self._now_ms)

    async def search(
        self, profiles: Mapping[str, AnyProfile], first: int, last: int
    ) -> AsyncIterator[Looked]:
        """See edge_agent.drivers.Searchable. The standard lets a meter say its address only where it
        is alone on the line; `first` and `last` say nothing here."""
        del first, last
        for done, di_reversed in enumerate((False, True), 1):
            request = codec.read_address(serial=self._next_serial(), di_reversed=di_reversed)
            found = None
            with contextlib.suppress(NoAnswer, Refused):
                answer = await self._ask(request, "", 0, Tally())
                found = await self._recognise(answer, di_reversed, profiles)
            yield Looked(done, 2, f"{codec.ANYONE}, {'0A 81' if di_reversed else '81 0A'}", found)
            if found is not None:
                return

    async def read(self, request: codec.Request, layout: str, rest_ms: int, tally: Tally) -> bytes:
        """The data that answer `request`. Raises NoAnswer, LinkLost or Refused."""
        numbered = replace(request, serial=self._next_serial())
        return (await self._ask(numbered, layout, rest_ms, tally)).data

    def drop(self) -> None:
        """Close the link; the next read opens it again."""
        self._line.drop()

    async def _ask(
        self, request: codec.Request, layout: str, rest_ms: int, tally: Tally
    ) -> codec.Answer:
        who = f"meter {request.address} of kind {request.kind:02X} at {self._place}, {request.di}"
        async with self._line.turn(request.address, rest_ms):
            answer = await self._line.ask(
                codec.request_frame(request, self._preamble),
                lambda data: codec.find_answer(data, request, layout),
                codec.answer_length(layout) + _PREAMBLE,
                tally,
                who,
            )
        if answer.refusal is not None:
            state = answer.refusal.hex(" ")
            raise Refused(f"{who}: refused, its state is {state}", answer.refusal[0])
        return answer

    async def _recognise(
        self, answer: codec.Answer, di_reversed: bool, profiles: Mapping[str, AnyProfile]
    ) -> Found:
        """The meter with the profiles of its kind that its answer fits."""
        fitting = []
        for name, profile in profiles.items():
            if isinstance(profile, Profile) and int(profile.kind, 16) == answer.kind:
                request = codec.Request(
                    answer.kind, answer.address, profile.di, di_reversed=di_reversed
                )
                with contextlib.suppress(NoAnswer, Refused):
                    await self.read(request, profile.layout, 0, Tally())
                    fitting.append(name)
        kind = f"{answer.kind:02X}"
        address = {"address": answer.address, "kind": kind, "di_reversed": di_reversed}
        identity = {"address": answer.address, "kind": kind}
        why = f"CJ/T 188, kind {kind}{'' if fitting else ': its answer has a layout of its own'}"
        return Found(address, identity, tuple(fitting), "likely" if fitting else "possible", why)

    def _next_serial(self) -> int:
        self._serial = (self._serial + 1) % 256
        return self._serial
