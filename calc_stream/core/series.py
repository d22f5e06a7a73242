"""Cumulative registers: the columns of all meters, their swaps, and the totals these come to."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import compress

import numpy as np

from calc_stream.core.blocks import Block, Registers
from calc_stream.core.columns import Column, Span, Totals
from calc_stream.core.places import Places
from calc_stream.core.plant import Meter
from calc_stream.core.swaps import Standing, Swap, standing
from calc_stream.core.tails import Tails
from calc_stream.core.whole import LIMIT, Flags, Rows, Whole, add, mul, narrow, whole
from calc_stream.core.whole import column as ints

_MOST_PLACES = 64


class Readings:
    """All meters' columns and swaps, and what was left out for its quality.

    `swaps`: as gateways saw them; `told`: what people said of those. `tails`: the ends of all columns
    side by side; what was just read waits there. `turns`: how often a first reading or a swap changed.
    Mutable, and used so only by the state of a site; a computation reads it.
    """

    def __init__(self) -> None:
        self._columns: dict[str, Column] = {}
        self.swaps: dict[str, set[Swap]] = {}
        self.told: dict[str, tuple[Swap, ...]] = {}
        self.left_out: set[tuple[str, int, int, int, str]] = set()
        self.tails = Tails()
        self.turns = 0
        self._rows: dict[str, int] = {}  # of the tails
        self._meters: list[str] = []
        self._stale: set[int] = set()  # rows whose reach is to be looked up
        self._rounds: dict[tuple[str, ...], Rows | None] = {}
        self._places: dict[int, Places] = {}
        self._totals: dict[str, Totals] = {}
        self._standing: dict[str, Standing] = {}

    @property
    def columns(self) -> dict[str, Column]:
        """By meter, with all that was read."""
        self._take_all_out()
        return self._columns

    def book(self, readings: Sequence[Registers]) -> list[Span]:
        """Registers as they come, of whatever quality; the spans they change."""
        if isinstance(readings, Block):
            return self.take(readings)
        many: list[Registers] = []
        spans: list[Span | None] = []
        for own in readings:
            times, marks = own.times_ms, own.mantissas
            if not own.booked:
                for t_ms, mantissa in zip(times.tolist(), marks.tolist(), strict=True):
                    self.leave_out(own.meter, t_ms, (mantissa, own.exponent), own.quality)
            elif times.size and marks.dtype != object:
                many.append(own)
            else:
                spans.append(self.add(own.meter, times, marks, own.exponent))
        found = self.take(Block.of(many)) if many else []
        return [*found, *(span for span in spans if span is not None)]

    def take(self, block: Block) -> list[Span]:
        """Registers of many meters; the spans they change."""
        row, tails = self._round(tuple(block.meters)), self.tails
        if row is None:
            return self._add_all(block)
        self._look_up()
        for at in row[~tails.sound[row]].tolist():
            self._fill(self._meters[at])
        if tails.full(block.counts):
            self._take_all_out()
            tails.make_room()
        before = tails.last_ms[row]
        taken = tails.append(row, block)
        if np.logical_and.reduce(taken):
            return _united(before, tails.last_ms[row])
        spans = _united(before[taken], tails.last_ms[row[taken]])
        return spans + self._add_all(compress(block, (~taken).tolist()))

    def add(self, meter: str, times: Rows, mantissas: Whole, exponent: int) -> Span | None:
        """Registers of one meter, in any order; the span they change."""
        self._take_out(meter)
        column = self._columns.get(meter)
        if column is None:
            column = self._columns[meter] = Column()
        stood = self.standing(meter).swaps if meter in self.swaps else ()
        finest = column.exponent
        span = column.merge(times, mantissas, exponent)
        if span is not None or column.exponent != finest:  # told again with more digits
            self._forget(meter)
        if span is None:
            return None
        if meter not in self.swaps:
            return span
        known = self.totals(meter).times  # a swap is a neighbour too
        before = int(np.searchsorted(known, int(times.min()), "left"))
        after = int(np.searchsorted(known, int(times.max()), "right"))
        span = int(known[max(before - 1, 0)]), int(known[min(after, known.size - 1)])
        more = self._changed(meter, stood)  # what was read may part a word from its swap
        return span if more is None else (min(span[0], more[0]), more[1])

    def _add_all(self, readings: Iterable[Registers]) -> list[Span]:
        each = (self.add(r.meter, r.times_ms, r.mantissas, r.exponent) for r in readings)
        return [span for span in each if span is not None]

    def add_swaps(self, meter: str, swaps: Iterable[Swap]) -> Span | None:
        """Swaps of one meter; the span they change (everything after the earliest)."""
        known = self.swaps.setdefault(meter, set())
        stood = self.standing(meter).swaps
        known |= set(swaps)
        self.turns += 1
        self._forget(meter)
        return self._changed(meter, stood)

    def with_words(self, told: Mapping[str, Sequence[Swap]]) -> "Readings":
        """The same readings, where people said this of swaps and nothing else."""
        if not told and not self.told:
            return self
        other = Readings()
        other._columns, other.swaps, other.left_out = self.columns, self.swaps, self.left_out
        other.tell(told)
        return other

    def tell(self, told: Mapping[str, Sequence[Swap]]) -> list[Span]:
        """What people say of swaps of these meters, in place of what they said before; the spans it
        changes."""
        spans = []
        for meter in sorted(told):
            stood = self.standing(meter).swaps
            self.told[meter] = tuple(told[meter])
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
        self._take_out(meter)
        known = self._totals.get(meter)
        if known is None:
            swaps = self.standing(meter).swaps if meter in self.swaps else ()
            known = self._totals[meter] = _totals(self._columns.get(meter) or Column(), swaps)
        return known

    def reach(self, meter: str) -> Span | None:
        """A meter's first and last reading; None when it was never read."""
        row = self._row(meter)
        self._look_up()
        first_ms, last_ms = int(self.tails.first_ms[row]), int(self.tails.last_ms[row])
        return (first_ms, last_ms) if first_ms <= last_ms else None

    def reaches(self, meters: tuple[Meter, ...]) -> tuple[Rows, Rows]:
        """The first and the last reading of each; LIMIT and -LIMIT when it was never read."""
        return self.firsts(meters), self.lasts(meters)

    def firsts(self, meters: tuple[Meter, ...]) -> Rows:
        """The first reading of each alone."""
        row = self.places(meters).rows
        self._look_up()
        return np.asarray(self.tails.first_ms[row])

    def lasts(self, meters: tuple[Meter, ...]) -> Rows:
        """The last reading of each alone."""
        row = self.places(meters).rows
        self._look_up()
        return np.asarray(self.tails.last_ms[row])

    def among(self, meters: tuple[Meter, ...], ids: Collection[str]) -> Flags:
        """Which of them these are."""
        row, there = self.places(meters).rows, np.zeros(self.tails.sound.size, dtype=np.bool_)
        there[[self._rows[meter] for meter in ids if meter in self._rows]] = True
        return there[row]

    def places(self, meters: tuple[Meter, ...]) -> Places:
        """Where they are; known by the tuple itself."""
        known = self._places.get(id(meters))
        if known is None or known.meters is not meters:
            ids = [meter.id for meter in meters]
            known = Places(meters, self._rows_of(ids), {meter: at for at, meter in enumerate(ids)})
            if len(self._places) >= _MOST_PLACES:
                self._places.clear()
            self._places[id(meters)] = known
        return known

    def standing(self, meter: str) -> Standing:
        """The swaps of a meter that count."""
        seen, told = self.swaps.get(meter, ()), self.told.get(meter, ())
        if not seen and not told:
            return Standing()
        self._take_out(meter)
        if meter not in self._standing:
            column = self._columns.get(meter, Column())
            registers = column.mantissas, column.exponent
            self._standing[meter] = standing(column.times, registers, seen, told)
        return self._standing[meter]

    def _row(self, meter: str) -> int:
        row = self._rows.get(meter)
        if row is None:
            row = self._rows[meter] = len(self._meters)
            self._meters.append(meter)
            self.tails.grow(row + 1)
            self._stale.add(row)
        return row

    def _round(self, meters: tuple[str, ...]) -> Rows | None:
        """The rows of meters that are read together, again and again; None: one comes twice."""
        if meters not in self._rounds:
            if len(self._rounds) >= _MOST_PLACES:
                self._rounds.clear()
            once = len(set(meters)) == len(meters)
            self._rounds[meters] = self._rows_of(meters) if once else None
        return self._rounds[meters]

    def _rows_of(self, meters: Sequence[str]) -> Rows:
        try:
            return np.array(list(map(self._rows.__getitem__, meters)), dtype=np.int64)
        except KeyError:
            self.tails.grow(len(self._meters) + len(set(meters) - self._rows.keys()))
            return np.array([self._row(meter) for meter in meters], dtype=np.int64)

    def _take_all_out(self) -> None:
        for row in self.tails.waiting():
            self._take_out(self._meters[row])

    def _take_out(self, meter: str) -> None:
        """What waits in a meter's row into its column."""
        row = self._rows.get(meter)
        if row is None or self.tails.size[row] == self.tails.kept[row]:
            return
        self._columns[meter].put(*self.tails.take_out(row))
        self._totals.pop(meter, None)
        self._standing.pop(meter, None)

    def _fill(self, meter: str) -> None:
        """A meter's row again, where its total just runs on."""
        column, totals = self._columns.get(meter), self.totals(meter)
        if column is None or not column.times.size or column.clash or totals.times.size < 2:
            return
        if object in (totals.totals.dtype, column.mantissas.dtype):
            return
        if totals.exponent != column.exponent:
            return
        words = [*self.swaps.get(meter, ()), *self.told.get(meter, ())]
        if any(swap.t_ms >= column.times[-1] for swap in words):
            return
        offset = int(totals.totals[-1]) - int(column.mantissas[-1])
        if abs(offset) < LIMIT:
            self.tails.fill(self._rows[meter], totals.times, totals.totals, offset, column.exponent)

    def _look_up(self) -> None:
        """The reach of meters that went another way than just on."""
        for row in self._stale:
            times = self.totals(self._meters[row]).times
            first_ms, last_ms = (times[0], times[-1]) if times.size else (LIMIT, -LIMIT)
            self.turns += bool(self.tails.first_ms[row] != first_ms)
            self.tails.first_ms[row], self.tails.last_ms[row] = first_ms, last_ms
        self._stale.clear()

    def _forget(self, meter: str) -> None:
        self._totals.pop(meter, None)
        self._standing.pop(meter, None)
        row = self._rows.get(meter)
        if row is not None:
            self._stale.add(row)
            self.tails.lose(row)

    def _changed(self, meter: str, stood: Sequence[Swap]) -> Span | None:
        """Everything after the first swap that stands now and did not, or the other way round."""
        count = Counter(self.standing(meter).swaps)  # by a word two may become the same
        count.subtract(stood)
        moved = [swap for swap, more in count.items() if more]
        if not moved:
            return None
        times = self.totals(meter).times
        at = int(np.searchsorted(times, min(swap.t_ms for swap in moved), "left"))
        return int(times[max(at - 1, 0)]), int(times[-1])


def united(spans: Iterable[Span]) -> list[Span]:
    """The same time in as few spans, in order."""
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], last)
        else:
            found.append((first, last))
    return found


def _united(firsts: Rows, lasts: Rows) -> list[Span]:
    if firsts.size and np.maximum.reduce(firsts) <= np.minimum.reduce(lasts):
        return [(int(np.minimum.reduce(firsts)), int(np.maximum.reduce(lasts)))]
    return united(zip(firsts.tolist(), lasts.tolist(), strict=True))


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


__all__ = ["Column", "Readings", "Span", "Totals", "united"]
