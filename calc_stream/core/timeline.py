"""Who gets what arrives at a node: its states and active batches over time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import gcd, lcm

import numpy as np

from calc_stream.core.decimals import shown
from calc_stream.core.events import Event, Problem
from calc_stream.core.plant import Policy, SiteModel
from calc_stream.core.whole import LIMIT, Flags, Rows, Whole

Weights = tuple[tuple[str, Fraction], ...]

_TO_BATCHES = frozenset({"producing", "idle_in_order", "fault", "setup", "cleaning"})
_BEFORE_A_START = frozenset({"setup", "cleaning"})


@dataclass(frozen=True, slots=True)
class Stretch:
    """From `from_ms` to the next stretch a node is in one state with the same active batches.

    `gets`: the batches that bear what arrives, empty for the pool. When `before_ms` is set they
    bear it only in intervals that end at most setup_max before that start.
    """

    from_ms: int
    state: str = "idle"
    active: Weights = ()
    gets: Weights = ()
    before_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """One account's part of what arrives at a node: weights / whole, row by row."""

    account: str
    weights: Whole
    whole: Whole


@dataclass(slots=True)
class NodeTimeline:
    """The stretches of one node; the first reaches back for ever."""

    node: str
    stretches: tuple[Stretch, ...]
    starts: Rows = field(init=False)

    def __post_init__(self) -> None:
        self.starts = np.array([s.from_ms for s in self.stretches], dtype=np.int64)

    def at(self, t_ms: int) -> Stretch:
        """The stretch that holds just after `t_ms`."""
        return self.stretches[int(np.searchsorted(self.starts, t_ms, "right")) - 1]

    def shares(self, begins: Rows, ends: Rows, policy: Policy) -> list[Share]:
        """Who gets what arrives in the intervals, sorted by account."""
        index = np.searchsorted(self.starts, begins, "right") - 1
        weights: dict[str, Whole] = {}
        wholes: Whole = np.ones(begins.size, dtype=np.int64)
        pool = f"pool:{self.node}"
        for at in np.unique(index).tolist():
            stretch = self.stretches[at]
            rows = index == at
            if stretch.before_ms is not None:
                rows &= ends >= stretch.before_ms - policy.look_ahead_ms
                _give(weights, pool, (index == at) & ~rows, 1)
            if not stretch.gets:
                _give(weights, pool, rows, 1)
                continue
            numbers = _integers([weight for _, weight in stretch.gets])
            for (batch, _), number in zip(stretch.gets, numbers, strict=True):
                _give(weights, f"batch:{batch}", rows, number)
            wholes = _put(wholes, rows, sum(numbers))
        return [Share(account, weights[account], wholes) for account in sorted(weights)]


def build_timeline(node: str, events: Iterable[Event]) -> tuple[NodeTimeline, list[Problem]]:
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
    return NodeTimeline(node, tuple(_resolve(points, starts))), problems


def timelines(
    model: SiteModel, events: Iterable[Event]
) -> tuple[dict[str, NodeTimeline], list[Problem]]:
    """The timeline of every node. `events` are in force and in order."""
    by_node: dict[str, list[Event]] = {name: [] for name in model.nodes}
    problems: list[Problem] = []
    for event in events:
        if not event.cuts:
            continue
        if event.node not in model.nodes:
            problems.append(Problem(event, "node", f"{shown(event.node)} is no node of the model"))
        elif model.nodes[event.node].overhead:
            text = f"{event.node} is of kind overhead: no batch or state there"
            problems.append(Problem(event, "node", text))
        else:
            by_node[event.node].append(event)
    result: dict[str, NodeTimeline] = {}
    for name, own in by_node.items():
        result[name], found = build_timeline(name, own)
        problems += found
    return result, problems


def changed_span(old: NodeTimeline, new: NodeTimeline) -> tuple[int, int] | None:
    """From where to where two timelines of a node give to different accounts."""
    points = np.unique(np.concatenate([old.starts, new.starts])).tolist()
    differ = [
        index
        for index, t_ms in enumerate(points)
        if (a := old.at(t_ms)).gets != (b := new.at(t_ms)).gets or a.before_ms != b.before_ms
    ]
    if not differ:
        return None
    after = differ[-1] + 1
    return points[differ[0]], points[after] if after < len(points) else LIMIT


def _resolve(
    points: list[tuple[int, str, dict[str, Fraction]]],
    starts: list[tuple[int, dict[str, Fraction]]],
) -> Iterable[Stretch]:
    """Set-up with nothing active belongs to the batches of the next start."""
    ahead = iter((*starts, None))
    coming = next(ahead)
    for t_ms, state, active in points:
        while coming is not None and coming[0] <= t_ms:
            coming = next(ahead)
        gets, before_ms = (active if state in _TO_BATCHES else {}), None
        if not active and state in _BEFORE_A_START and coming is not None:
            before_ms, gets = coming
        yield Stretch(t_ms, state, _sorted(active), _sorted(gets), before_ms)


def _sorted(weights: Mapping[str, Fraction]) -> Weights:
    return tuple(sorted(weights.items()))


def _integers(weights: list[Fraction]) -> list[int]:
    """The same proportions in the smallest whole numbers."""
    common = lcm(*(weight.denominator for weight in weights))
    numbers = [int(weight * common) for weight in weights]
    divisor = gcd(*numbers)
    return [number // divisor for number in numbers]


def _give(weights: dict[str, Whole], account: str, rows: Flags, number: int) -> None:
    if rows.any():
        mine = weights.get(account, np.zeros(rows.size, dtype=np.int64))
        weights[account] = _put(mine, rows, number)


def _put(values: Whole, rows: Flags, number: int) -> Whole:
    if values.dtype != object and number >= LIMIT:
        values = values.astype(object)
    values[rows] = number
    return values


__all__ = ["NodeTimeline", "Share", "Stretch", "build_timeline", "changed_span", "timelines"]
