"""Who gets what arrives at a node: its states and active batches over time."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from math import gcd, lcm

import numpy as np

from calc_stream.core.accounts import Account
from calc_stream.core.campaigns import Campaign
from calc_stream.core.columns import Span
from calc_stream.core.whole import LIMIT, Rows, Whole

Weights = tuple[tuple[str, Fraction], ...]

TO_BATCHES = frozenset({"producing", "idle_in_order", "fault", "setup", "cleaning"})
BEFORE_A_START = frozenset({"setup", "cleaning"})


@dataclass(frozen=True, slots=True)
class Stretch:
    """From `from_ms` to the next stretch a node is in one state with the same active batches.

    `gets`: the accounts that bear what arrives, empty for the pool. When `ready_ms` is set they bear
    it only in intervals that end then or later: set-up too long before its start is the pool's.
    `active`: the active batches and what each weighs here.
    """

    from_ms: int
    state: str = "idle"
    active: Weights = ()
    gets: Weights = ()
    ready_ms: int | None = None

    @property
    def bears(self) -> bool:
        """Whether its active batches bear what arrives."""
        return bool(self.active) and self.state in TO_BATCHES

    @property
    def waits(self) -> bool:
        """Whether a start told later may claim it."""
        return not self.active and not self.gets and self.state in BEFORE_A_START


@dataclass(frozen=True, slots=True)
class Share:
    """One account's part of what arrives at a node: weights / whole, row by row."""

    account: Account
    weights: Whole
    whole: Whole


@dataclass(frozen=True, slots=True)
class Ends:
    """Who gets all that arrives at the tips of a place in intervals that begin from `from_ms` up to
    `until_ms`: the `accounts` of the tips in `at` (None: of all); at `others` it is not one account."""

    nodes: object
    from_ms: int
    until_ms: int
    accounts: tuple[Account, ...]
    at: Rows | None
    others: tuple[int, ...]

    def holds(self, nodes: object, first_ms: int, last_ms: int) -> bool:
        """Whether it is so of these timelines, for intervals that begin then."""
        return self.nodes is nodes and self.from_ms <= first_ms and last_ms < self.until_ms


@dataclass(slots=True)
class NodeTimeline:
    """The stretches of one node; the first reaches back for ever."""

    node: str
    stretches: tuple[Stretch, ...]
    campaigns: tuple[Campaign, ...] = ()
    starts: Rows = field(init=False)
    _starts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self._starts = [stretch.from_ms for stretch in self.stretches]
        self.starts = np.array(self._starts, dtype=np.int64)

    def mended(
        self, span: Span, stretches: tuple[Stretch, ...], campaigns: tuple[Campaign, ...]
    ) -> "NodeTimeline":
        """With these in the place of the stretches that begin in the span, and these campaigns."""
        lo, hi = (bisect_left(self._starts, end) for end in span)
        new, starts = copy(self), [stretch.from_ms for stretch in stretches]
        new.stretches = (*self.stretches[:lo], *stretches, *self.stretches[hi:])
        new.campaigns = campaigns
        new.starts = np.concatenate(
            [self.starts[:lo], np.array(starts, dtype=np.int64), self.starts[hi:]]
        )
        new._starts = [*self._starts[:lo], *starts, *self._starts[hi:]]
        return new

    def starts_within(self, span: Span) -> Rows:
        """When stretches begin in it."""
        return self.starts[bisect_left(self._starts, span[0]) : bisect_left(self._starts, span[1])]

    def at(self, t_ms: int) -> Stretch:
        """The stretch that holds just after `t_ms`."""
        return self.stretches[bisect_right(self._starts, t_ms) - 1]

    def within(self, first_ms: int, last_ms: int) -> Iterator[tuple[Stretch, int]]:
        """The stretches of a time, each with how long it lasts there (ms)."""
        lo = max(bisect_right(self._starts, first_ms) - 1, 0)
        hi = bisect_left(self._starts, last_ms)
        for stretch, after in pairwise((*self.stretches[lo:hi], None)):
            until = last_ms if after is None else after.from_ms
            if stretch is not None:
                yield stretch, until - max(stretch.from_ms, first_ms)

    def alone(self, first_ms: int, last_ms: int) -> tuple[Account | None, int, int]:
        """The account that gets all that arrives in intervals that begin from `first_ms` to `last_ms`,
        if that is one, and from when up to when it is so."""
        lo = bisect_right(self._starts, first_ms)
        stretch = self.stretches[lo - 1]
        until_ms = self._starts[lo] if lo < len(self._starts) else LIMIT
        if until_ms <= last_ms:
            return None, LIMIT, -LIMIT
        if stretch.ready_ms is not None or len(stretch.gets) > 1:
            return None, stretch.from_ms, until_ms
        name = stretch.gets[0][0] if stretch.gets else f"pool:{self.node}"
        return Account(name, self.node, stretch.state), stretch.from_ms, until_ms

    def shares(self, begins: Rows, ends: Rows) -> list[Share]:
        """Who gets what arrives in the intervals (in order of time), sorted by account."""
        if not begins.size:
            return []
        lo = bisect_right(self._starts, begins[0]) - 1
        hi = bisect_right(self._starts, begins[-1])
        wholes: Whole = np.ones(begins.size, dtype=np.int64)
        cuts = begins.searchsorted(self.starts[lo + 1 : hi], "left").tolist()
        weights: dict[Account, Whole] = {}
        for at, (first, last) in enumerate(pairwise([0, *cuts, begins.size]), lo):
            stretch = self.stretches[at]
            pool = Account(f"pool:{self.node}", self.node, stretch.state)
            if stretch.ready_ms is not None:
                ready = max(first, int(ends.searchsorted(stretch.ready_ms, "left")))
                _give(weights, pool, slice(first, min(ready, last)), wholes, 1)
                first = min(ready, last)
            rows = slice(first, last)
            if not stretch.gets:
                _give(weights, pool, rows, wholes, 1)
                continue
            numbers = _integers([weight for _, weight in stretch.gets])
            for (account, _), number in zip(stretch.gets, numbers, strict=True):
                _give(weights, Account(account, self.node, stretch.state), rows, wholes, number)
            wholes = _put(wholes, rows, sum(numbers))
        return [Share(account, weights[account], wholes) for account in sorted(weights)]


def changed_span(
    old: NodeTimeline, new: NodeTimeline, within: Span = (-LIMIT, LIMIT)
) -> Span | None:
    """From where to where two timelines of a node give to different accounts; outside of `within` they
    do not, and both have a stretch that begins where it ends."""
    points = np.unique(
        np.concatenate([old.starts_within(within), new.starts_within(within)])
    ).tolist()
    differ = [
        index
        for index, t_ms in enumerate(points)
        if _receives(old.at(t_ms)) != _receives(new.at(t_ms))
    ]
    if not differ:
        return None
    after = differ[-1] + 1
    return points[differ[0]], points[after] if after < len(points) else within[1]


def _receives(stretch: Stretch) -> tuple[str, Weights, int | None]:
    return stretch.state, stretch.gets, stretch.ready_ms


def _integers(weights: list[Fraction]) -> list[int]:
    """The same proportions in the smallest whole numbers."""
    common = lcm(*(weight.denominator for weight in weights))
    numbers = [int(weight * common) for weight in weights]
    divisor = gcd(*numbers)
    return [number // divisor for number in numbers]


def _give(
    weights: dict[Account, Whole], account: Account, rows: slice, like: Whole, number: int
) -> None:
    if rows.start < rows.stop:
        mine = weights.get(account)
        mine = np.zeros(like.size, dtype=np.int64) if mine is None else mine
        weights[account] = _put(mine, rows, number)


def _put(values: Whole, rows: slice, number: int) -> Whole:
    if values.dtype != object and number >= LIMIT:
        values = values.astype(object)
    values[rows] = number
    return values


__all__ = [
    "Ends",
    "NodeTimeline",
    "Share",
    "Stretch",
    "changed_span",
]
