"""How sure the sum of many batches is: one budget for all of them.

A meter keeps its bias, so it errs the same way in every batch it saw: the sum's doubt is no root of
the sum of squares. Their accounts are therefore taken together, over all their time.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Protocol

from calc_stream.core import Batch, Event, Periods, Readings, Versions
from calc_stream.core.decimals import parse_fraction, parse_instant
from calc_stream.core.events import in_force
from calc_stream.core.receivers import Nodes
from calc_stream.core.series import Span
from calc_stream.core.whole import LIMIT
from calc_stream.evidence.budget import Budget, accounts_of, budget_of, grounds_over
from calc_stream.evidence.pooled import pooled
from calc_stream.factors import Rates
from calc_stream.ledger.rows import BatchRow


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


def joint_budget(state: Known, rows: Sequence[BatchRow], rates: Rates) -> Budget | None:
    """Of the batches together, not for one unit. None where it cannot be told yet: with a part of pools
    that are spread by energy, and of stores over several versions of the model."""
    if state.periods is None or state.posted is None:
        return None
    counts = accounts_of(state.batches, *(row.batch for row in rows))
    span = _span(state, [name.removeprefix("batch:") for name in counts])
    if span is None:
        return None
    its = pooled(state.periods, state.nodes, state.batches, state.posted, span, counts)
    if its is None:
        return None
    windows = its.span() or span
    whole = (
        max(min(span[0], windows[0]), state.posted[0]),
        min(max(span[1], windows[1]), state.posted[1]),
    )
    standing, _ = in_force(state.events.values())
    parts = grounds_over(state.periods, standing, state.nodes, state.batches, state.readings, whole)
    if len(parts) > 1 and any(part.model.stores for part in parts):
        return None
    found = budget_of(parts, counts, rates, rates.mass(_quanta(state, rows)), its)
    return found if _adds_up(found, rows) else None


def _adds_up(found: Budget, rows: Sequence[BatchRow]) -> bool:
    """Whether what the budget is of is what the batches state, but for whole quanta: a doubt of
    something else is none of theirs."""
    kwh = sum((parse_fraction(row.energy_kwh) for row in rows), Fraction(0))
    return abs(parse_fraction(found.kwh.value) - kwh) <= kwh / 10_000


def _span(state: Known, names: Sequence[str]) -> Span | None:
    """The time in which these batches can have got anything: set-up may come before the start."""
    versions = state.versions
    if state.posted is None or versions is None:
        return None
    batches = [state.batches[name] for name in names]
    starts = [b.first_start_ms for b in batches if b.first_start_ms is not None]
    stops = [b.last_stop_ms for b in batches if b.last_stop_ms is not None]
    if not starts or not stops:
        return None
    model = versions.at(min(starts))
    first = min(starts) - max(model.policy.look_ahead_ms, 0)
    first = max(first // model.slot_ms * model.slot_ms, state.posted[0])
    last = min(max(stops), state.posted[1])
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
