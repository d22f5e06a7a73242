"""Pools to batches: a pure step from what is posted to exact transfers.

What a pool received in a window goes to the batches it serves there, by the model's measure, and
what a campaign received as set-up to the campaign's batches. Whole quanta by cumulative floor over
the batches in byte order, per source and period, so nothing is lost and each period keeps its
factor. What has no batch to go to stays where it is.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import floor

from calc_stream.core.accounts import Cell, Cells, Sums
from calc_stream.core.batches import Batch, batches_of
from calc_stream.core.campaigns import Campaign
from calc_stream.core.course import timelines
from calc_stream.core.events import Event, in_force
from calc_stream.core.ledger import Ledger
from calc_stream.core.periods import Periods
from calc_stream.core.receivers import Nodes
from calc_stream.core.versions import Span

Drivers = dict[str, Fraction]  # by batch


@dataclass(frozen=True, slots=True)
class Transfer:
    """Quanta of a source, posted to a pool or campaign in a period, that a batch bears."""

    account: str
    batch: str
    period: int
    source: str
    quanta: int


@dataclass(frozen=True)
class Spreading:
    """What transfers follow from: what is posted over `span`, and what was done there."""

    periods: Periods
    nodes: Nodes
    batches: Mapping[str, Batch]
    sums: Sums
    span: Span | None

    def transfers(self) -> list[Transfer]:
        """All of them: of every window and every campaign."""
        return [*self.of_windows(), *self.of_campaigns()]

    def of_windows(self, wanted: Iterable[Span] | None = None) -> Iterator[Transfer]:
        """Of the windows wanted; None: of all there are."""
        chosen = None if wanted is None else set(wanted)
        for (window, node), cells in sorted(self._pools.items()):
            if chosen is None or window in chosen:
                yield from _shared(f"pool:{node}", cells, self.drivers(node, window))

    def of_campaigns(self, wanted: Iterable[Campaign] | None = None) -> Iterator[Transfer]:
        """Of the campaigns wanted; None: of all there are."""
        for campaign in self.campaigns() if wanted is None else wanted:
            cells = self._campaigns.get(campaign.account, {})
            yield from _shared(campaign.account, cells, self.outputs(campaign))

    def campaigns(self) -> list[Campaign]:
        """Every campaign of every node, in byte order."""
        found = [campaign for timeline in self.nodes.values() for campaign in timeline.campaigns]
        return sorted(found, key=lambda campaign: campaign.account)

    def active(self, window: Span) -> list[str]:
        """The batches that were active and bore something in a window, in byte order."""
        return sorted(self._hours(tuple(self.nodes), window))

    def drivers(self, node: str, window: Span) -> Drivers:
        """By what the pool of a node is spread over the batches it serves in a window."""
        served, model = self.served(node, window), self.periods.versions.at(window[0])
        measure = model.policy.spread
        if measure == "direct_energy":
            drivers = self._energy(served, window)
        else:
            drivers = self._hours(served, window)
        if measure in ("mass", "pieces") and self.span is not None:
            whole = self._hours(served, self.span)
            drivers = {
                name: self.batches[name].counted(measure) * hours / whole[name]
                for name, hours in drivers.items()
            }
        return {name: driver for name, driver in sorted(drivers.items()) if driver > 0}

    def served(self, node: str, window: Span) -> tuple[str, ...]:
        """The machines whose batches the pool of a node serves in a window."""
        model = self.periods.versions.at(window[0])
        if not model.nodes[node].overhead:
            return (node,)
        lines = model.nodes[node].serves
        return tuple(
            name
            for name, other in model.nodes.items()
            if not other.overhead and (lines is None or other.line in lines)
        )

    def energy(self, node: str, window: Span) -> Mapping[str, Fraction]:
        """kWh posted to batches on a machine in a window, whatever the source."""
        return self._kwh.get((window, node), {})

    def gathered(self, node: str, window: Span) -> Mapping[Cell, int]:
        """What the pool of a node received in a window."""
        return self._pools.get((window, node), {})

    def _hours(self, served: tuple[str, ...], window: Span) -> Drivers:
        """Time (ms) that batches were active there and bore what arrived; shared by weight."""
        if (served, window) in self._known_hours:
            return self._known_hours[served, window]
        found: Drivers = {}
        self._known_hours[served, window] = found
        if self.span is None:
            return found
        first, last = max(window[0], self.span[0]), min(window[1], self.span[1])
        if first >= last:
            return found
        for node in served:
            for stretch, lasts_ms in self.nodes[node].within(first, last):
                if not stretch.bears:
                    continue
                whole = sum(weight for _, weight in stretch.active)
                for batch, weight in stretch.active:
                    found[batch] = found.get(batch, Fraction(0)) + lasts_ms * weight / whole
        return found

    def _energy(self, served: Iterable[str], window: Span) -> Drivers:
        """The same on several machines."""
        found: Drivers = {}
        for node in served:
            for batch, kwh in self.energy(node, window).items():
                found[batch] = found.get(batch, Fraction(0)) + kwh
        return found

    def outputs(self, campaign: Campaign) -> Drivers:
        """What each batch put out; the same for all while they are not all counted in one unit."""
        members = [self.batches[name] for name in campaign.batches]
        outputs = {batch.id: batch.good + batch.scrap for batch in members}
        if len({batch.unit for batch in members}) > 1 or not all(outputs.values()):
            outputs = dict.fromkeys(outputs, Fraction(1))
        return dict(sorted(outputs.items()))

    @cached_property
    def _pools(self) -> dict[tuple[Span, str], Cells]:
        """What pools received, by window and node."""
        found: dict[tuple[Span, str], Cells] = {}
        for account, cells in self.sums.items():
            if account.name.startswith("pool:"):
                for key, quanta in cells.items():
                    window = self._window(key[0])
                    if window is not None:
                        own = found.setdefault((window, account.node), {})
                        own[key] = own.get(key, 0) + quanta
        return found

    @cached_property
    def _campaigns(self) -> dict[str, Cells]:
        found: dict[str, Cells] = {}
        for account, cells in self.sums.items():
            if account.name.startswith("campaign:"):
                own = found.setdefault(account.name, {})
                for key, quanta in cells.items():
                    own[key] = own.get(key, 0) + quanta
        return found

    @cached_property
    def _kwh(self) -> dict[tuple[Span, str], Drivers]:
        """Energy of batches by window and node."""
        found: dict[tuple[Span, str], Drivers] = {}
        for account, cells in self.sums.items():
            if not account.name.startswith("batch:"):
                continue
            batch = account.name.removeprefix("batch:")
            for (period, source), quanta in cells.items():
                window = self._window(period)
                if window is not None:
                    carrier = self.periods.versions.carrier_of(source)
                    kwh = quanta * carrier.kwh_per_unit / carrier.quanta_per_unit
                    own = found.setdefault((window, account.node), {})
                    own[batch] = own.get(batch, Fraction(0)) + kwh
        return found

    @cached_property
    def _known_hours(self) -> dict[tuple[tuple[str, ...], Span], Drivers]:
        return {}

    @cached_property
    def _known_windows(self) -> dict[int, Span | None]:
        return {}

    def _window(self, period: int) -> Span | None:
        if period not in self._known_windows:
            self._known_windows[period] = self.periods.window(period)
        return self._known_windows[period]


def spreading_of(ledger: Ledger, events: Iterable[Event]) -> Spreading:
    """Of a ledger and the events it was computed from."""
    standing = in_force(events)[0]
    batches = batches_of(standing)[0]
    nodes = timelines(ledger.periods.versions, standing, batches)[0]
    return Spreading(ledger.periods, nodes, batches, ledger.sums(), ledger.span)


def _shared(account: str, cells: Cells, drivers: Drivers) -> Iterator[Transfer]:
    """Cumulative floor over the batches, cell by cell."""
    whole = sum(drivers.values())
    if not whole:
        return
    for (period, source), quanta in sorted(cells.items()):
        running, before = Fraction(0), 0
        for batch, driver in drivers.items():
            running += driver
            after = floor(quanta * running / whole)
            if after != before:
                yield Transfer(account, batch, period, source, after - before)
            before = after
