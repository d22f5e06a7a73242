"""Which batches a record touched: by what events say, by what is posted, by what meters reach.

A batch that was not touched has the figures it had, however many records come.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from calc_stream.core import Batch, Changes, Lot, SiteState
from calc_stream.core.whole import LIMIT
from calc_stream.ledger.gaps import Gaps

Reach = tuple[int, int | None]  # a meter's first reading, and its last one if it is silent


@dataclass(frozen=True)
class Seen:
    """What events say of batches: `where` each one was, and which are `active` now."""

    batches: Mapping[str, Batch]
    lots: Mapping[str, Lot]
    where: Mapping[str, tuple[str, ...]]
    active: frozenset[str]


class Touched:
    """Follows the state step by step. `told`: batches the last record's events say something else of."""

    def __init__(self) -> None:
        self.gaps = Gaps()
        self.seen = Seen({}, {}, {}, frozenset())
        self.told: set[str] = set()
        self._reach: dict[str, Reach | None] = {}
        self._heirs: dict[str, list[str]] = {}

    def follow(self, state: SiteState, changes: Changes) -> set[str]:
        """The batches that a step touched, without those made of them."""
        self.told = set()
        if state.batches is not self.seen.batches:
            self._look(state)
        gaps = self.gaps.follow(state.pages)
        return self.told | _batches({*changes.moved, *gaps}) | self._reached(state)

    def with_heirs(self, batches: Collection[str]) -> set[str]:
        """These and all that was made of them."""
        found, ahead = set(batches), list(batches)
        while ahead:
            fresh = [heir for heir in self._heirs.get(ahead.pop(), ()) if heir not in found]
            found.update(fresh)
            ahead += fresh
        return found

    def _look(self, state: SiteState) -> None:
        """Events came: whom they concern."""
        before, now = self.seen, _seen(state)
        self.seen = now
        lots = _differing(before.lots, now.lots)
        buyers = (name for name, batch in now.batches.items() if lots & batch.bought.keys())
        self.told = {
            *_differing(before.batches, now.batches),
            *_differing(before.where, now.where),
            *(before.active ^ now.active),
            *(buyers if lots else ()),
        }
        self._heirs = {}
        for name, batch in now.batches.items():
            for of in batch.drawn:
                self._heirs.setdefault(of, []).append(name)

    def _reached(self, state: SiteState) -> set[str]:
        """Batches that may be incomplete now, or no longer: begun before a first reading that moved,
        or ended after a last one."""
        before, self._reach = self._reach, _reach(state)
        if before == self._reach:
            return set()
        first_ms, last_ms = -LIMIT, LIMIT
        for meter in before.keys() | self._reach.keys():
            was, now = before.get(meter), self._reach.get(meter)
            if was is None or now is None:
                if was != now:
                    return {*state.batches}
                continue
            if was[0] != now[0]:
                first_ms = max(first_ms, was[0], now[0])
            if was[1] != now[1]:
                last_ms = min(last_ms, *(t for t in (was[1], now[1]) if t is not None))
        return {
            name
            for name, batch in state.batches.items()
            if (batch.first_start_ms is None or batch.first_start_ms < first_ms)
            or (batch.last_stop_ms is None or batch.last_stop_ms > last_ms)
            or name in self.seen.active
        }


def _seen(state: SiteState) -> Seen:
    where: dict[str, set[str]] = {}
    for node, timeline in state.nodes.items():
        for stretch in timeline.stretches:
            for batch, _ in stretch.active:
                where.setdefault(batch, set()).add(node)
    last = [timeline.stretches[-1] for timeline in state.nodes.values()]
    active = frozenset(batch for stretch in last for batch, _ in stretch.active)
    nodes = {batch: tuple(sorted(nodes)) for batch, nodes in where.items()}
    return Seen(state.batches, state.lots, nodes, active)


def _reach(state: SiteState) -> dict[str, Reach | None]:
    """Of every meter; None for one that was never read."""
    found: dict[str, Reach | None] = {}
    for meter in state.versions.meters if state.versions else ():
        reach = state.readings.reach(meter)
        found[meter] = reach and (reach[0], reach[1] if meter in state.silent else None)
    return found


def _differing(one: Mapping[str, object], other: Mapping[str, object]) -> set[str]:
    """Keys of which the two say something else."""
    found = {key for key, value in other.items() if one.get(key) != value}
    return found | (one.keys() - other.keys())


def _batches(accounts: Iterable[str]) -> set[str]:
    """The batches among the accounts."""
    mine = "batch:"
    return {name.removeprefix(mine) for name in accounts if name.startswith(mine)}
