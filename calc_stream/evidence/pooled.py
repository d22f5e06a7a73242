"""Which part of pools and campaigns goes to batches, by measures that hang on no meter: time, output.

Then a batch's part of a pool's energy is a number, and the energy errs with the meters it passed. A
pool that is spread by energy has parts that err themselves: of those nothing is said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from calc_stream.core import Batch, Periods
from calc_stream.core.pools import Drivers, Spreading
from calc_stream.core.receivers import Nodes
from calc_stream.core.series import Span
from calc_stream.core.ways import Floats
from calc_stream.core.whole import Rows


@dataclass(frozen=True)
class Pooled:
    """How much of each account counts: of a campaign always, of a pool window by window."""

    campaigns: Mapping[str, Fraction] = field(default_factory=dict)
    pools: Mapping[str, Sequence[tuple[Span, Fraction]]] = field(default_factory=dict)

    def between(self, edges: Rows) -> dict[str, Floats]:
        """By pool, in each interval."""
        found: dict[str, Floats] = {}
        for name, parts in self.pools.items():
            found[name] = np.zeros(max(edges.size - 1, 0))
            for (first, last), part in parts:
                within = (edges[:-1] >= first) & (edges[:-1] < last)
                found[name][within] = float(part)
        return found

    def span(self) -> Span | None:
        """The time of all windows."""
        windows = [window for parts in self.pools.values() for window, _ in parts]
        if not windows:
            return None
        return min(first for first, _ in windows), max(last for _, last in windows)


NONE = Pooled()


def pooled(
    periods: Periods,
    nodes: Nodes,
    batches: Mapping[str, Batch],
    posted: Span,
    span: Span,
    counts: Mapping[str, Fraction],
) -> Pooled | None:
    """The part that accounts of batches, each counted so often, have of what windows in `span` and
    their campaigns give. None where a pool is spread by energy."""
    spreading = Spreading(periods, nodes, batches, {}, posted)
    pools: dict[str, list[tuple[Span, Fraction]]] = {}
    for window in periods.windows(span):
        model = periods.versions.at(window[0])
        if model.policy.spread == "direct_energy":
            return None
        for node in model.nodes:
            part = _part(spreading.drivers(node, window), counts)
            if part:
                pools.setdefault(f"pool:{node}", []).append((window, part))
    campaigns = {}
    for campaign in spreading.campaigns():
        if periods.versions.at(campaign.first_ms).policy.setup == "campaign":
            part = _part(spreading.outputs(campaign), counts)
            if part:
                campaigns[campaign.account] = part
    return Pooled(campaigns, pools)


def _part(drivers: Drivers, counts: Mapping[str, Fraction]) -> Fraction:
    whole = sum(drivers.values(), Fraction(0))
    mine = (counts.get(f"batch:{b}", Fraction(0)) * driver for b, driver in drivers.items())
    return sum(mine, Fraction(0)) / whole if whole else Fraction(0)
