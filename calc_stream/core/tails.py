"""The last readings of all meters side by side, so that a round of them is taken in, and looked up at
the end, without work meter by meter.

A column of the matrices a meter: the readings of one round lie beside each other. A meter is `sound`
while its total just runs on: no swap, exponent or contradiction behind it; what does not fit there goes
the long way, through the meter's own column.
"""

import numpy as np

from calc_stream.core.whole import LIMIT, Flags, Rows, Whole, peak

DEPTH = 256  # readings of a meter at most; half of them stay when there is no room
_NEAR = 8  # so many of the last readings are looked at first
_MOST_KNOWN = 8

Known = dict[tuple[int, int], Rows]


class Tails:
    """`first_ms` and `last_ms`: of all readings of a meter (LIMIT and -LIMIT: none). The last
    `size - kept` are not in the meter's column yet; `offset`: total minus register."""

    def __init__(self) -> None:
        self._times: Rows = np.empty((DEPTH, 0), dtype=np.int64)
        self._totals: Rows = np.empty((DEPTH, 0), dtype=np.int64)
        self._state: Rows = np.empty((6, 0), dtype=np.int64)
        self._name_columns()
        self.sound: Flags = np.empty(0, dtype=np.bool_)
        self._turns = 0  # how often readings came to stand elsewhere

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
        self.first_ms[old:], self.last_ms[old:] = LIMIT, -LIMIT
        self.sound = np.concatenate([self.sound, np.zeros(size - old, dtype=np.bool_)])

    def _name_columns(self) -> None:
        self.first_ms, self.last_ms, self.size, self.kept, self.offset, self.exponent = self._state

    def fill(self, at: int, times: Rows, totals: Whole, offset: int, exponent: int) -> None:
        """A meter anew, from the end of its totals, which its column has all."""
        last = min(times.size, DEPTH // 2)
        self._times[:last, at], self._totals[:last, at] = times[-last:], totals[-last:]
        self.size[at] = self.kept[at] = last
        self.offset[at], self.exponent[at] = offset, exponent
        self.sound[at] = True
        self._turns += 1

    def append(self, at: Rows, count: Rows, times: Rows, marks: Rows, exponent: Rows) -> Flags:
        """Which meters' registers, so many each, just run on and were taken in."""
        ends = np.add.accumulate(count)
        begins = ends - count
        before = np.empty_like(times)
        before[1:] = times[:-1]
        before[begins] = self.last_ms[at]
        fits = np.logical_and.reduceat(times > before, begins)
        fits &= self.sound[at] & (self.exponent[at] == exponent) & (count <= DEPTH // 2)
        if peak(marks) + peak(self.offset[at]) >= LIMIT or _repeats(at):
            fits[:] = False
        if not np.logical_and.reduce(fits):
            mine = np.repeat(fits, count)
            at, count, times, marks = at[fits], count[fits], times[mine], marks[mine]
            if not at.size:
                return fits
            ends = np.add.accumulate(count)
            begins = ends - count
        each = np.repeat(at, count)
        place = (np.repeat(self.size[at] - begins, count) + np.arange(times.size), each)
        self._times[place] = times
        self._totals[place] = marks + self.offset[each]
        self.size[at] += count
        self.last_ms[at] = times[ends - 1]
        return fits

    def full(self, at: Rows, count: Rows) -> bool:
        """Whether there is no room for so many more of one of these meters."""
        return bool(np.logical_or.reduce(self.size[at] + np.minimum(count, DEPTH // 2) > DEPTH))

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
        self.kept[:] = self.size
        self._turns += 1

    def covers(self, at: Rows, t_ms: int) -> Flags:
        """Whether a meter with two readings at least is here since an instant, or has no more."""
        since = self._times[0, at]
        begins = (since <= t_ms) | (since == self.first_ms[at])
        return np.asarray(self.sound[at] & (self.size[at] > 1) & begins)

    def around(self, at: Rows, edges: Rows, known: Known) -> tuple[Rows, Rows, Rows, Rows, Rows]:
        """Times and totals of the readings on both sides of edges that meters cover, a row a meter, and
        the numbers of those behind; an edge on a reading is behind it, save on the last one. `known`: of
        these meters, where edges were found before."""
        settled_ms = int(np.minimum.reduce(self.last_ms[at]))
        found = []
        for edge in edges.tolist():
            place = known.get((edge, self._turns))
            if place is None:
                place = self._behind(at, edge)
                if edge < settled_ms:  # what comes is behind it
                    if len(known) >= _MOST_KNOWN:
                        known.clear()
                    known[edge, self._turns] = place
            found.append(place)
        behind = np.minimum(np.maximum(np.array(found), 1), self.size[at] - 1)
        after = behind * self.sound.size + at
        before, times, totals = after - self.sound.size, self._times.ravel(), self._totals.ravel()
        taken = (times[before], times[after], totals[before], totals[after], behind)
        before_ms, after_ms, low, high, number = (column.T for column in taken)
        return before_ms, after_ms, low, high, number

    def _behind(self, at: Rows, t_ms: int) -> Rows:
        """The number of the first reading behind an instant."""
        times, width, high = self._times.ravel(), self.sound.size, self.size[at]
        low = np.maximum(high - _NEAR, 0)
        if not np.logical_and.reduce(times[low * width + at] <= t_ms):
            low = np.zeros_like(high)
        while np.logical_or.reduce(low < high):
            middle = (low + high) >> 1
            right = times[np.minimum(middle, DEPTH - 1) * width + at] <= t_ms
            right &= low < high
            low, high = np.where(right, middle + 1, low), np.where(right, high, middle)
        return np.asarray(low)


def _repeats(at: Rows) -> bool:
    return bool(np.logical_or.reduce(np.bincount(at) > 1))
