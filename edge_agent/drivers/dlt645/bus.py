"""A DL/T 645 line: the data of one identifier of one meter, and the meters made of them."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from random import Random

from edge_agent import line
from edge_agent.drivers import Looked, NoAnswer, NotThere, Refused, Wanted
from edge_agent.drivers.dlt645.meter import Dlt645Meter
from edge_agent.drivers.dlt645.search import Heard, seek, sorted_out
from edge_agent.line import Line, Tally
from edge_agent.profiles import Profile
from edge_agent.protocols import bcd
from edge_agent.protocols import dlt645 as codec

_PREAMBLE = 4  # bytes FE before an answer, at most
_MOST_FRAMES = 255


class Dlt645Bus:
    """One request on the line at a time, each answered, timed out or lost before the next."""

    def __init__(
        self, settings: line.Settings, preamble: int, random: Random, now_ms: Callable[[], int]
    ) -> None:
        self._line = Line(settings, random, silence_s=settings.silence_s)
        self._place = settings.place
        self._preamble = preamble
        self._now_ms = now_ms

    def meter(self, wanted: Wanted) -> Dlt645Meter:
        """See edge_agent.drivers.Bus."""
        return Dlt645Meter(self.read, wanted, self._now_ms)

    async def search(
        self, profiles: Mapping[str, Profile], first: int, last: int
    ) -> AsyncIterator[Looked]:
        """See edge_agent.drivers.Searchable. Meters are asked for by wildcard: addresses of twelve
        digits cannot be tried from `first` to `last`."""
        del first, last
        async for looked in seek(self._listen, self.read, profiles):
            yield looked

    async def read(
        self, address: str, di: str, layout: str, rest_ms: int = 0, tally: Tally | None = None
    ) -> bytes:
        """The data of `di` of meter `address`, its following frames included.

        Raises NoAnswer, LinkLost or Refused.
        """
        tally = tally or Tally()
        who = f"meter {address} at {self._place}, {di}"
        async with self._line.turn(address, rest_ms):
            request = codec.read(address, di)
            answer = await self._ask(request, layout, tally, who)
            data = answer.data
            while answer.more and request.frame < _MOST_FRAMES:
                request = codec.follow(request, request.frame + 1)
                answer = await self._ask(request, layout, tally, who)
                data += answer.data
        if answer.error is not None:
            said = codec.error_words(request, answer.error)
            kind = NotThere if answer.error & codec.NO_SUCH_DATA else Refused
            raise kind(f"{who}: answered error {answer.error:02X} ({said})", answer.error)
        if not bcd.fits(layout, data):
            raise NoAnswer(f"{who}: following frames do not add up to {layout}: {data.hex(' ')}")
        return data

    def drop(self) -> None:
        """Close the link; the next read opens it again."""
        self._line.drop()

    async def _ask(
        self, request: codec.Request, layout: str, tally: Tally, who: str
    ) -> codec.Answer:
        return await self._line.ask(
            codec.request_frame(request, self._preamble),
            lambda data: codec.find_answer(data, request, layout),
            codec.answer_length(request, layout) + _PREAMBLE,
            tally,
            who,
        )

    async def _listen(self, request: codec.Request, layout: str) -> Heard:
        """Everyone who answers `request` until its time is up, and whether they were all there was."""
        heard = bytearray()

        def keep(data: bytes) -> tuple[None, int]:
            heard.extend(data)
            return None, len(data)

        frame = codec.request_frame(request, self._preamble)
        most = codec.answer_length(request, layout) + _PREAMBLE
        async with self._line.turn(request.address):
            with contextlib.suppress(NoAnswer):
                await self._line.ask(frame, keep, most, Tally(), f"search at {self._place}")
        return sorted_out(bytes(heard).replace(frame, b""), request, layout)
