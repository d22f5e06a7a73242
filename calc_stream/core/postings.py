"""Postings: every source's inflow of an interval, given to accounts in whole quanta.

Cumulative floor over the accounts in byte order: account k gets floor(c_k) - floor(c_{k-1}), where
c is the running sum of exact contents. The last running sum is the inflow itself, so every source
closes at exact zero in every interval.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calc_stream.core.components import components
from calc_stream.core.content import Content, common_whole, together
from calc_stream.core.outlets import places_of
from calc_stream.core.plant import SiteModel
from calc_stream.core.registers import Flow, flow_between
from calc_stream.core.series import Readings
from calc_stream.core.timeline import NodeTimeline
from calc_stream.core.tracing import Network, Traced, trace
from calc_stream.core.whole import LIMIT, Flags, Rows, Whole, add, floor_div, mul, narrow, peak


@dataclass(frozen=True, slots=True)
class Postings:
    """Columns, one entry a posting that is not zero, ordered by interval, account and source.

    `account` and `source` point into `accounts` and `sources`; `gapped` marks energy of accounts
    with a meter inside a long reading gap. `inflow`: quanta that entered, per source.
    """

    starts: Rows
    ends: Rows
    account: npt.NDArray[np.int32]
    source: npt.NDArray[np.int32]
    quanta: Whole
    gapped: Flags
    accounts: tuple[str, ...]
    sources: tuple[str, ...]
    intervals: int
    inflow: tuple[int, ...]
    untraced: frozenset[str]

    def totals(self) -> dict[str, list[int]]:
        """Quanta per account, one number a source."""
        sums = {name: [0] * len(self.sources) for name in self.accounts}
        width = max(len(self.sources), 1)
        cell = self.account.astype(np.int64) * width + self.source
        size = len(self.accounts) * width
        result: Whole = np.zeros(size, dtype=np.int64)
        if self.quanta.dtype == object or peak(self.quanta) * max(self.quanta.size, 1) >= LIMIT:
            result = result.astype(object)
        np.add.at(result, cell, self.quanta)
        for at in np.flatnonzero(result).tolist():
            sums[self.accounts[at // width]][at % width] = int(result[at])
        return sums


def network_of(model: SiteModel) -> Network:
    """The places of a model in the order in which they are traced."""
    places = places_of(model)
    feeds = {
        name: [edge.end for edge in place.outflows if edge.end in places]
        for name, place in places.items()
    }
    groups = tuple(tuple(places[name] for name in group) for group in components(feeds))
    return Network(model, groups)


def post(
    network: Network, nodes: dict[str, NodeTimeline], readings: Readings, edges: Rows
) -> Postings:
    """The postings of the intervals between neighbouring edges."""
    model = network.model
    begins, ends = edges[:-1], edges[1:]
    flows = {
        meter.id: flow_between(edges, readings.totals(meter.id), meter.scale, model.max_gap_ms)
        for meter in model.meters
    }
    traced = trace(network, {meter: flow.quanta for meter, flow in flows.items()}, begins.size)
    accounts = _to_accounts(model, traced, nodes, begins, ends)
    gaps = _gaps(model, flows, nodes, begins, ends)
    sources = tuple(model.sources)
    inflows = [
        [flows[meter.id].quanta for meter in model.meters if meter.start == source]
        for source in sources
    ]
    columns: list[tuple[Rows, Rows, Rows, Whole]] = []
    names = tuple(sorted(accounts))
    for at, source in enumerate(sources):
        columns += _floors(at, source, [accounts[name] for name in names], begins.size)
    row, account, source_at, quanta = _joined(columns)
    order = np.lexsort((source_at, account, row))
    row, account, source_at, quanta = row[order], account[order], source_at[order], quanta[order]
    gapped = np.zeros(row.size, dtype=np.bool_)
    for at, name in enumerate(names):
        if name in gaps:
            mine = account == at
            gapped[mine] = gaps[name][row[mine]]
    return Postings(
        begins[row],
        ends[row],
        account.astype(np.int32),
        source_at.astype(np.int32),
        quanta,
        gapped,
        names,
        sources,
        int(begins.size),
        tuple(sum(sum(quanta.tolist()) for quanta in columns) for columns in inflows),
        frozenset(traced.untraced),
    )


def _to_accounts(
    model: SiteModel, traced: Traced, nodes: dict[str, NodeTimeline], begins: Rows, ends: Rows
) -> dict[str, list[Content]]:
    """Exact contents by account."""
    rows = begins.size
    accounts = {f"residual:{place}": [content] for place, content in traced.residuals.items()}
    for end, contents in traced.arrived.items():
        if end in model.exports:
            accounts[f"export:{end}"] = contents
            continue
        content = together(contents, rows)
        for share in nodes[end].shares(begins, ends, model.policy):
            part = content
            if not ((share.weights == 1).all() and (share.whole == 1).all()):
                parted = content.times(share.weights)
                ones = bool((share.whole == 1).all())
                part = parted if ones else Content(parted.parts, mul(parted.whole, share.whole))
            accounts.setdefault(share.account, []).append(part)
    return accounts


def _floors(
    at: int, source: str, accounts: list[list[Content]], rows: int
) -> list[tuple[Rows, Rows, Rows, Whole]]:
    """One source's postings: (row, account, source, quanta) columns, an entry an account."""
    divisors = common_whole([c.whole for own in accounts for c in own if source in c.parts], rows)
    factors: dict[int, Whole | None] = {id(divisors): None}
    running: Whole = np.zeros(rows, dtype=np.int64)
    floor: Whole = running
    columns = []
    for account, own in enumerate(accounts):
        mine = [content for content in own if source in content.parts]
        if not mine:
            continue
        for content in mine:
            if id(content.whole) not in factors:
                factors[id(content.whole)] = floor_div(divisors, content.whole)
            factor = factors[id(content.whole)]
            part = content.parts[source]
            running = add(running, part if factor is None else mul(part, factor))
        reached = floor_div(running, divisors)
        quanta = add(reached, -floor)
        floor = reached
        hit = np.flatnonzero(quanta)
        columns.append((hit, np.full_like(hit, account), np.full_like(hit, at), quanta[hit]))
    return columns


def _joined(
    columns: list[tuple[Rows, Rows, Rows, Whole]],
) -> tuple[Rows, Rows, Rows, Whole]:
    if not columns:
        empty: Rows = np.empty(0, dtype=np.int64)
        return empty, empty, empty, empty
    row, account, source, quanta = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    return row, account, source, narrow(quanta)


def _gaps(
    model: SiteModel,
    flows: dict[str, Flow],
    nodes: dict[str, NodeTimeline],
    begins: Rows,
    ends: Rows,
) -> dict[str, Flags]:
    """Rows in which an account is fed by a meter inside a long reading gap."""
    gaps: dict[str, Flags] = {}
    for meter in model.meters:
        flags = flows[meter.id].gapped
        if flags is None or not flags.any() or meter.end not in nodes:
            continue
        for share in nodes[meter.end].shares(begins, ends, model.policy):
            here = flags & (share.weights != 0)
            gaps[share.account] = gaps.get(share.account, np.zeros_like(flags)) | here
    return gaps
