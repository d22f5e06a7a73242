"""From what arrived at nodes, exports, stores and residuals to the accounts that receive it."""

from collections.abc import Iterator, Mapping

import numpy as np

from calc_stream.core.accounts import Account
from calc_stream.core.content import Content, together
from calc_stream.core.line import Bundle
from calc_stream.core.outlets import Place
from calc_stream.core.plant import SiteModel
from calc_stream.core.timeline import Ends, NodeTimeline, Share
from calc_stream.core.tracing import Network, Traced, of_store
from calc_stream.core.whole import LIMIT, Flags, Rows, mul

Nodes = Mapping[str, NodeTimeline]
# By account, and the sources that may come through the meters; None: any, out of a store.
Gaps = dict[tuple[Account, frozenset[str] | None], Flags]
_AT_ONCE = 1024  # rows


def at_tips(
    network: Network, traced: Traced, nodes: Nodes, begins: Rows
) -> tuple[list[Bundle], dict[str, list[Content]]]:
    """What arrived at tips where one account gets it all, and what arrived at the other ones."""
    bundles: list[Bundle] = []
    arrived: dict[str, list[Content]] = {}
    for place, parts, whole in traced.fans:
        ends = _ends(network, place, nodes, int(begins[0]), int(begins[-1]))
        mine = parts if ends.at is None else {s: part[ends.at] for s, part in parts.items()}
        if ends.accounts:
            bundles.append(Bundle(ends.accounts, mine, whole))
        for at in ends.others:
            content = Content({source: part[at] for source, part in parts.items()}, whole)
            arrived[place.tips[at]] = [content]
    return bundles, arrived


def _ends(network: Network, place: Place, nodes: Nodes, first_ms: int, last_ms: int) -> Ends:
    """As they were last, while that holds."""
    known = network.ends.get(place.name)
    if known is not None and known.holds(nodes, first_ms, last_ms):
        return known
    model, from_ms, until_ms = network.model, -LIMIT, LIMIT
    found: dict[int, Account] = {}
    for at, end in enumerate(place.tips):
        if end in model.exports:
            found[at] = Account(f"export:{end}")
        elif model.nodes[end].overhead:
            found[at] = Account(f"pool:{end}", end)
        else:
            account, since, until = nodes[end].alone(first_ms, last_ms)
            from_ms, until_ms = max(from_ms, since), min(until_ms, until)
            if account is not None:
                found[at] = account
    others = tuple(at for at in range(len(place.tips)) if at not in found)
    mine = np.array(list(found), dtype=np.int64) if others else None
    ends = Ends(nodes, from_ms, until_ms, tuple(found.values()), mine, others)
    network.ends[place.name] = ends
    return ends


def receivers(
    model: SiteModel,
    residuals: Mapping[str, Content],
    arrived: Mapping[str, list[Content]],
    nodes: Nodes,
    begins: Rows,
    ends: Rows,
) -> dict[Account, list[Content]]:
    """Exact contents by account, of what arrived and what places kept."""
    accounts = {Account(f"residual:{place}"): [content] for place, content in residuals.items()}
    for end, contents in arrived.items():
        if end in model.exports:
            accounts[Account(f"export:{end}")] = contents
            continue
        if end in model.stores:
            accounts[Account(of_store(end))] = contents
            continue
        content = together(contents, begins.size)
        shares = shares_at(model, nodes, end, begins, ends)
        for share in shares:
            part = content
            if len(shares) > 1:
                ones = bool((share.whole == 1).all())
                part = content.times(share.weights)
                part = part if ones else Content(part.parts, mul(part.whole, share.whole))
            accounts.setdefault(share.account, []).append(part)
    return accounts


def shares_at(model: SiteModel, nodes: Nodes, node: str, begins: Rows, ends: Rows) -> list[Share]:
    """Who gets what arrives at a node; all of it is the pool's where the node is overhead."""
    if model.nodes[node].overhead:
        ones = np.ones(begins.size, dtype=np.int64)
        return [Share(Account(f"pool:{node}", node), ones, ones)]
    return nodes[node].shares(begins, ends)


def shares_along(
    model: SiteModel, nodes: Nodes, node: str, edges: Rows
) -> Iterator[tuple[slice, list[Share]]]:
    """The same between neighbouring edges, some rows at a time: of thousands of batches that ran one
    after the other a few get something in them, and all of them in all rows would be too much."""
    for first in range(0, edges.size - 1, _AT_ONCE):
        part = edges[first : first + _AT_ONCE + 1]
        its = shares_at(model, nodes, node, part[:-1], part[1:])
        yield slice(first, first + part.size - 1), its


def gaps_of(network: Network, gapped: Flags | None, nodes: Nodes, begins: Rows, ends: Rows) -> Gaps:
    """Rows in which an account is fed by a meter inside a long reading gap. `gapped`: a row a meter."""
    model = network.model
    gaps: Gaps = {}
    if gapped is None:
        return gaps
    for at in np.flatnonzero(gapped.any(axis=1)).tolist():
        flags, meter = gapped[at], model.meters[at]
        if meter.end not in model.nodes:
            continue
        sources = network.upstream[meter.start]
        for share in shares_at(model, nodes, meter.end, begins, ends):
            here, key = flags & (share.weights != 0), (share.account, sources)
            gaps[key] = gaps.get(key, np.zeros_like(flags)) | here
    return gaps
