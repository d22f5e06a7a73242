"""Cumulative registers in columns: every meter's readings by time, without an object each.

A column takes readings in any order and any number of times; what it then holds is the same.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from calc_stream.core.swaps import Standing, Swap, standing
from calc_stream.core.whole import Rows, Whole, add, mul, narrow, whole
from calc_stream.core.whole import column as ints

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


class Readings:
    """All meters' columns and swaps, and what was left out for its quality.

    `swaps`: as gateways saw them; `told`: what people said of those. Mutable, and used so only by the
    state of a site; a computation reads it.
    """

    def __init__(self) -> None:
        self.columns: dict[str, Column] = {}
        self.swaps: dict[str, set[Swap]] = {}
        self.told: dict[str, tuple[Swap, ...]] = {}
        self.left_out: set[tuple[str, int, int, int, str]] = set()
        self._totals: dict[str, Totals] = {}
        self._standing: dict[str, Standing] = {}
        self._reaches: dict[str, Span | None] = {}

    def add(self, meter: str, times: Rows, mantissas: Whole, exponent: int) -> Span | None:
        """Registers of one meter, in any order; the span they change."""
        column = self.columns.get(meter)
        if column is None:
            column = self.columns[meter] = Column()
        stood = self.standing(meter).swaps if meter in self.swaps else ()
        span = column.merge(times, mantissas, exponent)
        if span is None:
            return None
        self._forget(meter)
        if meter not in self.swaps:
            return span
        known = self.totals(meter).times  # a swap is a neighbour too
        before = int(np.searchsorted(known, int(times.min()), "left"))
        after = int(np.searchsorted(known, int(times.max()), "right"))
        span = int(known[max(before - 1, 0)]), int(known[min(after, known.size - 1)])
        more = self._changed(meter, stood)  # what was read may part a word from its swap
        return span if more is None else (min(span[0], more[0]), more[1])

    def add_swaps(self, meter: str, swaps: Iterable[Swap]) -> Span | None:
        """Swaps of one meter; the span they change (everything after the earliest)."""
        known = self.swaps.setdefault(meter, set())
        stood = self.standing(meter).swaps
        known |= set(swaps)
        self._forget(meter)
        return self._changed(meter, stood)

    def with_words(self, told: Mapping[str, Sequence[Swap]]) -> "Readings":
        """The same readings, where people said this of swaps and nothing else."""
        if not told and not self.told:
            return self
        other = Readings()
        other.columns, other.swaps, other.left_out = self.columns, self.swaps, self.left_out
        other.tell(told)
        return other

    def tell(self, told: Mapping[str, Sequence[Swap]]) -> list[Span]:
        """All that people say of swaps, in place of what they said before; the spans it changes."""
        spans = []
        for meter in sorted(self.told.keys() | told.keys()):
            stood = self.standing(meter).swaps
            self.told[meter] = tuple(told.get(meter, ()))
            self._forget(meter)
            spans.append(self._changed(meter, stood))
        self.told = {meter: words for meter, words in self.told.items() if words}
        return [span for span in spans if span is not None]

    def leave_out(self, meter: str, t_ms: int, register: tuple[int, int], quality: str) -> None:
        """A reading that may not be booked; it is only counted."""
        mantissa, exponent = register
        while mantissa and mantissa % 10 == 0:
            mantissa, exponent = mantissa // 10, exponent + 1
        self.left_out.add((meter, t_ms, mantissa, exponent if mantissa else 0, quality))

    def meters(self) -> Iterator[str]:
        """Every meter that was read or swapped by what a gateway saw."""
        yield from sorted(self.columns.keys() | self.swaps.keys())

    def totals(self, meter: str) -> Totals:
        """The cumulative total of a meter (empty when it was never read)."""
        known = self._totals.get(meter)
        if known is None:
            swaps = self.standing(meter).swaps if meter in self.swaps else ()
            known = self._totals[meter] = _totals(self.columns.get(meter) or Column(), swaps)
        return known

    def reach(self, meter: str) -> Span | None:
        """A meter's first and last reading; None when it was never read."""
        if meter in self._reaches:
            return self._reaches[meter]
        times = self.totals(meter).times
        reach = self._reaches[meter] = (int(times[0]), int(times[-1])) if times.size else None
        return reach

    def standing(self, meter: str) -> Standing:
        """The swaps of a meter that count."""
        seen, told = self.swaps.get(meter, ()), self.told.get(meter, ())
        if not seen and not told:
            return Standing()
        if meter not in self._standing:
            column = self.columns.get(meter, Column())
            registers = column.mantissas, column.exponent
            self._standing[meter] = standing(column.times, registers, seen, told)
        return self._standing[meter]

    def _forget(self, meter: str) -> None:
        self._totals.pop(meter, None)
        self._standing.pop(meter, None)
        self._reaches.pop(meter, None)

    def _changed(self, meter: str, stood: Sequence[Swap]) -> Span | None:
        """Everything after the first swap that stands now and did not, or the other way round."""
        moved = set(stood) ^ set(self.standing(meter).swaps)
        if not moved:
            return None
        times = self.totals(meter).times
        at = int(np.searchsorted(times, min(swap.t_ms for swap in moved), "left"))
        return int(times[max(at - 1, 0)]), int(times[-1])


def _rises(times: Rows) -> bool:
    return bool(np.logical_and.reduce(times[1:] > times[:-1]))


def _totals(column: Column, swaps: Sequence[Swap]) -> Totals:
    """Register plus (closing - opening) of all swaps so far; a swap is a reading of both."""
    times, marks, exponent = column.times, column.mantissas, column.exponent
    if column.clash:  # contradictions are reported elsewhere; the lowest register stands
        keep = np.concatenate([[True], np.diff(times) != 0])
        times, marks = times[keep], marks[keep]
    if not swaps:
        return Totals(times, marks, exponent)
    finest = min(e for swap in swaps for _, e in (swap.closing, swap.opening))
    if not times.size or finest < exponent:
        marks = mul(marks, whole(10 ** max(exponent - finest, 0)))
        exponent = finest
    at_times = np.array([swap.t_ms for swap in swaps], dtype=np.int64)
    at_totals, before = [], [0]
    for swap in swaps:
        closing, opening = (m * 10 ** (e - exponent) for m, e in (swap.closing, swap.opening))
        at_totals.append(closing + before[-1])
        before.append(before[-1] + closing - opening)
    ends = np.searchsorted(times, at_times, "right")
    rows = np.diff(np.concatenate([[0], ends, [times.size]]))
    totals = add(marks, np.repeat(ints(before), rows))
    first = np.concatenate([[True], np.diff(at_times) != 0])
    return _insert(times, totals, exponent, at_times[first], ints(at_totals)[first])


def _insert(times: Rows, totals: Whole, exponent: int, at_times: Rows, at_totals: Whole) -> Totals:
    """With these totals at these times, each once; of two at one time the inserted one stands."""
    if at_totals.dtype == object:
        totals = totals.astype(object)
    at = np.searchsorted(times, at_times, "left")
    known = np.zeros(at.size, dtype=np.bool_)
    inside = at < times.size
    known[inside] = times[at[inside]] == at_times[inside]
    totals[at[known]] = at_totals[known]
    new = ~known
    return Totals(
        np.insert(times, at[new], at_times[new]),
        narrow(np.insert(totals, at[new], at_totals[new])),
        exponent,
    )


def _order(times: Rows, marks: Whole) -> Rows:
    """lexsort for Python integers."""
    pairs = list(zip(times.tolist(), marks.tolist(), strict=True))
    return np.array(sorted(range(len(pairs)), key=pairs.__getitem__), dtype=np.int64)
