"""A Modbus line: words of one unit, and the meters that are made of them."""

from collections.abc import AsyncIterator, Callable, Mapping
from random import Random

from edge_agent import line
from edge_agent.drivers import Looked, NoAnswer, NotThere, Refused, Wanted
from edge_agent.drivers.modbus.meter import ModbusMeter
from edge_agent.drivers.modbus.search import search
from edge_agent.line import Line, Tally
from edge_agent.profiles import Profile
from edge_agent.protocols import modbus as codec

_TRY_LATER = {5, 6, 10, 11}  # acknowledge, busy, and a gateway that did not reach the meter


class ModbusBus:
    """One request on the line at a time, each answered, timed out or lost before the next."""

    def __init__(
        self,
        settings: line.Settings,
        framing: codec.Framing,
        random: Random,
        now_ms: Callable[[], int],
    ) -> None:
        numbered = framing == "tcp"
        self._line = Line(settings, random, silence_s=settings.silence_s, numbered=numbered)
        self._place = settings.place
        self._framing = framing
        self._now_ms = now_ms
        self._transaction = 0

    def meter(self, wanted: Wanted) -> ModbusMeter:
        """See edge_agent.drivers.Bus."""
        return ModbusMeter(self.read, wanted, self._now_ms)

    def search(
        self, profiles: Mapping[str, Profile], first: int, last: int
    ) -> AsyncIterator[Looked]:
        """See edge_agent.drivers.Searchable."""
        return search(self.read, profiles, first, last)

    async def read(
        self,
        unit: int,
        function: int,
        address: int,
        count: int,
        rest_ms: int = 0,
        tally: Tally | None = None,
        *,
        drain: bool = True,
    ) -> tuple[int, ...]:
        """`count` words of meter `unit`, asked not sooner than `rest_ms` after its last.

        `drain`: see Line.ask. Raises NoAnswer, LinkLost or Refused.
        """
        async with self._line.turn(unit, rest_ms):
            self._transaction = self._transaction % 0xFFFF + 1
            request = codec.Request(unit, function, address, count, self._transaction)
            who = f"unit {unit} at {self._place}, registers {address} to {address + count - 1}"
            answer = await self._line.ask(
                codec.request_frame(request, self._framing),
                lambda data: codec.find_answer(data, request, self._framing),
                codec.answer_length(request, self._framing),
                tally or Tally(),
                who,
                drain=drain,
            )
        if answer.exception is None:
            return answer.words
        meaning = codec.EXCEPTIONS.get(answer.exception, "unknown")
        said = f"{who} answered exception {answer.exception} ({meaning})"
        if answer.exception in _TRY_LATER:
            raise NoAnswer(said)
        kind = NotThere if answer.exception == codec.ILLEGAL_ADDRESS else Refused
        raise kind(said, answer.exception)

    def drop(self) -> None:
        """Close the link; the next read opens it again."""
        self._line.drop()
