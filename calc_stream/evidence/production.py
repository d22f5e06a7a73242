"""What was made when, and the times over which a batch's figure needs the meters. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from calc_stream.core import Batch, Event, Lot, Periods, Versions
from calc_stream.core.batches import batches_of, lots_of
from calc_stream.core.course import Courses
from calc_stream.core.events import in_force
from calc_stream.core.genealogy import made_of
from calc_stream.core.in_force import InForce
from calc_stream.core.receivers import Nodes
from calc_stream.core.series import Span, united
from calc_stream.core.whole import LIMIT

_BY_OUTPUT = frozenset({"mass", "pieces"})


@dataclass(frozen=True)
class Production:
    """What the events that stand say of batches, lots and nodes."""

    standing: list[Event]
    batches: Mapping[str, Batch]
    lots: Mapping[str, Lot]
    courses: Courses

    @property
    def nodes(self) -> Nodes:
        """The timeline of every node of any version."""
        return self.courses.nodes

    def made_of(self, name: str) -> list[str]:
        """The batch and those it was made of, all the way back."""
        return made_of(self.batches, name)

    def where(self, name: str) -> tuple[str, ...]:
        """The nodes on which a batch was active, by name."""
        return self.courses.where(name)

    def active(self, spans: Iterable[Span]) -> set[str]:
        """The batches that were active in one of the times."""
        return {
            batch
            for first, last in spans
            for timeline in self.nodes.values()
            for stretch, _ in timeline.within(first, last)
            for batch, _ in stretch.active
        }


def production(versions: Versions, events: Iterable[Event]) -> Production:
    """Of all events that were told."""
    standing, _ = in_force(events)
    batches, _ = batches_of(standing)
    courses = Courses(versions, InForce(standing), batches)
    return Production(standing, batches, lots_of(standing), courses)


def spans_of(periods: Periods, made: Production, batch: str) -> list[Span]:
    """The times whose intervals a settled figure needs, in order and apart, from edge to edge: where its
    batch and those it was made of bore something, the windows these were in, their campaigns.

    Everything where there are stores, whose content goes back to the first reading.
    """
    versions = periods.versions
    if versions.stores:
        return [(-LIMIT, LIMIT)]
    family = made.made_of(batch)
    accounts = {f"batch:{name}" for name in family}
    accounts |= {
        campaign.account
        for timeline in made.nodes.values()
        for campaign in timeline.campaigns
        if not set(campaign.batches).isdisjoint(family)
    }
    spans = list(_borne(versions, made, accounts))
    for name in family:
        its = made.batches.get(name)
        if its is not None and its.first_start_ms is not None:
            first = its.first_start_ms
            last = first if its.last_stop_ms is None else max(its.last_stop_ms, first)
            spans += _within(periods, made, (first, max(last - 1, first)))
            spans += [(first, first), (last, last)]
    told = [span for span in spans if span[0] > -LIMIT and span[1] < LIMIT]
    windows = [window for span in told for window in periods.windows(span)]
    return united([*spans, *windows])


def _borne(versions: Versions, made: Production, accounts: set[str]) -> Iterator[Span]:
    """When a node gives to one of the accounts."""
    for timeline in made.nodes.values():
        for stretch, after in pairwise((*timeline.stretches, None)):
            if stretch is None or all(name not in accounts for name, _ in stretch.gets):
                continue
            first = stretch.from_ms
            if stretch.ready_ms is not None:  # the interval that ends then may begin a slot before
                slot_ms = versions.at(first).slot_ms
                first = max(first, (stretch.ready_ms - 1) // slot_ms * slot_ms)
            last = LIMIT if after is None else after.from_ms
            if first < last:
                yield first, last


def _within(periods: Periods, made: Production, life: Span) -> Iterator[Span]:
    """The windows of a batch's life; where pools go by output, when their batches began, too."""
    for window in periods.windows(life):
        yield window
        if periods.versions.at(window[0]).policy.spread in _BY_OUTPUT:
            for name in made.active([window]):
                start_ms = made.batches[name].first_start_ms
                if start_ms is not None:
                    yield start_ms, start_ms
