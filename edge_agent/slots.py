"""How complete a meter's readings are, by quarter of an hour. Pure, in integers.

A slot begins at every whole multiple of the meter's interval and at every boundary: the instants
`schedule` has it read at. It is answered if a round that was begun in it was answered. Due is every
slot that began, also where the bus had no time to ask or a back-off left it out: a meter that is
dead for half a quarter is half complete.
"""

import math
from collections import deque
from dataclasses import dataclass

QUARTER_MS = 900_000
_KEPT = 4  # quarters, besides the one under way


@dataclass(slots=True)
class Quarter:
    """The quarter of an hour from `start_ms` on, counted from `since_ms`."""

    start_ms: int
    since_ms: int
    due: int = 0
    answered: int = 0


class Slots:
    """One meter's slots since `now_ms`. `due` and `answered`: of all that time, as last counted."""

    def __init__(self, interval_ms: int, boundary_ms: int, now_ms: int) -> None:
        self.due = self.answered = 0
        self._every = interval_ms, boundary_ms
        self._upto_ms = now_ms  # slots that begin before are counted
        self._last_ms = now_ms - 1  # no slot up to here can be answered any more
        self._quarters = deque([Quarter(_start(now_ms), now_ms)], maxlen=_KEPT + 1)

    def count(self, now_ms: int) -> list[Quarter]:
        """The last quarters, oldest first, with every slot that has begun by now."""
        if now_ms > self._upto_ms + _KEPT * QUARTER_MS:
            self.clock_stepped(now_ms, now_ms - self._upto_ms)  # or the machine slept
        while now_ms >= (next_ms := self._quarters[-1].start_ms + QUARTER_MS):
            self._count(next_ms)
            self._quarters.append(Quarter(next_ms, next_ms))
        self._count(now_ms + 1)
        return list(self._quarters)

    def answered_round(self, begun_ms: int, now_ms: int) -> None:
        """A round that was begun then has been answered by now."""
        self.count(now_ms)
        slot_ms = max(begun_ms // every * every for every in self._every)
        if slot_ms <= self._last_ms:
            return
        self._last_ms = slot_ms
        self.answered += 1
        for quarter in self._quarters:
            if quarter.start_ms == _start(slot_ms):
                quarter.answered += 1

    def retime(self, interval_ms: int, boundary_ms: int, now_ms: int) -> None:
        """From now on it is read at another interval."""
        self.count(now_ms)
        self._every = interval_ms, boundary_ms

    def clock_stepped(self, now_ms: int, by_ms: int) -> None:
        """The clock was set by `by_ms`: this quarter and those between are counted anew."""
        sound_ms = min(_start(now_ms), _start(now_ms - by_ms))
        before = [quarter for quarter in self._quarters if quarter.start_ms < sound_ms]
        self._quarters = deque([*before, Quarter(_start(now_ms), now_ms)], maxlen=_KEPT + 1)
        self._upto_ms, self._last_ms = now_ms, now_ms - 1

    def _count(self, upto_ms: int) -> None:
        """Count the slots that begin before `upto_ms`."""
        interval_ms, boundary_ms = self._every
        both_ms = math.lcm(interval_ms, boundary_ms)
        slots = self._begin(interval_ms, upto_ms) + self._begin(boundary_ms, upto_ms)
        slots -= self._begin(both_ms, upto_ms)
        self.due += slots
        self._quarters[-1].due += slots
        self._upto_ms = upto_ms

    def _begin(self, every_ms: int, upto_ms: int) -> int:
        """How many multiples lie from where counting stopped to before `upto_ms`."""
        return max(0, (upto_ms - 1) // every_ms - (self._upto_ms - 1) // every_ms)


def _start(t_ms: int) -> int:
    return t_ms // QUARTER_MS * QUARTER_MS
