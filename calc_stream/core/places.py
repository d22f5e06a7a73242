"""What meters read around an edge and had counted there, and where a model's meters are among the last
readings of all.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from calc_stream.core.plant import Meter
from calc_stream.core.tails import Tails
from calc_stream.core.whole import (
    LIMIT,
    Flags,
    Rows,
    Whole,
    add,
    column,
    floor_div,
    mul,
    overflows,
    peak,
)

Sum = Callable[[Whole, Whole], Whole]


class Rates(NamedTuple):
    """Quanta for one unit of each register, as over / under, a row each; `peaks`: none of either is
    larger; `even`: all `under` are 1."""

    over: Whole
    under: Whole
    peaks: tuple[int, int]
    even: bool

    @classmethod
    def of(cls, rates: Iterable[tuple[int, int]]) -> "Rates":
        over, under = (column(list(own))[:, None] for own in zip(*rates, strict=True))
        return cls(over, under, (peak(over), peak(under)), bool((under == 1).all()))

    def rows(self, mine: Flags) -> "Rates":
        """Those of some."""
        return self._replace(over=self.over[mine], under=self.under[mine])


@dataclass(slots=True)
class Neighbours:
    """The readings on both sides of edges, a row a meter; `gone`: time from the one before. `at`: the
    number of the one behind, which is the last one for an edge on it. `most`: no total is larger."""

    before_ms: Rows
    after_ms: Rows
    low: Whole
    high: Whole
    at: Rows
    gone: Rows
    most: int

    @classmethod
    def of(
        cls,
        edges: Rows | int,
        around: tuple[Rows, Rows, Whole, Whole, Rows],
        most: int,
    ) -> "Neighbours":
        """Edges outside a meter's readings count as at the nearest one."""
        before_ms, after_ms = around[:2]
        gone = np.minimum(np.maximum(edges - before_ms, 0), after_ms - before_ms)
        return cls(*around, gone, most)

    def rows(self, mine: Flags) -> "Neighbours":
        """Those of some meters."""
        ms, totals = (self.before_ms[mine], self.after_ms[mine]), (self.low[mine], self.high[mine])
        return Neighbours(*ms, *totals, self.at[mine], self.gone[mine], self.most)

    def quanta(self, rates: Rates) -> Whole:
        """`rates`: of the registers as they stand here."""
        span = self.after_ms - self.before_ms
        over, under = rates.peaks
        most = max(max(self.most, 1) * over, under) * peak(span)
        if self.low.dtype != object and 4 * most < LIMIT:  # all that follows is less
            return self._counted(span, rates, np.add, np.multiply)
        wide = overflows(mul(add(self.high, -self.low), rates.over), span)
        if wide.any() and not wide.all():  # a lot in a long gap: those meters apart
            parts = [self.rows(mine).quanta(rates.rows(mine)) for mine in (wide, ~wide)]
            whole = np.empty(span.shape, dtype=np.result_type(*parts))
            whole[wide], whole[~wide] = parts
            return whole
        return self._counted(span, rates, add, mul)

    def _counted(self, span: Rows, rates: Rates, plus: Sum, times: Sum) -> Whole:
        over, under = rates.over, rates.under
        rise = times(plus(self.high, -self.low), over)
        base = times(self.low, over)
        if rates.even:
            return plus(base, floor_div(times(rise, self.gone), span))
        scaled, base = base, floor_div(base, under)
        rest = times(plus(scaled, -times(base, under)), span)
        return plus(base, floor_div(plus(rest, times(rise, self.gone)), times(under, span)))


Counted = tuple[Neighbours, Whole]  # with the quanta at these edges


@dataclass(slots=True)
class Places:
    """The rows of meters among the tails, and what holds until these turn: `since_ms`: from when on all
    are there; `rates`: of their registers; `found`: what they had counted, by edge."""

    meters: tuple[Meter, ...]
    rows: Rows
    index: Mapping[str, int]
    turns: int = -1
    since_ms: int = LIMIT
    rates: Rates | None = None
    found: dict[int, Counted] = field(default_factory=dict)

    def follow(self, tails: Tails) -> None:
        """Forgets what no longer holds."""
        if self.turns != tails.turns:
            self.turns, self.rates = tails.turns, None
            self.since_ms = int(np.maximum.reduce(tails.since(self.rows)))
            self.found.clear()
