"""Which batches a record touched: by what events say, by what is posted, by what meters reach.

A batch that was not touched has the figures it had, however many records come.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple

import numpy as np

from calc_stream.core import Changes, SiteState
from calc_stream.core.plant import Meter
from calc_stream.core.receivers import Nodes
from calc_stream.core.whole import LIMIT, Rows
from calc_stream.ledger.gaps import Gaps


class Reach(NamedTuple):
    """The first readings of meters (LIMIT: never read), and the last ones of those that are silent
    (LIMIT: it goes on)."""

    meters: tuple[Meter, ...]
    firsts: Rows
    lasts: Rows


class Touched:
    """Follows the state step by step. `active`: the batches that run now; `told`: those the last record's
    events say something else of."""

    def __init__(self) -> None:
        self.gaps = Gaps()
        self.active: frozenset[str] = frozenset()
        self.told: set[str] = set()
        self._state: SiteState | None = None
        self._nodes: Nodes | None = None
        self._reach: Reach | None = None

    def follow(self, state: SiteState, changes: Changes) -> set[str]:
        """The batches that a step touched, without those made of them."""
        another = state is not self._state
        self._state = state
        self.told = {*state.batches} if another else {*changes.told}
        if state.nodes is not self._nodes:
            self._nodes = state.nodes
            last = [timeline.stretches[-1] for timeline in state.nodes.values()]
            self.active = frozenset(batch for stretch in last for batch, _ in stretch.active)
        turned = {*self.gaps.pages(), *state.pages} if another else changes.pages
        gaps = self.gaps.follow(state.pages, turned)
        return self.told | _batches({*changes.moved, *gaps}) | self._reached(state)

    def with_heirs(self, batches: Collection[str]) -> set[str]:
        """These and all that was made of them."""
        found, ahead = set(batches), list(batches)
        while ahead and self._state is not None:
            fresh = {*self._state.heirs(ahead.pop())} - found
            found |= fresh
            ahead += fresh
        return found

    def _reached(self, state: SiteState) -> set[str]:
        """Batches that may be incomplete now, or no longer: begun before a first reading that moved,
        or ended after a last one."""
        was, now = self._reach, _reach(state)
        self._reach = now
        if was is None or was.meters is not now.meters:
            return {*state.batches}
        moved = was.firsts != now.firsts
        ended = was.lasts != now.lasts
        if not (moved.any() or ended.any()):
            return set()
        firsts = np.maximum(was.firsts, now.firsts)[moved]
        first_ms = int(firsts.max(initial=-LIMIT))
        if first_ms >= LIMIT:  # one was never read, and now is
            return {*state.batches}
        last_ms = int(np.minimum(was.lasts, now.lasts)[ended].min(initial=LIMIT))
        return {
            name
            for name, batch in state.batches.items()
            if (batch.first_start_ms is None or batch.first_start_ms < first_ms)
            or (batch.last_stop_ms is None or batch.last_stop_ms > last_ms)
            or name in self.active
        }


def _reach(state: SiteState) -> Reach:
    """Of every meter."""
    meters = state.versions.all_meters if state.versions else ()
    firsts, lasts = state.readings.reaches(meters)
    over = state.readings.among(meters, state.silent) & (firsts < LIMIT)
    return Reach(meters, firsts, np.where(over, lasts, LIMIT))


def _batches(accounts: Iterable[str]) -> set[str]:
    """The batches among the accounts."""
    mine = "batch:"
    return {name.removeprefix(mine) for name in accounts if name.startswith(mine)}
