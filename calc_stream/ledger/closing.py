"""When a window or campaign is over, and what it then gives to whom. A function of the state.

A window is over once all meters and senders of events have told what came after its end plus
lateness, nothing in it can be claimed by a start told later, and, where pools are spread by what
batches put out, all batches in it have closed. A campaign is over once nothing more can belong to it
and its batches have closed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from calc_stream.core import Batch, Changes, SiteState, Spreading, Transfer
from calc_stream.core.campaigns import Campaign
from calc_stream.core.versions import Span

_BY_OUTPUT = frozenset({"mass", "pieces"})
Closed = Callable[[str], bool]


class Closing:
    """What is over, looked at again only where something changed."""

    def __init__(self, lateness_ms: int) -> None:
        self._lateness_ms = lateness_ms
        self._gave: dict[Span | str, tuple[Transfer, ...]] = {}
        self._batches: dict[str, Batch] = {}
        self._windows: list[Span] = []
        self._campaigns: list[Campaign] = []
        self.spreads = False  # whether any version spreads anything

    def follow(
        self, state: SiteState, changes: Changes, closed: Closed, anew: bool, events_ms: int
    ) -> bool:
        """Takes a step; whether any transfer changed. `closed`: whether a batch's direct energy is
        final; `anew`: whether versions or factors may have changed; `events_ms`: up to when all events
        have been told."""
        self._windows, self._campaigns = [], []
        before = dict(self._gave)
        if anew:
            self._gave.clear()
        touched = {n for n, batch in state.batches.items() if batch != self._batches.get(n)}
        self._batches = state.batches
        self.spreads = _spreads(state)
        if self.spreads and state.periods is not None and state.posted is not None:
            spreading = Spreading(
                state.periods, state.nodes, state.batches, state.sums(), state.posted
            )
            upto_ms = min(state.posted[1], events_ms)
            step = _Step(spreading, state.posted, upto_ms, changes, closed, bool(touched))
            self._follow_windows(step)
            self._follow_campaigns(step)
        for gone in self._gave.keys() - {*self._windows, *(c.account for c in self._campaigns)}:
            del self._gave[gone]
        return before != self._gave

    def transfers(self) -> Iterator[Transfer]:
        """Of everything that is over."""
        for gave in self._gave.values():
            yield from gave

    def is_over(self, batch: Batch, posted: list[int]) -> bool:
        """Whether every window and campaign the batch was in is over. `posted`: the periods in which
        something was posted to it."""
        if any(
            batch.id in campaign.batches and campaign.account not in self._gave
            for campaign in self._campaigns
        ):
            return False
        times = list(posted)
        if batch.first_start_ms is not None:
            stop_ms = batch.first_start_ms if batch.last_stop_ms is None else batch.last_stop_ms
            times += [batch.first_start_ms, max(stop_ms - 1, batch.first_start_ms)]
        if not times:
            return True
        first, last = min(times), max(times)
        return all(w in self._gave for w in self._windows if w[0] <= last and first < w[1])

    def _follow_windows(self, step: "_Step") -> None:
        periods = step.spreading.periods
        self._windows = periods.windows(step.posted)
        for window in self._windows:
            by_output = periods.versions.at(window[0]).policy.spread in _BY_OUTPUT
            if not self._is_past(step, window) or (
                by_output and not all(map(step.closed, step.spreading.active(window)))
            ):
                self._gave.pop(window, None)
            elif window not in self._gave or step.moved(window) or (by_output and step.touched):
                self._gave[window] = tuple(step.spreading.of_windows([window]))

    def _follow_campaigns(self, step: "_Step") -> None:
        versions = step.spreading.periods.versions
        self._campaigns = [
            campaign
            for campaign in step.spreading.campaigns()
            if versions.at(campaign.first_ms).policy.setup == "campaign"
        ]
        for campaign in self._campaigns:
            account, over_ms = campaign.account, campaign.over_ms + self._lateness_ms
            if step.upto_ms < over_ms or not all(map(step.closed, campaign.batches)):
                self._gave.pop(account, None)
            elif account not in self._gave or account in step.changes.moved or step.touched:
                self._gave[account] = tuple(step.spreading.of_campaigns([campaign]))

    def _is_past(self, step: "_Step", window: Span) -> bool:
        """Nothing late is waited for, and no set-up in it waits for a start."""
        wait_ms = step.upto_ms - window[1] - self._lateness_ms
        if wait_ms < 0:
            return False
        policy = step.spreading.periods.versions.at(window[0]).policy
        if policy.setup == "pool" or wait_ms >= policy.look_ahead_ms:
            return True
        return not any(
            stretch.waits
            for timeline in step.spreading.nodes.values()
            for stretch, _ in timeline.within(*window)
        )


@dataclass(frozen=True)
class _Step:
    """What one record came to. `upto_ms`: up to when all is told; `touched`: whether it changed what is
    known of any batch."""

    spreading: Spreading
    posted: Span
    upto_ms: int
    changes: Changes
    closed: Closed
    touched: bool

    def moved(self, window: Span) -> bool:
        """Whether anything in the window was posted anew."""
        return any(first < window[1] and window[0] < last for first, last in self.changes.spans)


def _spreads(state: SiteState) -> bool:
    policies = [reign.model.policy for reign in state.versions.reigns] if state.versions else ()
    return any(policy.windows or policy.setup == "campaign" for policy in policies)
