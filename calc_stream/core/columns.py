"""One meter's registers by time, without an object each.

A column takes readings in any order and any number of times; what it then holds is the same.
"""

from typing import NamedTuple

import numpy as np

from calc_stream.core.whole import Rows, Whole, mul, narrow, whole

Span = tuple[int, int]  # milliseconds, both ends included


class Totals(NamedTuple):
    """A meter's cumulative total, times 10**-exponent; times strictly rising."""

    times: Rows
    totals: Whole
    exponent: int


class Column:
    """One meter's registers, ordered by (time, register), each pair once.

    `mantissas` * 10**exponent is the register; the exponent is the smallest one ever seen.
    Appending behind the end is cheap; a late reading reorders only what lies behind it.
    """

    def __init__(self) -> None:
        self._times: Rows = np.empty(16, dtype=np.int64)
        self._mantissas: Whole = np.empty(16, dtype=np.int64)
        self._size = 0
        self.exponent = 0
        self.clash = False

    @property
    def times(self) -> Rows:
        """Milliseconds, rising; equal only where two registers clash."""
        return self._times[: self._size]

    @property
    def mantissas(self) -> Whole:
        """The registers, in 10**exponent of the unit."""
        return self._mantissas[: self._size]

    def merge(self, times: Rows, mantissas: Whole, exponent: int) -> Span | None:
        """Takes readings in; the span they change (neighbours included), None when nothing new."""
        if not times.size:
            return None
        if exponent != self.exponent or mantissas.dtype != self._mantissas.dtype:
            mantissas = self._align(mantissas, exponent)
        old = self._size
        if (not old or times[0] > self._times[old - 1]) and _rises(times):
            first = int(self._times[old - 1] if old else times[0])
            self._put(old, times, mantissas)
            return first, int(times[-1])
        at = int(np.searchsorted(self.times, times.min(), "left"))
        tail = np.concatenate([self._times[at:old], times])
        marks = np.concatenate([self._mantissas[at:old], mantissas])
        if (np.diff(tail) <= 0).any():
            order = np.lexsort((marks, tail)) if marks.dtype != object else _order(tail, marks)
            tail, marks = tail[order], marks[order]
            fresh = np.concatenate([[True], (np.diff(tail) != 0) | (marks[1:] != marks[:-1])])
            tail, marks = tail[fresh], marks[fresh]
            if tail.size == old - at:
                return None
            self.clash = self.clash or bool((np.diff(tail) == 0).any())
        first, last = self._touched(at, old, times)
        self._put(at, tail, marks)
        return first, last

    def put(self, times: Rows, mantissas: Whole) -> None:
        """Behind the end, in this exponent."""
        self._put(self._size, times, mantissas)

    def _touched(self, at: int, old: int, times: Rows) -> Span:
        """From the neighbour before the earliest new reading to the one after the latest."""
        lo, hi = int(times.min()), int(times.max())
        after = int(np.searchsorted(self._times[:old], hi, "right"))
        first = int(self._times[at - 1]) if at else lo
        return first, int(self._times[after]) if after < old else hi

    def _align(self, mantissas: Whole, exponent: int) -> Whole:
        """Both to the smaller exponent."""
        if not self._size:
            self.exponent = exponent
        if exponent < self.exponent:
            factor = whole(10 ** (self.exponent - exponent))
            self._mantissas = mul(self._mantissas[: self._size], factor)
            self._times = self._times[: self._size]
            self.exponent = exponent
        if exponent > self.exponent:
            mantissas = mul(mantissas, whole(10 ** (exponent - self.exponent)))
        if self._mantissas.dtype == object:
            return mantissas.astype(object)
        return narrow(mantissas)

    def _put(self, at: int, times: Rows, mantissas: Whole) -> None:
        end = at + times.size
        if end > self._times.size or mantissas.dtype != self._mantissas.dtype:
            room = np.empty(max(16, end + end // 2), dtype=np.int64)
            marks: Whole = np.empty(room.size, dtype=mantissas.dtype)
            room[:at], marks[:at] = self._times[:at], self._mantissas[:at]
            self._times, self._mantissas = room, marks
        self._times[at:end], self._mantissas[at:end] = times, mantissas
        self._size = end


def _rises(times: Rows) -> bool:
    return bool(np.logical_and.reduce(times[1:] > times[:-1]))


def _order(times: Rows, marks: Whole) -> Rows:
    """lexsort for Python integers."""
    pairs = list(zip(times.tolist(), marks.tolist(), strict=True))
    return np.array(sorted(range(len(pairs)), key=pairs.__getitem__), dtype=np.int64)
