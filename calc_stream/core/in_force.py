"""The events that stand, by what they name: one that comes is put in its place, and tells whom it touches.

`events.in_force` says of all events at once which ones stand; here they come one by one.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator

import numpy as np

from calc_stream.core.events import Event, Problem, void_nothing
from calc_stream.core.whole import Rows

# Of a batch: its own events; `of`: inputs drawn from it. Of a lot: its records; `bought`: what was
# taken from it.
ROLES = "node", "batch", "of", "lot", "bought", "meter"
Named = dict[str, dict[str, list[Event]]]  # events by role, and by the name they give in it


class InForce:
    """`events`: all that were told, by id. `named`: those that stand, in order; `cuts`: when those that
    cut time do so, in order."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.events: dict[str, Event] = {}
        self.named: Named = {role: {} for role in ROLES}
        self.cuts: Rows = np.empty(0, dtype=np.int64)
        self._voids: dict[str, list[Event]] = {}  # by what they void
        self.take(events)

    def take(self, fresh: Iterable[Event]) -> Named:
        """Events that were not told before; which ones stand now that did not, or no longer do."""
        moved: Named = {role: {} for role in ROLES}
        fresh, gone = list(fresh), []
        if not fresh:
            return moved
        for void in (event for event in fresh if event.type == "void"):
            others, target = self._voids.setdefault(void.of, []), self.events.get(void.of)
            if not others and target is not None and target.type != "void":
                gone.append(target)
            others.append(void)
        self.events |= {event.id: event for event in fresh}
        came = [e for e in fresh if e.type != "void" and e.id not in self._voids]
        for event in sorted(came, key=_order):
            for role, name in _names(event):
                insort(self.named[role].setdefault(name, []), event, key=_order)
        for event in gone:
            for role, name in _names(event):
                others = self.named[role][name]
                del others[bisect_left(others, event.order, key=_order)]
                if not others:
                    del self.named[role][name]
        self._cut(came, gone)
        for event in (*came, *gone):
            for role, name in _names(event):
                moved[role].setdefault(name, []).append(event)
        return moved

    def problems(self) -> Iterator[Problem]:
        """Voids that void nothing."""
        for voids in self._voids.values():
            yield from void_nothing(voids, self.events)

    def _cut(self, came: Iterable[Event], gone: Iterable[Event]) -> None:
        more, less = (
            np.sort(np.array([event.t_ms for event in own if event.cuts], dtype=np.int64))
            for own in (came, gone)
        )
        if more.size:
            self.cuts = np.insert(self.cuts, self.cuts.searchsorted(more), more)
        if less.size:  # of several at one instant, as many as go
            others = np.arange(less.size) - less.searchsorted(less)
            self.cuts = np.delete(self.cuts, self.cuts.searchsorted(less) + others)


def _names(event: Event) -> Iterator[tuple[str, str]]:
    """Whom an event names, and in which role."""
    if event.cuts:
        yield "node", event.node
    if event.batch:
        yield "batch", event.batch
    if event.type == "input":
        yield ("of", event.of) if event.of else ("bought", event.lot)
    if event.type == "lot":
        yield "lot", event.lot
    if event.type == "swap":
        yield "meter", event.meter


def _order(event: Event) -> tuple[int, int, str]:
    return event.order
