"""How sure the sum of batches is, one or many: one budget for all of them.

A meter keeps its bias, so it errs the same way in every batch it saw: the sum's doubt is no root of
the sum of squares. Their accounts are therefore taken together, over all their time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import inf
from typing import Protocol

from calc_stream.core import Batch, Event, Periods, Readings, SiteModel, Versions
from calc_stream.core.accounts import Sums
from calc_stream.core.decimals import parse_fraction, parse_instant
from calc_stream.core.events import in_force
from calc_stream.core.receivers import Nodes
from calc_stream.core.series import Span
from calc_stream.core.whole import LIMIT
from calc_stream.evidence.budget import Budget, Grounds, accounts_of, budget_of, grounds_over
from calc_stream.evidence.pooled import NONE, pooled
from calc_stream.factors import Rates
from calc_stream.ledger.figures import kwh_per_quantum
from calc_stream.ledger.rows import BatchRow

_WITH_STORES = 20  # an interval takes as long as so many meters


class Known(Protocol):
    """What is needed of a site's state."""

    @property
    def versions(self) -> Versions | None: ...
    @property
    def periods(self) -> Periods | None: ...
    @property
    def events(self) -> Mapping[str, Event]: ...
    @property
    def readings(self) -> Readings: ...
    @property
    def batches(self) -> Mapping[str, Batch]: ...
    @property
    def nodes(self) -> Nodes: ...
    @property
    def posted(self) -> Span | None: ...
    def sums_of(self, name: str, /) -> Sums: ...


@dataclass(frozen=True)
class Again:
    """The same of what was read from records again. `received`: what all accounts got in the windows of
    the batches, worked out when a pool is spread by energy."""

    periods: Periods
    events: Mapping[str, Event]
    readings: Readings
    batches: Mapping[str, Batch]
    nodes: Nodes
    posted: Span | None
    received: Callable[[], Sums]

    @property
    def versions(self) -> Versions:
        return self.periods.versions

    def sums_of(self, name: str, /) -> Sums:
        """Of the accounts of one name."""
        return self._named.get(name, {})

    @cached_property
    def _named(self) -> dict[str, Sums]:
        found: dict[str, Sums] = {}
        for account, cells in self.received().items():
            found.setdefault(account.name, {})[account] = cells
        return found


def joint_budget(
    state: Known, rows: Sequence[BatchRow], rates: Rates | None, most_cells: float = inf
) -> Budget | None:
    """Of the batches together, not for one unit. None where it cannot be told yet: of stores over several
    versions of the model. `most_cells`: None, too, where it takes more meters times intervals."""
    if state.periods is None or state.posted is None:
        return None
    counts = accounts_of(state.batches, *(row.batch for row in rows))
    span = _span(state, rows, [name.removeprefix("batch:") for name in counts])
    if span is None:
        return None
    spread = all(row.spread for row in rows)
    windows = [span, *(state.periods.windows(span) if spread else ())]
    whole = (
        max(min(first for first, _ in windows), state.posted[0]),
        min(max(last for _, last in windows), state.posted[1]),
    )
    standing, _ = in_force(state.events.values())
    parts = grounds_over(state.periods, standing, state.nodes, state.batches, state.readings, whole)
    if len(parts) > 1 and any(part.model.stores for part in parts):
        return None
    if sum(map(_cells, parts)) > most_cells:
        return None
    given = state.periods, state.nodes, state.batches, state.posted, span, counts, state.sums_of
    its = pooled(*given) if spread else NONE
    known = rates is not None and all(row.kg_co2e is not None for row in rows)
    mass = rates.mass(_quanta(state, rows)) if rates is not None and known else None
    found = budget_of(parts, counts, rates, mass, its)
    return found if _adds_up(found, rows, parts) else None


def _cells(part: Grounds) -> int:
    least = _WITH_STORES if part.model.stores else 1
    return part.edges.size * max(len(part.model.meters), least)


def _adds_up(found: Budget, rows: Sequence[BatchRow], parts: Sequence[Grounds]) -> bool:
    """Whether what the budget is of is what the batches state, but for whole quanta, one an interval: a
    doubt of something else is none of theirs."""
    kwh = sum((parse_fraction(row.energy_kwh) for row in rows), Fraction(0))
    quanta = (part.edges.size * _largest_quantum(part.model) for part in parts)
    return abs(parse_fraction(found.kwh.value) - kwh) <= max(kwh / 10_000, sum(quanta))


def _largest_quantum(model: SiteModel) -> Fraction:
    """In kWh."""
    carriers = (model.carrier_of(source) for source in model.sources)
    return max((kwh_per_quantum(carrier) for carrier in carriers), default=Fraction(0))


def _span(state: Known, rows: Sequence[BatchRow], names: Sequence[str]) -> Span | None:
    """The time in which these batches can have got anything: set-up may come before the start."""
    versions = state.versions
    if state.posted is None or versions is None:
        return None
    batches = [state.batches[name] for name in names if name in state.batches]
    starts = [b.first_start_ms for b in batches if b.first_start_ms is not None]
    stops = [b.last_stop_ms for b in batches if b.last_stop_ms is not None]
    if not starts:
        return None
    if not all(row.settled for row in rows) and (
        len(stops) < len(batches) or any(row.ended_ms is None for row in rows)
    ):
        stops = [state.posted[1]]  # something of it runs
    model = versions.at(min(starts))
    first = min(starts) - max(model.policy.look_ahead_ms, 0)
    first = max(first // model.slot_ms * model.slot_ms, state.posted[0])
    last = min(max(stops, default=first), state.posted[1])
    return (state.posted[0] if versions.stores else first, last) if first < last else None


def _quanta(state: Known, rows: Sequence[BatchRow]) -> dict[str, dict[int, int | Fraction]]:
    """What all batches used, by source and start of the period."""
    found: dict[str, dict[int, int | Fraction]] = {}
    versions = state.versions
    for row in rows if versions else ():
        for source, amounts in row.by_period.items():
            per_unit = versions.carrier_of(source).quanta_per_unit if versions else 1
            its = found.setdefault(source, {})
            for since, amount in amounts.items():
                t_ms = parse_instant(since) if since else -LIMIT
                its[t_ms] = its.get(t_ms, 0) + parse_fraction(amount) * per_unit
    return found
