"""A Modbus line: words of one unit, and the meters that are made of them."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from random import Random

from edge_agent import line
from edge_agent.drivers import Looked, NoAnswer, NotThere, Refused, Wanted
from edge_agent.drivers.modbus.meter import ModbusMeter
from edge_agent.drivers.modbus.search import search
from edge_agent.line import Line, Tally
from edge_agent.profiles import Profile
from edge_agent.protocols import modbus as codec

_NOT_REACHED = {10, 11}  # by a gateway
_TRY_LATER = {5, 6} | _NOT_REACHED  # acknowledge, busy


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
        return search(self.probe, self.read, profiles, first, last)

    async def read(
        self,
        unit: int,
        function: int,
        address: int,
        count: int,
        rest_ms: int = 0,
        tally: Tally | None = None,
    ) -> tuple[int, ...]:
        """`count` words of meter `unit`, asked not sooner than `rest_ms` after its last.

        Raises NoAnswer, LinkLost or Refused.
        """
        async with self._line.turn(unit, rest_ms):
            request = self._request(unit, function, address, count)
            who = f"unit {unit} at {self._place}, registers {address} to {address + count - 1}"
            answer = await self._line.ask(
                codec.request_frame(request, self._framing),
                lambda data: codec.find_answer(data, request, self._framing),
                codec.answer_length(request, self._framing),
                tally or Tally(),
                who,
            )
        if answer.exception is None:
            return answer.words
        meaning = codec.EXCEPTIONS.get(answer.exception, "unknown")
        said = f"{who} answered exception {answer.exception} ({meaning})"
        if answer.exception in _TRY_LATER:
            raise NoAnswer(said)
        kind = NotThere if answer.exception == codec.ILLEGAL_ADDRESS else Refused
        raise kind(said, answer.exception)

    async def probe(
        self, unit: int, others: Sequence[int] = (), probe_ms: int | None = None
    ) -> int:
        """Who is there: `unit`, which is asked, or one of `others`, whose answer to the same
        question was due before. Raises NoAnswer or LinkLost.

        No model takes offence at the question: two words from an even address. A gateway passes
        requests on one after the other, and answers for each, so it is given its time.
        """
        hasty_ms = probe_ms if self._framing == "rtu" else None
        async with self._line.turn(unit):
            request = self._request(unit, 3, 0, 2)
            who, answer = await self._line.ask(
                codec.request_frame(request, self._framing),
                lambda data: _find_any(data, request, (unit, *others), self._framing),
                codec.answer_length(request, self._framing),
                Tally(),
                f"unit {unit} at {self._place}",
                probe_ms=hasty_ms,
            )
        if answer.exception in _NOT_REACHED:
            raise NoAnswer(f"unit {unit} at {self._place}: the gateway did not reach it")
        return who

    def _request(self, unit: int, function: int, address: int, count: int) -> codec.Request:
        self._transaction = self._transaction % 0xFFFF + 1
        return codec.Request(unit, function, address, count, self._transaction)

    def drop(self) -> None:
        """Close the link; the next read opens it again."""
        self._line.drop()


def _find_any(
    data: bytes, request: codec.Request, units: Sequence[int], framing: codec.Framing
) -> tuple[tuple[int, codec.Answer] | None, int]:
    """Like `codec.find_answer`, for the same question to any of `units`: who, and what it said."""
    least = len(data)
    for unit in units:
        answer, used = codec.find_answer(data, replace(request, unit=unit), framing)
        if answer is not None:
            return (unit, answer), used
        least = min(least, used)
    return None, least
