"""Which part of pools and campaigns goes to batches, and how it moves with what meters told.

By time or output that part hangs on no meter: it is a number, and the energy errs with the meters it
passed. By energy the part errs as well. Of drivers d, counted c times, it is p = sum of c d / sum of d,
and a kWh more of one of them moves it by (c - p) / sum of d: so does a measure of the accounts that
bear the drivers, each counted by that times what the pool gave.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import fsum

from calc_stream.core import Batch, Periods
from calc_stream.core.accounts import Cell, Sums
from calc_stream.core.pools import Drivers, Spreading
from calc_stream.core.receivers import Nodes
from calc_stream.core.sensitivity import Times
from calc_stream.core.series import Span

At = tuple[str, str]  # a node and an account


@dataclass(frozen=True)
class Driven:
    """A pool that is spread by energy in a window: what it gave, and by how much a kWh more on each
    account moves the part of it that counts."""

    window: Span
    gave: Mapping[Cell, int]
    turns: Mapping[At, Fraction]


@dataclass(frozen=True)
class Pooled:
    """How much of each account counts: of a campaign always, of a pool window by window."""

    campaigns: Mapping[str, Fraction] = field(default_factory=dict)
    pools: Mapping[At, Sequence[tuple[Span, Fraction]]] = field(default_factory=dict)
    driven: Sequence[Driven] = ()

    @property
    def accounts(self) -> set[str]:
        """All that it hangs on."""
        turned = (at for each in self.driven for at in each.turns)
        return {*self.campaigns, *(name for _, name in (*self.pools, *turned))}

    def times(self) -> Times:
        """Of each pool, when it counts how much."""
        return {
            at: [(window, float(part)) for window, part in own] for at, own in self.pools.items()
        }

    def turned(self, span: Span, quantum: Callable[[str, int], float]) -> Times:
        """What a kWh more on an account moves by turning the parts, in windows that have time in the
        span. `quantum`: the measure of one, by source and period."""
        found: dict[At, dict[Span, float]] = {}
        for each in self.driven:
            if each.window[1] <= span[0] or span[1] <= each.window[0]:
                continue
            gave = fsum(amount * quantum(s, period) for (period, s), amount in each.gave.items())
            for at, turn in each.turns.items():
                own = found.setdefault(at, {})
                own[each.window] = own.get(each.window, 0.0) + gave * float(turn)
        return {at: sorted(own.items()) for at, own in found.items()}


NONE = Pooled()


def pooled(
    periods: Periods,
    nodes: Nodes,
    batches: Mapping[str, Batch],
    posted: Span,
    span: Span,
    counts: Mapping[str, Fraction],
    sums_of: Callable[[str], Sums],
) -> Pooled:
    """The part that accounts of batches, each counted so often, have of what windows in `span` and
    their campaigns give. `sums_of`: what is posted to accounts of a name, for pools spread by energy."""
    models = {window: periods.versions.at(window[0]) for window in periods.windows(span)}
    by_energy = [w for w, model in models.items() if model.policy.spread == "direct_energy"]
    names = sorted({name for window in by_energy for name in _bearing(nodes, window)})
    sums = {account: cells for name in names for account, cells in sums_of(name).items()}
    spreading = Spreading(periods, nodes, batches, sums, posted)
    pools: dict[At, list[tuple[Span, Fraction]]] = {}
    driven: list[Driven] = []
    for window, model in models.items():
        for node in model.nodes:
            drivers = spreading.drivers(node, window)
            part = _part(drivers, counts)
            if not part:
                continue
            pools.setdefault((node, f"pool:{node}"), []).append((window, part))
            if model.policy.spread == "direct_energy":
                one_kwh = 1 / sum(drivers.values(), Fraction(0))
                driven.append(_driven(spreading, node, window, part, one_kwh, counts))
    campaigns = {}
    for campaign in spreading.campaigns():
        if periods.versions.at(campaign.first_ms).policy.setup == "campaign":
            part = _part(spreading.outputs(campaign), counts)
            if part:
                campaigns[campaign.account] = part
    return Pooled(campaigns, pools, driven)


def _bearing(nodes: Nodes, window: Span) -> Iterator[str]:
    """The accounts that can have got anything in a window."""
    for node, timeline in nodes.items():
        yield f"pool:{node}"
        for stretch, _ in timeline.within(*window):
            yield from (name for name, _ in stretch.gets)


def _driven(
    spreading: Spreading,
    node: str,
    window: Span,
    part: Fraction,
    one_kwh: Fraction,
    counts: Mapping[str, Fraction],
) -> Driven:
    """`one_kwh`: of all that drives."""
    others = -part * one_kwh
    turns = {
        (machine, name): others + counts[name] * one_kwh if name in counts else others
        for machine in spreading.served(node, window)
        for name in (f"batch:{batch}" for batch in spreading.energy(machine, window))
    }
    return Driven(window, spreading.gathered(node, window), turns)


def _part(drivers: Drivers, counts: Mapping[str, Fraction]) -> Fraction:
    mine = [counts[f"batch:{b}"] * d for b, d in drivers.items() if f"batch:{b}" in counts]
    return sum(mine, Fraction(0)) / sum(drivers.values(), Fraction(0)) if mine else Fraction(0)
