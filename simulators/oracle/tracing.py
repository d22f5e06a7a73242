"""Pure: one interval's flows from the sources through buses and utilities (rule 3 of the records)."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

from simulators.oracle.loops import in_order, settled
from simulators.oracle.registers import carrier_of
from wire.errors import BadData

Content = dict[str, Fraction]


class Edge(NamedTuple):
    """A meter, or a link (then `meter` is None), from one place to another."""

    frm: str
    to: str
    meter: str | None
    share: Fraction | None
    carrier: str


@dataclass
class Traced:
    """What arrived where. Keys of `arrived`: a node, or the account `residual:…`, `export:…`."""

    arrived: dict[str, Content] = field(default_factory=lambda: defaultdict(dict))
    inflow: dict[str, int] = field(default_factory=dict)
    untraced: set[str] = field(default_factory=set)

    def add(self, place: str, content: Content, share: Fraction) -> None:
        """Put a share of a content at a place."""
        at = self.arrived[place]
        for source, quanta in content.items():
            at[source] = at.get(source, Fraction(0)) + quanta * share


class Site:
    """A site model, ready to trace intervals."""

    def __init__(self, model: Mapping[str, Any]) -> None:
        policy = model.get("policy", {})
        if model.get("stores") or policy.get("spread", "none") != "none":
            raise BadData("stores and a policy.spread other than none are not supported here")
        if policy.get("setup", "next") != "next" or policy.get("idle", "pool") != "pool":
            raise BadData("a policy other than setup = next, idle = pool is not supported here")
        self.setup_max_ms = 1000 * policy.get("setup_max_s", 28800)
        self.sources: dict[str, Any] = model.get("sources", {})
        self.nodes: dict[str, Any] = model.get("nodes", {})
        self.meters = [meter["id"] for meter in model.get("meters", [])]
        self._buses: dict[str, Any] = model.get("buses", {})
        self._exports = set(model.get("exports", {}))
        self._edges = [*_metered(model), *_links(model)]
        self._places = [*self._buses, *model.get("utilities", {})]

    def overhead(self, node: str) -> bool:
        """Whether a node's energy always goes to its pool."""
        return bool(self.nodes[node].get("kind") == "overhead")

    def trace(self, flows: Mapping[str, int]) -> Traced:
        """Distribute one interval. `flows`: quanta over each meter."""
        traced = Traced()
        for edge in self._edges:
            if edge.frm in self.sources and edge.meter is not None:
                quanta = flows[edge.meter]
                traced.inflow[edge.frm] = traced.inflow.get(edge.frm, 0) + quanta
                traced.add(self._arrival(edge.to), {edge.frm: Fraction(quanta)}, Fraction(1))
        ways = {place: list(self._split(place, flows, traced.untraced)) for place in self._places}
        feeds = {
            place: {to for to, share in split if to in ways and share}
            for place, split in ways.items()
        }
        for group in in_order(feeds):
            entering = {place: traced.arrived.pop(place, {}) for place in group}
            contents: Mapping[str, Content] | None = entering
            if any(feeds[place] & set(group) for place in group):
                contents = settled(group, entering, _shares(group, ways))
            if contents is None:
                self._hold(group, entering, flows, traced)
                continue
            for place in group:
                for to, share in ways[place]:
                    if to not in group:
                        traced.add(to, contents[place], share)
        return traced

    def _hold(
        self,
        group: list[str],
        entering: Mapping[str, Content],
        flows: Mapping[str, int],
        traced: Traced,
    ) -> None:
        """A loop that cannot be solved keeps what enters it, where it enters."""
        for place in group:
            traced.add(f"residual:{place}", entering[place], Fraction(1))
        for edge in self._edges:
            if edge.meter and edge.frm in group and edge.to in group and flows[edge.meter] > 0:
                traced.untraced.add(edge.meter)

    def _split(
        self, place: str, flows: Mapping[str, int], untraced: set[str]
    ) -> Iterator[tuple[str, Fraction]]:
        if place in self._buses:
            return self._of_bus(place, flows, untraced)
        return self._of_utility(place, flows)

    def _of_bus(
        self, bus: str, flows: Mapping[str, int], untraced: set[str]
    ) -> Iterator[tuple[str, Fraction]]:
        """Where a bus's content goes, as shares of it."""
        inputs = [edge for edge in self._edges if edge.to == bus]
        outputs = [edge for edge in self._edges if edge.frm == bus and edge.meter]
        residual = self._buses[bus].get("residual", "account")
        by_outflow = residual == "spread" or any(edge.meter is None for edge in inputs)
        counted = outputs if by_outflow else inputs
        mixed = sum(flows[edge.meter] for edge in counted if edge.meter)
        if mixed == 0:
            untraced |= {e.meter for e in outputs if e.meter and flows[e.meter] > 0}
            yield f"residual:{bus}", Fraction(1)
            return
        rest = Fraction(1)
        for edge in outputs:
            share = Fraction(flows[edge.meter] if edge.meter else 0, mixed)
            rest -= share
            yield self._arrival(edge.to), share
        if residual != "links":
            yield f"residual:{bus}", rest
            return
        links = [edge for edge in self._edges if edge.frm == bus and edge.meter is None]
        whole = sum(edge.share or 1 for edge in links)
        for edge in links:
            yield self._arrival(edge.to), rest * Fraction(edge.share or 1) / whole

    def _of_utility(self, utility: str, flows: Mapping[str, int]) -> Iterator[tuple[str, Fraction]]:
        """Where a utility's content goes: all of it to its outputs."""
        outputs = [edge for edge in self._edges if edge.frm == utility]
        metered = [flows[edge.meter] for edge in outputs if edge.meter]
        if len(metered) == len(outputs) and not any(metered):
            yield f"residual:{utility}", Fraction(1)
            return
        if len(outputs) == 1:
            weights = [Fraction(1)]
        elif all(edge.share is not None for edge in outputs):
            weights = [edge.share or Fraction(0) for edge in outputs]
        elif len({edge.carrier for edge in outputs}) == 1 and len(metered) == len(outputs):
            weights = [Fraction(flow) for flow in metered]
        else:
            raise BadData(f"{utility}: its outputs need shares, or meters of one carrier")
        for edge, weight in zip(outputs, weights, strict=True):
            yield self._arrival(edge.to), weight / sum(weights)

    def _arrival(self, place: str) -> str:
        return f"export:{place}" if place in self._exports else place


def _shares(
    group: list[str], ways: Mapping[str, list[tuple[str, Fraction]]]
) -> dict[tuple[str, str], Fraction]:
    shares: dict[tuple[str, str], Fraction] = {}
    for place in group:
        for to, share in ways[place]:
            if to in group:
                shares[place, to] = shares.get((place, to), Fraction(0)) + share
    return shares


def _metered(model: Mapping[str, Any]) -> list[Edge]:
    edges = []
    for meter in model.get("meters", []):
        share = Fraction(meter["share"]) if "share" in meter else None
        carrier = carrier_of(model, meter)
        edges.append(Edge(meter["from"], meter["to"], meter["id"], share, carrier))
    return edges


def _links(model: Mapping[str, Any]) -> list[Edge]:
    edges = []
    for link in model.get("links", []):
        share = Fraction(link["share"]) if "share" in link else None
        carrier = model.get("buses", {}).get(link["to"], {}).get("carrier", "")
        edges.append(Edge(link["from"], link["to"], None, share, carrier))
    return edges
