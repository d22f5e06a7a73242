"""Which part of what is at each place goes to one account: the tracing, walked backwards.

Forwards a place shares its content out; backwards the account's part of a place is the mean of its
parts of where the content goes, weighted by the same outlets. A meter's energy times the account's
part of where it ends is what the account got through this meter, exactly.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from calc_stream.core import SiteModel
from calc_stream.core.components import components
from calc_stream.core.known import Known, flows_of_links
from calc_stream.core.linear import Vector, solve
from calc_stream.core.outlets import Outlets, Place, outlets
from calc_stream.core.plant import Link
from calc_stream.core.postings import network_of
from calc_stream.core.receivers import Nodes, shares_along
from calc_stream.core.registers import flows_between
from calc_stream.core.series import Readings
from calc_stream.core.whole import Rows, Whole

Parts = dict[str, list[Fraction]]  # by place or node, a row an interval
_ONE = "all"


@dataclass(frozen=True)
class Shares:
    """The intervals from the first to the last in which the account gets anything.

    `flows`: quanta by meter; `parts`: the account's part by place and node.
    """

    edges: Rows
    flows: Mapping[str, Whole]
    parts: Parts

    def through(self, meter: str, end: str) -> Fraction:
        """Quanta the account got through this meter."""
        pairs = zip(self.flows[meter].tolist(), self.parts[end], strict=True)
        return sum((flow * part for flow, part in pairs if part), Fraction(0))

    def window(self, end: str) -> tuple[int, int] | None:
        """From when to when (ms) the account has a part of this place."""
        rows = [row for row, part in enumerate(self.parts[end]) if part]
        return (int(self.edges[rows[0]]), int(self.edges[rows[-1] + 1])) if rows else None


def shares_of(
    account: str,
    model: SiteModel,
    nodes: Nodes,
    readings: Readings,
    edges: Rows,
) -> Shares:
    """`edges`: the edges of all intervals that are posted with this model."""
    given = {name: _given(model, nodes, name, account, edges) for name in model.nodes}
    rows = [row for parts in given.values() for row, part in enumerate(parts) if part]
    lo, hi = min(rows, default=0), max(rows, default=-1) + 1
    edges = edges[lo : hi + 1]
    count = hi - lo
    flows = {
        meter: flow.quanta for meter, flow in flows_between(edges, model.meters, readings).items()
    }
    # What a store holds goes to nobody yet.
    parts: Parts = dict.fromkeys((*model.exports, *model.stores), [Fraction(0)] * count)
    parts |= {name: own[lo:hi] for name, own in given.items()}
    network = network_of(model)
    known = flows_of_links(model, network.known, flows, count)
    for group in reversed(network.groups):
        parts |= _group(group, flows, known, parts, count)
    return Shares(edges, flows, parts)


def _given(model: SiteModel, nodes: Nodes, node: str, account: str, edges: Rows) -> list[Fraction]:
    """The account's part of what arrives at a node, whatever the node's state."""
    found = [Fraction(0)] * max(edges.size - 1, 0)
    for rows, shares in shares_along(model, nodes, node, edges):
        for share in shares:
            if share.account.name == account:
                parts = zip(found[rows], share.weights.tolist(), share.whole.tolist(), strict=True)
                found[rows] = [part + Fraction(weight, whole) for part, weight, whole in parts]
    return found


def _group(
    group: tuple[Place, ...],
    flows: dict[str, Whole],
    links: Mapping[Link, Known],
    known: Parts,
    count: int,
) -> Parts:
    """The parts of places that feed each other; all they feed besides is known."""
    names = [place.name for place in group]
    ways = {place.name: outlets(place, flows, links, count) for place in group}
    found: Parts = {name: [] for name in names}
    for row in range(count):
        given: dict[str, Vector[str]] = {}
        inside: dict[tuple[str, str], Fraction] = {}
        for place in group:
            part = Fraction(0)
            for end, weight in _ways_out(place, ways[place.name], row):
                if end in ways:
                    inside[end, place.name] = inside.get((end, place.name), Fraction(0)) + weight
                else:
                    part += weight * known[end][row]
            given[place.name] = {_ONE: part}
        solved = solve(names, given, inside)
        if solved is None:
            solved = _part_by_part(names, given, inside)
        for name in names:
            found[name].append(solved[name].get(_ONE, Fraction(0)))
    return found


def _part_by_part(
    names: list[str],
    given: Mapping[str, Vector[str]],
    inside: Mapping[tuple[str, str], Fraction],
) -> dict[str, Vector[str]]:
    """A loop of the row without an end keeps what enters it; the other places have their parts."""
    fed: dict[str, list[str]] = {name: [] for name in names}
    for end, place in inside:
        fed[end].append(place)
    found: dict[str, Vector[str]] = {}
    for part in components(fed):
        own = {ends: weight for ends, weight in inside.items() if set(ends) <= set(part)}
        entering = {name: dict(given[name]) for name in part}
        for (end, place), weight in inside.items():
            if place in part and end in found:
                more = weight * found[end].get(_ONE, Fraction(0))
                entering[place][_ONE] = entering[place].get(_ONE, Fraction(0)) + more
        found |= solve(part, entering, own) or {name: {} for name in part}
    return found


def _ways_out(place: Place, ways: Outlets, row: int) -> list[tuple[str, Fraction]]:
    whole = int(np.broadcast_to(ways.whole, ways.stay.shape)[row])
    return [
        (edge.end, Fraction(int(out[row]), whole))
        for edge, out in zip(place.outflows, ways.out, strict=True)
        if out[row]
    ]
