"""When a window or campaign is over, and what it then gives to whom. A function of the state.

A window is over once all meters and senders of events have told what came after its end plus
lateness, nothing in it can be claimed by a start told later, and, where pools are spread by what
batches put out, all batches in it have closed. A campaign is over once nothing more can belong to it
and its batches have closed. What is over is looked at again only where something of it was touched.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from calc_stream.core import Batch, Changes, SiteState, Spreading, Transfer
from calc_stream.core.campaigns import Campaign
from calc_stream.core.periods import Periods
from calc_stream.core.receivers import Nodes
from calc_stream.core.versions import Span
from calc_stream.core.whole import LIMIT

_BY_OUTPUT = frozenset({"mass", "pieces"})
Closed = Callable[[str], bool]


@dataclass(frozen=True)
class Step:
    """What one record came to. `touched`: batches told otherwise now; `closed`: whether a batch's direct
    energy is final; `upto_ms`: up to when all is told; `anew`: whether all may be otherwise."""

    state: SiteState
    periods: Periods
    posted: Span
    changes: Changes
    touched: Collection[str]
    closed: Closed
    upto_ms: int
    anew: bool

    def active(self, window: Span) -> list[str]:
        """The batches that were active and bore something in a window."""
        return self._without_sums.active(window)

    def campaigns(self, nodes: Iterable[str]) -> Iterator[Campaign]:
        """Of these nodes, in the versions that have any."""
        at = self.periods.versions.at
        for campaign in (own for name in nodes for own in self.state.nodes[name].campaigns):
            if at(campaign.first_ms).policy.setup == "campaign":
                yield campaign

    def of_window(self, window: Span) -> tuple[Transfer, ...]:
        return tuple(self._with_sums.of_windows([window]))

    def of_campaign(self, campaign: Campaign) -> tuple[Transfer, ...]:
        state, sums = self.state, self.state.sums_of(campaign.account)
        its = Spreading(self.periods, state.nodes, state.batches, sums, self.posted)
        return tuple(its.of_campaigns([campaign]))

    @cached_property
    def _without_sums(self) -> Spreading:
        """For who was where: sums are long to list."""
        return Spreading(self.periods, self.state.nodes, self.state.batches, {}, self.posted)

    @cached_property
    def _with_sums(self) -> Spreading:
        state = self.state
        return Spreading(self.periods, state.nodes, state.batches, state.sums(), self.posted)


class Closing:
    """What is over, looked at again only where something changed."""

    def __init__(self, lateness_ms: int) -> None:
        self.spreads = False  # whether any version spreads anything
        self._lateness_ms = lateness_ms
        self._gave: dict[Span | str, tuple[Transfer, ...]] = {}
        self._got: dict[str, dict[Span | str, list[Transfer]]] = {}  # the same by batch
        self._windows: list[Span] = []
        self._waiting: set[Span] = set()  # windows that are not over
        self._members: dict[Span, frozenset[str]] = {}  # of those spread by output
        self._in_window: dict[str, set[Span]] = {}  # the same by batch
        self._campaigns: dict[str, Campaign] = {}
        self._open: set[str] = set()  # campaigns that are not over
        self._in_campaign: dict[str, set[str]] = {}
        self._nodes: Nodes = {}
        self._posted, self._upto_ms = (0, 0), -LIMIT
        self._stirred: set[str] = set()
        self._turned = False

    def follow(
        self,
        state: SiteState,
        changes: Changes,
        touched: Collection[str],
        closed: Closed,
        anew: bool,
        events_ms: int,
    ) -> tuple[set[str], bool]:
        """Takes a step: batches that get something else, or whose campaigns turned, and whether a window
        came, is over or is open again. `events_ms`: up to when all events have been told."""
        self._stirred, self._turned = set(), False
        periods, posted = state.periods, state.posted
        self.spreads = _spreads(state)
        if not self.spreads or periods is None or posted is None:
            self._forget()
            return self._stirred, self._turned
        upto_ms = min(posted[1], events_ms)
        anew = anew or posted[0] != self._posted[0] or upto_ms < self._upto_ms
        step = Step(state, periods, posted, changes, touched, closed, upto_ms, anew)
        self._follow_windows(step)
        self._follow_campaigns(step)
        self._nodes, self._posted, self._upto_ms = state.nodes, posted, upto_ms
        return self._stirred, self._turned

    def transfers(self, batches: Iterable[str]) -> Iterator[Transfer]:
        """What these batches get of everything that is over."""
        for batch in batches:
            for got in self._got.get(batch, {}).values():
                yield from got

    def is_over(self, batch: Batch, posted: list[int]) -> bool:
        """Whether every window and campaign the batch was in is over. `posted`: the periods in which
        something was posted to it."""
        if any(account in self._open for account in self._in_campaign.get(batch.id, ())):
            return False
        times = list(posted)
        if batch.first_start_ms is not None:
            stop_ms = batch.first_start_ms if batch.last_stop_ms is None else batch.last_stop_ms
            times += [batch.first_start_ms, max(stop_ms - 1, batch.first_start_ms)]
        if not times:
            return True
        first, last = min(times), max(times)
        return not any(w[0] <= last and first < w[1] for w in self._waiting)

    def _follow_windows(self, step: Step) -> None:
        last = self._windows[-1] if self._windows else None
        if step.anew or last is None or not last[0] < step.posted[1] <= last[1]:
            self._list_windows(step)
        for window in self._to_look_at(step):
            policy = step.periods.versions.at(window[0]).policy
            by_output = policy.spread in _BY_OUTPUT
            past = self._is_past(step, window)
            active = step.active(window) if by_output and past else []
            self._note_members(window, active)
            if not past or not all(map(step.closed, active)):
                self._give(window, None)
                self._waiting.add(window)
            elif step.anew or by_output or window not in self._gave or _moved(step, window):
                self._give(window, step.of_window(window))
                self._waiting.discard(window)

    def _list_windows(self, step: Step) -> None:
        """Those with time in what is posted; all of them are looked at again."""
        windows = step.periods.windows(step.posted)
        self._turned = self._turned or windows != self._windows
        for gone in {*self._windows} - {*windows}:
            self._give(gone, None)
            self._waiting.discard(gone)
            self._note_members(gone, [])
        self._waiting |= {*windows} - self._gave.keys()
        self._windows = windows

    def _to_look_at(self, step: Step) -> list[Span]:
        """Those that are waited for, those posted anew, those a set-up may wait in now, and those whose
        batches put out something else."""
        if step.anew:
            return self._windows
        moved = {window for span in step.changes.spans for window in self._touching(span)}
        found = self._waiting | moved
        if step.state.nodes is not self._nodes:
            policies = [reign.model.policy for reign in step.periods.versions.reigns]
            ahead_ms = max(policy.look_ahead_ms for policy in policies)
            found |= {*self._touching((step.upto_ms - self._lateness_ms - ahead_ms, LIMIT))}
        batches = {*step.touched}
        if self._members and step.state.nodes is not self._nodes:
            for window in moved:  # a batch's output is shared out over all the time it was active
                batches |= _present(self._nodes, window) | _present(step.state.nodes, window)
        found |= {w for name in batches for w in self._in_window.get(name, ())}
        return sorted(found)

    def _note_members(self, window: Span, batches: Iterable[str]) -> None:
        """Whose output counts in a window."""
        before = self._members.pop(window, frozenset())
        members = frozenset(batches)
        if members:
            self._members[window] = members
        for gone in before - members:
            self._in_window[gone].discard(window)
        for batch in members - before:
            self._in_window.setdefault(batch, set()).add(window)

    def _touching(self, span: Span) -> Iterator[Span]:
        """The windows that have time in a span."""
        for window in self._windows[bisect_left(self._windows, span[0], key=_end) :]:
            if window[0] >= span[1]:
                return
            yield window

    def _follow_campaigns(self, step: Step) -> None:
        changed: set[str] = set()
        if step.anew or step.state.nodes is not self._nodes:
            changed = self._list_campaigns(step)
        known = self._campaigns.keys()
        touched = {a for name in step.touched for a in self._in_campaign.get(name, ())}
        look = known if step.anew else changed | touched | self._open | (step.changes.moved & known)
        for account in sorted(look):
            campaign = self._campaigns[account]
            was_open = account in self._open
            over_ms = campaign.over_ms + self._lateness_ms
            if step.upto_ms < over_ms or not all(map(step.closed, campaign.batches)):
                self._give(account, None)
                self._open.add(account)
            else:
                self._give(account, step.of_campaign(campaign))
                self._open.discard(account)
            if account in changed or was_open != (account in self._open):
                self._stirred |= {*campaign.batches}

    def _list_campaigns(self, step: Step) -> set[str]:
        """Those that are otherwise now, on the nodes that have others."""
        nodes = step.state.nodes
        had = {name: own.campaigns for name, own in self._nodes.items()}
        turned = [name for name in nodes if step.anew or nodes[name].campaigns is not had.get(name)]
        known, old = self._campaigns, {c.account for name in turned for c in had.get(name, ())}
        its = known.keys() if step.anew else known.keys() & old
        before = {account: known[account] for account in its}
        now = {campaign.account: campaign for campaign in step.campaigns(turned)}
        changed = {account for account, own in now.items() if before.get(account) != own}
        gone = before.keys() - now.keys()
        for account in (changed | gone) & before.keys():
            self._stirred |= {*before[account].batches}
            for batch in before[account].batches:
                self._in_campaign[batch].discard(account)
        for account in gone:
            self._give(account, None)
            self._open.discard(account)
            del self._campaigns[account]
        for account in changed:
            self._campaigns[account] = now[account]
            for batch in now[account].batches:
                self._in_campaign.setdefault(batch, set()).add(account)
        return changed

    def _give(self, key: Span | str, gave: tuple[Transfer, ...] | None) -> None:
        """What a window or campaign gives from now on; None while it is not over."""
        before = self._gave.pop(key, None)
        if gave is not None:
            self._gave[key] = gave
        if before == gave:
            return
        if not isinstance(key, str):
            self._turned = self._turned or before is None or gave is None
        changed = {t.batch for t in {*(before or ())} ^ {*(gave or ())}}
        for batch in changed:
            self._got.setdefault(batch, {}).pop(key, None)
        for transfer in gave or ():
            if transfer.batch in changed:
                self._got[transfer.batch].setdefault(key, []).append(transfer)
        self._stirred |= changed

    def _forget(self) -> None:
        """Nothing is spread, or nothing posted."""
        for key in [*self._gave]:
            self._give(key, None)
        self._turned = self._turned or bool(self._windows)
        self._stirred |= self._in_campaign.keys()
        self._windows, self._campaigns, self._in_campaign = [], {}, {}
        self._waiting, self._open, self._members, self._in_window = set(), set(), {}, {}
        self._nodes, self._upto_ms = {}, -LIMIT

    def _is_past(self, step: Step, window: Span) -> bool:
        """Nothing late is waited for, and no set-up in it waits for a start."""
        wait_ms = step.upto_ms - window[1] - self._lateness_ms
        if wait_ms < 0:
            return False
        policy = step.periods.versions.at(window[0]).policy
        if policy.setup == "pool" or wait_ms >= policy.look_ahead_ms:
            return True
        return not any(
            stretch.waits
            for timeline in step.state.nodes.values()
            for stretch, _ in timeline.within(*window)
        )


def _present(nodes: Nodes, window: Span) -> set[str]:
    """The batches active anywhere in a window, whether they bear anything or not."""
    stretches = (stretch for own in nodes.values() for stretch, _ in own.within(*window))
    return {batch for stretch in stretches for batch, _ in stretch.active}


def _end(window: Span) -> int:
    return window[1]


def _moved(step: Step, window: Span) -> bool:
    """Whether anything in the window was posted anew."""
    return any(first < window[1] and window[0] < last for first, last in step.changes.spans)


def _spreads(state: SiteState) -> bool:
    return state.versions is not None and state.versions.spreads
