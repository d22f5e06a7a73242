"""The last readings of all meters side by side, so that a round of them is taken in, and looked up at
the end, without work meter by meter.

A column of the matrices a meter: the readings of one round lie beside each other. A meter is `sound`
while its total just runs on: two readings at least, no swap, exponent or contradiction behind it; what
does not fit there goes the long way, through the meter's own column.
"""

import numpy as np

from calc_stream.core.blocks import Block
from calc_stream.core.whole import LIMIT, Flags, Rows, Whole, peak

# Readings of a meter at most, a power of two from 4 on; half of them stay when there is no room.
DEPTH = 256
_NEAR = 8  # so many of the last readings are looked at first, DEPTH at most


class Tails:
    """`first_ms` and `last_ms`: of all readings of a meter (LIMIT and -LIMIT: none). The last
    `size - kept` are not in the meter's column yet; `offset`: total minus register. `turns`: how often
    it was otherwise than that readings ran on."""

    def __init__(self) -> None:
        self._times: Rows = np.empty((DEPTH, 0), dtype=np.int64)  # LIMIT where no reading is
        self._totals: Rows = np.empty((DEPTH, 0), dtype=np.int64)
        self._state: Rows = np.empty((6, 0), dtype=np.int64)
        self._name_columns()
        self.sound: Flags = np.empty(0, dtype=np.bool_)
        self.turns = 0
        self.most = self._offset = 0  # no total, no offset is larger

    def grow(self, meters: int) -> None:
        """Room for so many meters."""
        old = self.sound.size
        if meters <= old:
            return
        size = max(meters, 2 * old)
        self._times, self._totals, self._state = (
            np.concatenate([own, np.zeros((len(own), size - old), dtype=np.int64)], axis=1)
            for own in (self._times, self._totals, self._state)
        )
        self._name_columns()
        self._times[:, old:] = LIMIT
        self.first_ms[old:], self.last_ms[old:] = LIMIT, -LIMIT
        self.sound = np.concatenate([self.sound, np.zeros(size - old, dtype=np.bool_)])

    def _name_columns(self) -> None:
        self.first_ms, self.last_ms, self.size, self.kept, self.offset, self.exponent = self._state

    def fill(self, at: int, times: Rows, totals: Whole, offset: int, exponent: int) -> None:
        """A meter anew, from the end of its totals, which its column has all."""
        last = min(times.size, DEPTH // 2)
        self._times[:last, at], self._totals[:last, at] = times[-last:], totals[-last:]
        self._times[last:, at] = LIMIT
        self.size[at] = self.kept[at] = last
        self.offset[at], self.exponent[at] = offset, exponent
        self._offset = max(self._offset, abs(offset))
        self.most = max(self.most, peak(totals[-last:]))
        self.sound[at] = True
        self.turns += 1

    def lose(self, at: int) -> None:
        """A meter no longer just runs on."""
        self.sound[at] = False
        self.turns += 1

    def append(self, at: Rows, block: Block) -> Flags:
        """Which meters' registers just run on and were taken in. `at`: of each meter, another one."""
        count, times, marks = block.counts, block.times_ms, block.mantissas
        fits = _rise(self.last_ms[at], count, times)
        fits &= self.sound[at] & (self.exponent[at] == block.exponents) & (count <= DEPTH // 2)
        most = peak(marks) + self._offset
        if most >= LIMIT:
            fits[:] = False
        else:
            self.most = max(self.most, most)
        if np.logical_and.reduce(fits):
            self._put(at, count, times, marks)
        elif np.logical_or.reduce(fits):
            mine = np.repeat(fits, count)
            self._put(at[fits], count[fits], times[mine], marks[mine])
        return fits

    def _put(self, at: Rows, count: Rows, times: Rows, marks: Rows) -> None:
        """Behind what is there."""
        size = self.size[at]
        number, each, lasts = size, at, times
        if times.size > at.size:
            each, ends = np.repeat(at, count), np.add.accumulate(count)
            number = np.repeat(size - ends + count, count) + np.arange(times.size)
            lasts = times[ends - 1]
        self._times[number, each] = times
        self._totals[number, each] = marks + self.offset[each]
        self.size[at] = size + count
        self.last_ms[at] = lasts

    def full(self, count: Rows) -> bool:
        """Whether there may be no room for so many more of some meters."""
        most = int(np.maximum.reduce(self.size, initial=0))
        return most + min(int(np.maximum.reduce(count, initial=0)), DEPTH // 2) > DEPTH

    def waiting(self) -> list[int]:
        """The meters of which something is not in their column yet."""
        found: list[int] = np.flatnonzero(self.size > self.kept).tolist()
        return found

    def take_out(self, at: int) -> tuple[Rows, Rows]:
        """Times and registers for the meter's column."""
        new = slice(int(self.kept[at]), int(self.size[at]))
        self.kept[at] = self.size[at]
        return self._times[new, at].copy(), self._totals[new, at] - self.offset[at]

    def make_room(self) -> None:
        """Forget what is long past; all of it is in its column."""
        past = np.maximum(self.size - DEPTH // 2, 0)
        place = np.minimum(np.arange(DEPTH)[:, None] + past, DEPTH - 1)
        self._times = np.take_along_axis(self._times, place, 0)
        self._totals = np.take_along_axis(self._totals, place, 0)
        self.size -= past
        self._times[DEPTH // 2 :] = LIMIT
        self.kept[:] = self.size
        self.turns += 1

    def since(self, at: Rows) -> Rows:
        """From when on each meter is here with all its readings; LIMIT while it does not just run on."""
        since = self._times[0, at]
        since = np.where(since == self.first_ms[at], -LIMIT, since)
        return np.where(self.sound[at], since, LIMIT)

    def around(self, at: Rows, t_ms: int) -> tuple[Rows, Rows, Rows, Rows, Rows]:
        """Times and totals of the readings on both sides of an instant that meters cover, a row a meter,
        and the numbers of those behind; a reading at that instant is before it, save the last one."""
        behind = np.minimum(np.maximum(self._behind(at, t_ms), 1), self.size[at] - 1)
        after = behind * self.sound.size + at
        before, times, totals = after - self.sound.size, self._times.ravel(), self._totals.ravel()
        taken = (times[before], times[after], totals[before], totals[after], behind)
        before_ms, after_ms, low, high, number = (column[:, None] for column in taken)
        return before_ms, after_ms, low, high, number

    def _behind(self, at: Rows, t_ms: int) -> Rows:
        """The number of the first reading behind an instant (the last one's, when there is none)."""
        behind: Rows = self.size[at]
        for _ in range(_NEAR):  # before its first a meter's rows go round to the end: later, too
            later = self._times[behind - 1, at] > t_ms
            if not np.logical_or.reduce(later):
                return behind
            behind = behind - later
        behind, step = np.zeros_like(at), DEPTH
        while step := step // 2:
            behind = behind + step * (self._times[behind + (step - 1), at] <= t_ms)
        return behind


def _rise(lasts: Rows, count: Rows, times: Rows) -> Flags:
    """Of which meters, so many readings of each, they come one after the other and behind the last."""
    if times.size == lasts.size:  # one each
        return np.asarray(times > lasts)
    begins = np.add.accumulate(count) - count
    before = np.empty_like(times)
    before[1:] = times[:-1]
    before[begins] = lasts
    return np.logical_and.reduceat(times > before, begins)
