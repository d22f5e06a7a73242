"""Pure: the rules of the records, computed the slow and obvious way.

An independent reading of the rules to hold the calculator against: plain loops over dicts, exact
fractions throughout, nothing floored but the quanta of a meter at an edge (where the rules floor).
So every account of the calculator must lie within 1 quantum per interval of the one here. Shares
no code with the calculator. What it does not know it refuses: stores, spread pools, inputs.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

from simulators.oracle.production import Production
from simulators.oracle.registers import MeterTotal, read_registers
from simulators.oracle.tracing import Site
from wire.errors import BadData

Contents = dict[str, Fraction]


@dataclass
class Result:
    """Exact sums in the source's quanta: account -> source -> quanta. `edges`: of time, UTC ms."""

    edges: list[int] = field(default_factory=list)
    ignored: int = 0
    accounts: dict[str, Contents] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)
    incomplete: set[str] = field(default_factory=set)
    untraced: set[str] = field(default_factory=set)

    @property
    def intervals(self) -> int:
        """How many intervals lie between the edges."""
        return max(len(self.edges) - 1, 0)


def compute(
    model: Mapping[str, Any],
    events: Iterable[Mapping[str, Any]],
    readings: Iterable[Mapping[str, Any]],
    span: tuple[int, int] | None = None,
) -> Result:
    """Accounts of the readings' whole time, or of `span` (ms), whose ends then are edges too.

    `model`, `events` and `readings` are the parsed forms of the three files of the records.
    Raises BadData for what the rules call an error and for what is not supported here.
    """
    site, production = Site(model), Production(events)
    meters, ignored = read_registers(model, readings)
    result = Result(ignored=ignored, sources=dict.fromkeys(site.sources, 0))
    if not meters:
        return result
    accounts: dict[str, Contents] = defaultdict(lambda: defaultdict(Fraction))
    result.edges = _edges(model, production, meters, span)
    for begin, end in pairwise(result.edges):
        flows = {}
        for name in site.meters:
            total = meters.get(name)
            if total is None or begin < total.first_ms or end > total.last_ms:
                flows[name] = 0
                result.incomplete.add(name)
            else:
                flows[name] = total.quanta(end) - total.quanta(begin)
        traced = site.trace(flows)
        result.untraced |= traced.untraced
        for source, quanta in traced.inflow.items():
            result.sources[source] += quanta
        for place, content in traced.arrived.items():
            for account, share in _receivers(site, production, place, begin, end).items():
                for source, quanta_exact in content.items():
                    accounts[account][source] += quanta_exact * share
    for account, contents in sorted(accounts.items()):
        if kept := {source: q for source, q in sorted(contents.items()) if q}:
            result.accounts[account] = kept
    return result


def _edges(
    model: Mapping[str, Any],
    production: Production,
    meters: Mapping[str, MeterTotal],
    span: tuple[int, int] | None,
) -> list[int]:
    """Rule 1."""
    low = min(total.first_ms for total in meters.values())
    high = max(total.last_ms for total in meters.values())
    if span is not None:
        low, high = max(low, span[0]), min(high, span[1])
    if low >= high:
        return []
    slot_ms = 1000 * model["slot_s"]
    edges = {low, high, *range(-(-low // slot_ms) * slot_ms, high + 1, slot_ms)}
    edges.update(production.cuts)
    for total in meters.values():
        edges.update((total.first_ms, total.last_ms, *total.swaps_ms))
    return sorted(edge for edge in edges if low <= edge <= high)


def _receivers(
    site: Site, production: Production, place: str, begin: int, end: int
) -> dict[str, Fraction]:
    """Rule 4: which accounts share what arrived at `place` in [begin, end)."""
    if place not in site.nodes:
        return {place: Fraction(1)}
    if site.overhead(place):
        if production.knows(place):
            raise BadData(f"{place} is an overhead node: no batch or state there")
        return {f"pool:{place}": Fraction(1)}
    weights = production.takers(place, begin, end, site.setup_max_ms)
    if not weights:
        return {f"pool:{place}": Fraction(1)}
    whole = sum(weights.values())
    return {f"batch:{batch}": weight / whole for batch, weight in weights.items()}
