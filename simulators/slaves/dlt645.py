"""A DL/T 645 meter as it looks from its line, of the edition of 2007 or of 1997.

It answers reads, blocks in several frames where one is too short, wildcards and the question for
its address; it takes the broadcast time and the order to freeze, and refuses what it has not got
and everything that would change it.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from edge_agent.protocols import bcd
from edge_agent.protocols.dlt645 import (
    BROADCAST,
    FOLLOW,
    FOLLOW_1997,
    FREEZE,
    MAX_DATA,
    NO_SUCH_DATA,
    READ,
    READ_1997,
    READ_ADDRESS,
    TIME,
    Answer,
    Request,
    answer_frame,
    find_request,
    matches,
)
from simulators.slaves import Other, Source, Turn
from simulators.slaves.dlt645_data import Clock, Readings, data_1997, data_2007

_OTHER_ERROR, _NOT_AUTHORISED = 0x01, 0x04
_BEFORE_DATA = 10  # 68, address, 68, control, length
_MOST_SET_MS = 300_000  # a clock takes corrections up to five minutes


class Dlt645Meter:
    """Meter `name` at `address` (twelve digits), which shows what `source` measures.

    `since_ms`: when its memory begins; `most`: bytes of data in a frame; `preamble`: the FE before
    an answer.
    """

    def __init__(
        self,
        name: str,
        address: str,
        source: Source,
        *,
        edition: str = "2007",
        clock: Clock | None = None,
        since_ms: int = 0,
        tariffs: int = 4,
        most: int = MAX_DATA,
        preamble: int = 4,
    ) -> None:
        self.name, self.address, self.preamble = name, address, preamble
        self.is_2007 = edition == "2007"
        self.clock = clock or Clock()
        self._own = Readings(address, source, self.clock, since_ms, tariffs)
        self._most = most
        self._rest: tuple[str, list[bytes]] = ("", [])  # DI, and the parts of it not yet fetched

    def hears(self, request: Request) -> bool:
        """Is it meant, and is the request of its edition?"""
        if request.control in (READ_1997, FOLLOW_1997) and self.is_2007:
            return False
        if request.control in (READ, FOLLOW, READ_ADDRESS, FREEZE) and not self.is_2007:
            return False
        return request.address == BROADCAST or matches(request.address, self.address)

    def answer(self, request: Request, t_ms: int) -> Answer:
        """What it says to a request that reaches it at `t_ms`."""
        if request.control in (READ, READ_1997):
            return self._read(request, t_ms)
        if request.control in (FOLLOW, FOLLOW_1997):
            return self._follow(request)
        if request.control == FREEZE:
            self.take(request, t_ms)
        elif request.control != READ_ADDRESS:
            return Answer(self.address, error=_NOT_AUTHORISED)
        return Answer(self.address)

    def take(self, request: Request, t_ms: int) -> None:
        """An order it carries out: the time of day, or to freeze now."""
        if request.control == FREEZE and request.data == b"\x99" * 4:
            self._own.frozen.append(t_ms)
        if request.control == TIME and len(request.data) == 6:
            moment = bcd.read_moment("YYMMDDhhmmss", bcd.text(request.data))
            if moment is not None and abs(self._off_ms(moment, t_ms)) <= _MOST_SET_MS:
                self.clock.set(t_ms, int(moment.timestamp()) * 1000)

    def _off_ms(self, moment: datetime, t_ms: int) -> int:
        return int(moment.timestamp()) * 1000 - self.clock.shows(t_ms)

    def _read(self, request: Request, t_ms: int) -> Answer:
        look = data_2007 if self.is_2007 else data_1997
        is_di = len(request.di) == (8 if self.is_2007 else 4)
        data = look(self._own, request.di, t_ms) if is_di else None
        if data is None:
            return Answer(self.address, error=NO_SUCH_DATA)
        size = self._most - 5  # the identifier, and the number of a following frame
        parts = [data[at : at + size] for at in range(0, len(data), size)]
        self._rest = request.di, parts[1:]
        return Answer(self.address, parts[0], more=len(parts) > 1)

    def _follow(self, request: Request) -> Answer:
        """The parts of the block read last; by number in 2007, one after the other in 1997."""
        di, parts = self._rest
        number = request.frame if self.is_2007 else 1
        if di != request.di or not 1 <= number <= len(parts):
            return Answer(self.address, error=NO_SUCH_DATA)
        if not self.is_2007:
            self._rest = di, parts[1:]
        return Answer(self.address, parts[number - 1], more=number < len(parts))


class Dlt645Party:
    """DL/T 645 meters on one line. A wildcard makes all it covers talk, also at once."""

    def __init__(self, meters: Sequence[Dlt645Meter]) -> None:
        self._meters = meters

    def least_turn_s(self, baud: int) -> float:  # noqa: ARG002  other protocols count in bits
        """At any speed a meter waits 20 ms."""
        return 0.02

    def find(self, data: bytes) -> tuple[Request | None, int]:
        """See the base."""
        return find_request(data)

    def turns(self, request: Request, t_ms: int) -> list[Turn]:
        """See the base."""
        meant = [meter for meter in self._meters if meter.hears(request)]
        if request.address == BROADCAST or request.control == TIME:
            for meter in meant:
                meter.take(request, t_ms)
            return []
        return [_turn(meter, request, meter.answer(request, t_ms)) for meter in meant]


def _turn(meter: Dlt645Meter, request: Request, answer: Answer) -> Turn:
    def other(kind: Other) -> bytes:
        said, asked = answer, request
        if kind == "refusal":
            said = Answer(meter.address, error=_OTHER_ERROR)
        elif kind == "foreign":
            said = replace(answer, address=f"{(int(meter.address) + 1) % 10**12:012d}")
        elif request.di:
            asked = replace(request, di=f"{request.di[:-1]}{'1' if request.di[-1] != '1' else '2'}")
        return answer_frame(asked, said, meter.preamble)

    frame = answer_frame(request, answer, meter.preamble)
    head = meter.preamble + _BEFORE_DATA + len(request.di) // 2
    tail = 3 if request.control == FOLLOW else 2
    return Turn(
        meter.name, frame, range(min(head, len(frame) - tail), len(frame) - tail), "sum", other
    )
