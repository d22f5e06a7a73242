"""What flowed through every edge of a model over a time, and of which source it was.

For looking at: each interval's share of an edge is floored to a thousandth of a quantum, so sums may
be a quantum off what is posted. What accounts received is counted from the postings themselves.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from calc_stream.core import Account, Postings, Readings, SiteModel
from calc_stream.core.content import Content, together
from calc_stream.core.known import Edge, flows_of_links
from calc_stream.core.loops import solve_loop
from calc_stream.core.outlets import Outlets, Place, outlets
from calc_stream.core.plant import Meter
from calc_stream.core.postings import network_of
from calc_stream.core.registers import flows_between
from calc_stream.core.series import Span
from calc_stream.core.tracing import is_loop, of_store
from calc_stream.core.whole import Rows, Whole, floor_div, mul, whole

_FINER = 1000


@dataclass
class EdgeFlow:
    """`quanta`: as the meter counted, in quanta of its carrier (None without a meter); `content`:
    thousandths of quanta by source, of what a store gave by `store:<name>`."""

    edge: Edge
    quanta: int | None
    content: dict[str, int] = field(default_factory=dict)


def edge_flows(model: SiteModel, readings: Readings, edges: Rows) -> list[EdgeFlow]:
    """Every edge of the model, over the intervals between these edges of time."""
    rows = max(edges.size - 1, 0)
    flows = {m: flow.quanta for m, flow in flows_between(edges, model.meters, readings).items()}
    counted = {meter: int(sum(quanta.tolist())) for meter, quanta in flows.items()}
    found: dict[int, EdgeFlow] = {}  # by the edge's identity: its facts have no hash
    every: tuple[Edge, ...] = (*model.meters, *model.links)
    for edge in every:
        found[id(edge)] = EdgeFlow(edge, counted[edge.id] if isinstance(edge, Meter) else None)
    inbox: dict[str, list[Content]] = {}
    ones = np.ones(rows, dtype=np.int64)
    for meter in model.meters:
        if meter.start in model.sources or meter.start in model.stores:
            source = meter.start if meter.start in model.sources else of_store(meter.start)
            content = Content({source: flows[meter.id]}, ones)
            inbox.setdefault(meter.end, []).append(content)
            found[id(meter)].content = _sums(content)
    network = network_of(model)
    known = flows_of_links(model, network.known, flows, rows)
    for group in network.groups:
        ways = {place.name: outlets(place, flows, known, rows) for place in group}
        entered = {place.name: together(inbox.get(place.name, []), rows) for place in group}
        if is_loop(group):
            entered, ways, _ = solve_loop(group, entered, ways, rows)
        inner = {place.name for place in group}
        for place in group:
            for edge, content in _shared_out(place, entered[place.name], ways[place.name]):
                found[id(edge)].content = _sums(content)
                if edge.end not in inner:
                    inbox.setdefault(edge.end, []).append(content)
    return list(found.values())


def received(pages: Iterable[Postings], span: Span) -> dict[Account, dict[str, int]]:
    """Quanta by account (with its node) and source, of intervals that lie in a time."""
    found: dict[Account, dict[str, int]] = {}
    for page in pages:
        inside = (page.starts >= span[0]) & (page.ends <= span[1])
        for at in np.flatnonzero(inside).tolist():
            named = page.accounts[page.account[at]]
            own = found.setdefault(Account(named.name, named.node), {})
            source = page.sources[page.source[at]]
            own[source] = own.get(source, 0) + int(page.quanta[at])
    return found


def _shared_out(place: Place, content: Content, ways: Outlets) -> Iterable[tuple[Edge, Content]]:
    if not content.parts:
        return
    unit = content.over(ways.whole)
    for edge, out in zip(place.outflows, ways.out, strict=True):
        yield edge, unit.times(out)


def _sums(content: Content) -> dict[str, int]:
    def total(part: Whole) -> int:
        return int(sum(floor_div(mul(part, whole(_FINER)), content.whole).tolist()))

    sums = {source: total(part) for source, part in content.parts.items()}
    return {source: quanta for source, quanta in sums.items() if quanta}
