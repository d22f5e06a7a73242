"""Who gets what arrives at a node: its states and active batches over time."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from math import gcd, lcm

import numpy as np

from calc_stream.core.accounts import Account
from calc_stream.core.batches import Batch
from calc_stream.core.campaigns import Campaign, campaigns_of
from calc_stream.core.decimals import shown
from calc_stream.core.events import Event, Problem
from calc_stream.core.plant import Policy
from calc_stream.core.versions import Versions
from calc_stream.core.whole import LIMIT, Rows, Whole

Weights = tuple[tuple[str, Fraction], ...]

_TO_BATCHES = frozenset({"producing", "idle_in_order", "fault", "setup", "cleaning"})
_BEFORE_A_START = frozenset({"setup", "cleaning"})


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
        return bool(self.active) and self.state in _TO_BATCHES

    @property
    def waits(self) -> bool:
        """Whether a start told later may claim it."""
        return not self.active and not self.gets and self.state in _BEFORE_A_START


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

    def at(self, t_ms: int) -> Stretch:
        """The stretch that holds just after `t_ms`."""
        return self.stretches[int(np.searchsorted(self.starts, t_ms, "right")) - 1]

    def within(self, first_ms: int, last_ms: int) -> Iterator[tuple[Stretch, int]]:
        """The stretches of a time, each with how long it lasts there (ms)."""
        lo = max(int(np.searchsorted(self.starts, first_ms, "right")) - 1, 0)
        hi = int(np.searchsorted(self.starts, last_ms, "left"))
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


def build_timeline(
    node: str, events: Iterable[Event], versions: Versions, batches: Mapping[str, Batch]
) -> tuple[NodeTimeline, list[Problem]]:
    """The timeline of a node from its own events in order; what cannot be is left out and told."""
    problems: list[Problem] = []
    points: list[tuple[int, str, dict[str, Fraction]]] = [(-LIMIT, "idle", {})]
    starts: list[tuple[int, dict[str, Fraction]]] = []
    state, active = "idle", dict[str, Fraction]()
    for event in events:
        if event.type == "start":
            if event.batch in active:
                problems.append(
                    Problem(event, "batch", f"{shown(event.batch)} is active on {node}")
                )
                continue
            state, active = "producing", {**active, event.batch: event.weight}
            if not starts or starts[-1][0] != event.t_ms:
                starts.append((event.t_ms, {}))
            starts[-1][1][event.batch] = event.weight
        elif event.type == "stop":
            if event.batch not in active:
                continue
            active = {batch: w for batch, w in active.items() if batch != event.batch}
            state = state if active else "idle"
        else:
            state = event.state
        if points[-1][0] == event.t_ms:
            points.pop()
        points.append((event.t_ms, state, active))
    campaigns = campaigns_of(node, starts, versions, batches)
    resolved = _resolve(_at_versions(points, versions), starts, versions, batches, campaigns)
    return NodeTimeline(node, tuple(resolved), campaigns), problems


def timelines(
    versions: Versions, events: Iterable[Event], batches: Mapping[str, Batch]
) -> tuple[dict[str, NodeTimeline], list[Problem]]:
    """The timeline of every node of any version. `events` are in force and in order."""
    by_node: dict[str, list[Event]] = {
        name: [] for reign in versions.reigns for name in sorted(reign.model.nodes)
    }
    problems: list[Problem] = []
    for event in events:
        if not event.cuts:
            continue
        node = versions.at(event.t_ms).nodes.get(event.node)
        if event.node not in by_node:
            problems.append(Problem(event, "node", f"{shown(event.node)} is no node of the model"))
        elif node is not None and node.overhead:
            text = f"{event.node} is of kind overhead: no batch or state there"
            problems.append(Problem(event, "node", text))
        else:
            by_node[event.node].append(event)
    result: dict[str, NodeTimeline] = {}
    for name, own in by_node.items():
        result[name], found = NodeTimeline(name, (Stretch(-LIMIT),)), list[Problem]()
        if own:
            result[name], found = build_timeline(name, own, versions, batches)
        problems += found
    return result, problems


def changed_span(old: NodeTimeline, new: NodeTimeline) -> tuple[int, int] | None:
    """From where to where two timelines of a node give to different accounts."""
    points = np.unique(np.concatenate([old.starts, new.starts])).tolist()
    differ = [
        index
        for index, t_ms in enumerate(points)
        if _receives(old.at(t_ms)) != _receives(new.at(t_ms))
    ]
    if not differ:
        return None
    after = differ[-1] + 1
    return points[differ[0]], points[after] if after < len(points) else LIMIT


def _receives(stretch: Stretch) -> tuple[str, Weights, int | None]:
    return stretch.state, stretch.gets, stretch.ready_ms


def _at_versions(
    points: list[tuple[int, str, dict[str, Fraction]]], versions: Versions
) -> Iterator[tuple[int, str, dict[str, Fraction]]]:
    """The points, and one where another version comes into force: its policy may be another."""
    ends = [*(t_ms for t_ms, _, _ in points[1:]), LIMIT]
    for (t_ms, state, active), end_ms in zip(points, ends, strict=True):
        yield t_ms, state, active
        for reign in versions.reigns:
            if t_ms < reign.from_ms < end_ms:
                yield reign.from_ms, state, active


def _resolve(
    points: Iterable[tuple[int, str, dict[str, Fraction]]],
    starts: list[tuple[int, dict[str, Fraction]]],
    versions: Versions,
    batches: Mapping[str, Batch],
    campaigns: tuple[Campaign, ...],
) -> Iterator[Stretch]:
    """Set-up with nothing active belongs to the batches of the next start, or their campaigns."""
    ahead = iter((*starts, None))
    coming = next(ahead)
    for t_ms, state, told in points:
        while coming is not None and coming[0] <= t_ms:
            coming = next(ahead)
        policy = versions.at(t_ms).policy
        active = _weighed(told, policy, batches)
        gets, ready_ms = (active if state in _TO_BATCHES else ()), None
        waits = not told and state in _BEFORE_A_START and policy.setup != "pool"
        if waits and coming is not None:
            gets, ready_ms = _weighed(coming[1], policy, batches), coming[0] - policy.look_ahead_ms
            if policy.setup == "campaign":
                yield Stretch(t_ms, state, active, _of_campaigns(gets, campaigns), ready_ms)
                continue
        to = tuple((f"batch:{batch}", weight) for batch, weight in gets)
        yield Stretch(t_ms, state, active, to, ready_ms)


def _of_campaigns(gets: Weights, campaigns: tuple[Campaign, ...]) -> Weights:
    """The accounts of the campaigns that batches belong to, with their weights together."""
    found: dict[str, Fraction] = {}
    for batch, weight in gets:
        account = next(c.account for c in campaigns if batch in c.batches)
        found[account] = found.get(account, Fraction(0)) + weight
    return tuple(sorted(found.items()))


def _weighed(told: Mapping[str, Fraction], policy: Policy, batches: Mapping[str, Batch]) -> Weights:
    """What batches that share a node weigh, by the model's policy."""
    weights = dict(told)
    if policy.weights in ("mass", "pieces"):
        counted = {name: batches[name].counted(policy.weights) for name in told}
        # While one of them is not counted so, all weigh the same.
        full = all(counted.values())
        weights = {name: counted[name] or Fraction(1) for name in told} if full else {}
    if policy.weights == "equal" or not weights:
        weights = dict.fromkeys(told, Fraction(1))
    return tuple(sorted(weights.items()))


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
    "build_timeline",
    "changed_span",
    "timelines",
]
