"""From the meters' flows to what each node, export and residual received of each source.

Per interval every bus and utility gathers content and shares it out (`outlets`). Places are taken
in an order in which what feeds a place comes first; places that feed each other are solved together
(`loops`). The same equation is Bialek's flow tracing and the reciprocal method of cost allocation.
What a store gives is traced as if the store were a source, `store:<name>`; what that is made of, its
stock knows (`stores`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from calc_stream.core.content import Content, together
from calc_stream.core.known import Edge, flows_of_links
from calc_stream.core.line import Lines
from calc_stream.core.loops import Stuck, solve_loop
from calc_stream.core.outlets import Outlets, Place, outlets
from calc_stream.core.plant import Link, Meter, SiteModel
from calc_stream.core.timeline import Ends
from calc_stream.core.whole import Matrix, Rows, Whole, mul


class Fan(NamedTuple):
    """What arrived at the tips of a place: a row of each part a tip, all over one denominator."""

    place: Place
    parts: dict[str, Whole]
    whole: Whole


@dataclass(slots=True)
class Traced:
    """Where the content went in each interval, and meters whose flow nothing explains."""

    fans: list[Fan] = field(default_factory=list)
    # At nodes, exports and stores that are no tips.
    arrived: dict[str, list[Content]] = field(default_factory=dict)
    residuals: dict[str, Content] = field(default_factory=dict)  # by bus or utility
    untraced: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Network:
    """The places in groups: each group after those that feed it; more than one place is a loop.

    `known`: the links whose flow is known without a meter; `entering`: by source, its meters' places
    among the model's; `upstream`: which sources may come to where a meter starts (None: any, out of a
    store); `ends`: who got what at tips, and `lines` of accounts, as they were last.
    """

    model: SiteModel
    groups: tuple[tuple[Place, ...], ...]
    known: tuple[Link, ...]
    entering: Mapping[str, Rows]
    upstream: Mapping[str, frozenset[str] | None]
    ends: dict[str, Ends] = field(default_factory=dict, compare=False)
    lines: Lines = field(default_factory=Lines, compare=False)


def trace(network: Network, flows: Matrix, rows: int) -> Traced:
    """What arrived where. `flows`: quanta by meter id, one row an interval."""
    traced = Traced()
    inbox: dict[str, list[Content]] = {}
    ones = np.ones(rows, dtype=np.int64)
    model = network.model
    for start, meters in network.entering.items():
        source = start if start in model.sources else of_store(start)
        for at in meters.tolist():
            content = Content({source: flows.whole[at]}, ones)
            inbox.setdefault(model.meters[at].end, []).append(content)
    known = flows_of_links(model, network.known, flows, rows)
    for group in network.groups:
        ways = {place.name: outlets(place, flows, known, rows) for place in group}
        entered = {place.name: together(inbox.get(place.name, []), rows) for place in group}
        if is_loop(group):
            entered, ways, stuck = solve_loop(group, entered, ways, rows)
            _note_stuck(traced, group, flows, stuck)
        inner = {place.name for place in group}
        for place in group:
            _note_empty(traced, place, flows, ways[place.name])
            for end, content in _share_out(place, entered[place.name], ways[place.name], traced):
                if end not in inner:
                    inbox.setdefault(end, []).append(content)
    places = {place.name for group in network.groups for place in group}
    traced.arrived = {end: contents for end, contents in inbox.items() if end not in places}
    return traced


def upstream_of(model: SiteModel) -> dict[str, frozenset[str] | None]:
    """Which sources may come to a place: what it is fed by, all the way back."""
    found: dict[str, frozenset[str] | None] = {name: frozenset({name}) for name in model.sources}
    found |= dict.fromkeys(model.stores)
    found |= dict.fromkeys((*model.buses, *model.utilities), frozenset())
    edges: tuple[Edge, ...] = (*model.meters, *model.links)
    places = model.buses.keys() | model.utilities.keys()
    fed = [(edge.start, edge.end) for edge in edges if edge.end in places]
    grows = True
    while grows:
        grows = False
        for start, end in fed:
            mine, more = found[end], found[start]
            both = None if mine is None or more is None else mine | more
            if both != mine:
                found[end], grows = both, True
    return found


def of_store(store: str) -> str:
    """What a store is called where it stands among sources and accounts."""
    return f"store:{store}"


def is_loop(group: tuple[Place, ...]) -> bool:
    """Whether content can come back to a place of the group."""
    return len(group) > 1 or any(
        group[0].outflows[at].end == group[0].name for at in group[0].others
    )


def _share_out(
    place: Place, content: Content, ways: Outlets, traced: Traced
) -> list[tuple[str, Content]]:
    """What leaves by each edge; what stays is noted."""
    if not content.parts:
        return []
    unit = content.over(ways.whole)
    if ways.stay.any():
        traced.residuals[place.name] = unit.times(ways.stay)
    # A source at a time over all edges at once; each edge's content is a row of that.
    parts = {source: mul(part, ways.out) for source, part in unit.parts.items()}
    if place.tips:
        mine = {s: part[place.fan] if place.others else part for s, part in parts.items()}
        traced.fans.append(Fan(place, mine, unit.whole))
    return [
        (place.outflows[at].end, Content({s: part[at] for s, part in parts.items()}, unit.whole))
        for at in place.others
    ]


def _note_empty(traced: Traced, place: Place, flows: Matrix, ways: Outlets) -> None:
    """Nothing flowed in, yet meters show an outflow."""
    if ways.untraced is None:
        return
    for edge in place.outflows:
        if isinstance(edge, Meter) and np.any(flows[edge.id][ways.untraced] > 0):
            traced.untraced.add(edge.id)


def _note_stuck(
    traced: Traced, group: tuple[Place, ...], flows: Matrix, stuck: list[Stuck]
) -> None:
    """The meters of loops that could not be solved."""
    inner: list[Edge] = [edge for place in group for edge in place.outflows]
    for row, names in stuck:
        for edge in inner:
            if isinstance(edge, Link) or not (edge.start in names and edge.end in names):
                continue
            if flows[edge.id][row] > 0:
                traced.untraced.add(edge.id)
