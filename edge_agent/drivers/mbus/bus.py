"""An M-Bus line: the telegrams of one meter at a time, and the search for meters."""

from collections.abc import AsyncIterator, Callable, Mapping
from random import Random

from edge_agent import line
from edge_agent.bus import Looked, Refused, Wanted
from edge_agent.drivers.mbus.meter import At, Enough, Heard, MBusMeter
from edge_agent.drivers.mbus.search import search
from edge_agent.line import Line, LinkLost, NoAnswer, Tally
from edge_agent.profiles import Profile
from edge_agent.protocols import mbus as codec
from edge_agent.protocols import mbus_records as records
from wire.errors import BadData

_TRY_LATER = {8, 9}  # application too busy, too many readouts
_LONGEST = 261  # bytes of a frame
_MOST_TELEGRAMS = 16  # a meter that still has more never ends


class MBusBus:
    """One request on the line at a time; a meter's telegrams are one turn."""

    def __init__(self, settings: line.Settings, random: Random, now_ms: Callable[[], int]) -> None:
        self._line = Line(settings, random, silence_s=settings.silence_s)
        self._place, self._settle_s = settings.place, settings.timeout_ms / 1000
        self._now_ms = now_ms

    def meter(self, wanted: Wanted) -> MBusMeter:
        """See edge_agent.bus.Bus."""
        return MBusMeter(self.telegrams, wanted, self._now_ms)

    def search(
        self, profiles: Mapping[str, Profile], first: int, last: int
    ) -> AsyncIterator[Looked]:
        """See edge_agent.bus.Searchable. After the primary addresses `first` to `last` the
        whole space of secondary ones, for meters that share an address or were given none."""
        return search(self.telegrams, profiles, first, last, self._settle_s)

    async def telegrams(
        self, at: At, enough: Enough, tally: Tally | None = None
    ) -> tuple[list[Heard], str]:
        """The telegrams of the meter at `at`, until it has no more or they are enough; and why the
        rest is missing, if one of them had no answer.

        Raises NoAnswer, LinkLost, Refused or BadData if there was none.
        """
        tally = tally or Tally()
        heard: list[Heard] = []
        who = f"meter {at} at {self._place}"
        async with self._line.turn(at):
            listening = await self._address(at, tally, who)
            while len(heard) < _MOST_TELEGRAMS:
                ask = codec.request(listening, toggle=len(heard) % 2 == 0)
                try:
                    frame = await self._line.ask(
                        ask, lambda data: _find(data, at, listening), _LONGEST, tally, who
                    )
                    heard.append(Heard(self._now_ms(), _decode(frame, who)))
                except (NoAnswer, LinkLost, BadData) as exc:
                    if not heard:
                        raise
                    return heard, str(exc)
                if not heard[-1].telegram.more or enough(heard):
                    break
        return heard, ""

    def drop(self) -> None:
        """Close the link; the next request opens it again."""
        self._line.drop()

    async def _address(self, at: At, tally: Tally, who: str) -> int:
        """Where the meter listens from now on, set to its first telegram."""
        frame = codec.select(at) if isinstance(at, codec.Secondary) else codec.reset(at)
        await self._line.ask(frame, lambda data: codec.find_ack(data, frame), 1, tally, who)
        return codec.SELECTED if isinstance(at, codec.Secondary) else at


def _find(data: bytes, at: At, listening: int) -> tuple[codec.Frame | None, int]:
    """The answer of the meter asked. At 253 whoever is selected answers: it must say its name."""
    used = 0
    while True:
        frame, size = codec.find_answer(data[used:], listening)
        used += size
        if frame is None or not isinstance(at, codec.Secondary):
            return frame, used
        sender = records.sender(frame)
        if sender is None or at.covers(sender):
            return frame, used


def _decode(frame: codec.Frame, who: str) -> records.Telegram:
    try:
        return records.decode(frame)
    except records.ApplicationError as exc:
        if exc.code in _TRY_LATER:
            raise NoAnswer(f"{who} {exc}") from exc
        raise Refused(f"{who} {exc}", exc.code) from exc
    except BadData as exc:
        raise BadData(f"{who}: {exc}") from exc
