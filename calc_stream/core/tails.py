"""The last readings of all meters side by side, so that a round of them is taken in, and looked up at
the end, without work meter by meter.

A row a meter. Each row's times stand `_APART` behind those of the row before, so one search finds an
instant in all of them. A row is `sound` while the meter's total just runs on: no swap, exponent or
contradiction behind it; what does not fit there goes the long way, through its column.
"""

from typing import Any

import numpy as np

from calc_stream.core.whole import LIMIT, Flags, Rows, Whole, peak

WIDTH = 256  # readings of a meter at most; half of them stay when a row is full
_APART = 1 << 43  # ms: later than any reading
_MOST = LIMIT // _APART  # rows


class Tails:
    """`first_ms` and `last_ms`: of all readings of a row's meter (LIMIT and -LIMIT: none). The last
    `size - kept` of a row are not in the meter's column yet; `offset`: total minus register."""

    def __init__(self) -> None:
        self._times: Rows = np.empty((0, WIDTH), dtype=np.int64)
        self._totals: Rows = np.empty((0, WIDTH), dtype=np.int64)
        self._state: Rows = np.empty((6, 0), dtype=np.int64)
        self._name_columns()
        self.sound: Flags = np.empty(0, dtype=np.bool_)

    def grow(self, rows: int) -> None:
        """Room for so many meters."""
        old = self.sound.size
        if rows <= old:
            return
        size = max(rows, 2 * old)
        self._times, self._totals = (_longer(own, size) for own in (self._times, self._totals))
        self._times[old:] = _behind(np.arange(old, size))[:, None]
        state, self._state = self._state, np.zeros((6, size), dtype=np.int64)
        self._state[:, :old] = state
        self._name_columns()
        self.first_ms[old:], self.last_ms[old:] = LIMIT, -LIMIT
        self.sound = np.concatenate([self.sound, np.zeros(size - old, dtype=np.bool_)])

    def _name_columns(self) -> None:
        self.first_ms, self.last_ms, self.size, self.kept, self.offset, self.exponent = self._state

    def fill(self, row: int, times: Rows, totals: Whole, offset: int, exponent: int) -> None:
        """A row anew, from the end of a meter's totals, which its column has all."""
        if row >= _MOST or times[0] < 0 or times[-1] >= _APART - 1:
            return
        last = min(times.size, WIDTH // 2)
        self._times[row] = _behind(row)
        self._times[row, :last] = times[-last:] + row * _APART
        self._totals[row, :last] = totals[-last:]
        self.size[row] = self.kept[row] = last
        self.offset[row], self.exponent[row] = offset, exponent
        self.sound[row] = True

    def append(self, row: Rows, count: Rows, times: Rows, marks: Rows, exponent: Rows) -> Flags:
        """Which meters' registers, so many each, just run on and were taken in."""
        ends = np.add.accumulate(count)
        begins = ends - count
        before = np.empty_like(times)
        before[1:] = times[:-1]
        before[begins] = self.last_ms[row]
        fits = np.logical_and.reduceat(times > before, begins)
        fits &= self.sound[row] & (self.exponent[row] == exponent)
        fits &= (count <= WIDTH // 2) & (times[ends - 1] < _APART - 1)
        if peak(marks) + peak(self.offset[row]) >= LIMIT or _repeats(row):
            fits[:] = False
        if not np.logical_and.reduce(fits):
            mine = np.repeat(fits, count)
            row, count, times, marks = row[fits], count[fits], times[mine], marks[mine]
            if not row.size:
                return fits
            ends = np.add.accumulate(count)
            begins = ends - count
        at = np.repeat(row * WIDTH + self.size[row] - begins, count) + np.arange(times.size)
        self._times.reshape(-1)[at] = times + np.repeat(row * _APART, count)
        self._totals.reshape(-1)[at] = marks + np.repeat(self.offset[row], count)
        self.size[row] += count
        self.last_ms[row] = times[ends - 1]
        return fits

    def full(self, row: Rows, count: Rows) -> bool:
        """Whether there is no room for so many more in one of the rows."""
        return bool(np.logical_or.reduce(self.size[row] + np.minimum(count, WIDTH // 2) > WIDTH))

    def waiting(self) -> list[int]:
        """The rows of which something is not in its column yet."""
        rows: list[int] = np.flatnonzero(self.size > self.kept).tolist()
        return rows

    def take_out(self, row: int) -> tuple[Rows, Rows]:
        """Times and registers for the meter's column."""
        new = slice(int(self.kept[row]), int(self.size[row]))
        self.kept[row] = self.size[row]
        return self._times[row, new] - row * _APART, self._totals[row, new] - self.offset[row]

    def make_room(self) -> None:
        """Forget what is long past; all of it is in its column."""
        past = np.maximum(self.size - WIDTH // 2, 0)[:, None]
        at = np.minimum(np.arange(WIDTH) + past, WIDTH - 1)
        self._times = np.take_along_axis(self._times, at, 1)
        self._totals = np.take_along_axis(self._totals, at, 1)
        self.size -= past[:, 0]
        self.kept[:] = self.size
        free = np.arange(WIDTH) >= self.size[:, None]
        np.copyto(self._times, _behind(np.arange(self.size.size))[:, None], where=free)

    def covers(self, row: Rows, t_ms: int) -> Flags:
        """Whether a row with two readings at least begins at an instant or before, or has them all."""
        since = self._times[row, 0] - row * _APART
        begins = (since <= t_ms) | (since == self.first_ms[row])
        return np.asarray(self.sound[row] & (self.size[row] > 1) & begins)

    def around(self, row: Rows, edges: Rows) -> tuple[Rows, Rows, Rows, Rows, Rows]:
        """Times and totals of the readings on both sides of edges that rows cover, a row a meter, and
        the numbers of those behind; an edge on a reading is behind it, save on the last one."""
        flat, begin = self._times.reshape(-1), row * _APART
        inside = np.minimum(np.maximum(edges, 0), _APART - 2)
        found = [flat.searchsorted(begin + edge, "right") for edge in inside.tolist()]
        at = np.stack(found, axis=1) - (row * WIDTH)[:, None]
        at = np.minimum(np.maximum(at, 1), (self.size[row] - 1)[:, None])
        behind = at + (row * WIDTH)[:, None]
        before, times, totals = behind - 1, flat, self._totals.reshape(-1)
        begins = begin[:, None]
        return (
            times[before] - begins,
            times[behind] - begins,
            totals[before],
            totals[behind],
            at,
        )


def _behind(row: Any) -> Any:
    """What stands in a row where no reading is, so that all rows together rise."""
    return (np.minimum(row, _MOST) + 1) * _APART - 1


def _longer(matrix: Rows, rows: int) -> Rows:
    longer = np.empty((rows, WIDTH), dtype=np.int64)
    longer[: len(matrix)] = matrix
    return longer


def _repeats(row: Rows) -> bool:
    return bool(np.logical_or.reduce(np.bincount(row) > 1))
