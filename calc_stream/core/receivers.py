"""From what arrived at nodes, exports, stores and residuals to the accounts that receive it."""

from collections.abc import Mapping

import numpy as np

from calc_stream.core.accounts import Account
from calc_stream.core.content import Content, together
from calc_stream.core.plant import SiteModel
from calc_stream.core.registers import Flow
from calc_stream.core.timeline import NodeTimeline, Share
from calc_stream.core.tracing import Traced, of_store
from calc_stream.core.whole import Flags, Rows, mul

Nodes = Mapping[str, NodeTimeline]


def receivers(
    model: SiteModel, traced: Traced, nodes: Nodes, begins: Rows, ends: Rows
) -> dict[Account, list[Content]]:
    """Exact contents by account."""
    rows = begins.size
    first_ms, last_ms = (int(begins[0]), int(begins[-1])) if rows else (0, 0)
    accounts = {
        Account(f"residual:{place}"): [content] for place, content in traced.residuals.items()
    }
    for end, contents in traced.arrived.items():
        if end in model.exports:
            accounts[Account(f"export:{end}")] = contents
            continue
        if end in model.stores:
            accounts[Account(of_store(end))] = contents
            continue
        content = together(contents, rows)
        alone = None if model.nodes[end].overhead else nodes[end].alone(first_ms, last_ms)
        if alone is not None:
            accounts[alone] = [content]
            continue
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


def gaps_of(
    model: SiteModel, flows: Mapping[str, Flow], nodes: Nodes, begins: Rows, ends: Rows
) -> dict[Account, Flags]:
    """Rows in which an account is fed by a meter inside a long reading gap."""
    gaps: dict[Account, Flags] = {}
    for meter in model.meters:
        flags = flows[meter.id].gapped
        if flags is None or not flags.any() or meter.end not in nodes:
            continue
        for share in shares_at(model, nodes, meter.end, begins, ends):
            here = flags & (share.weights != 0)
            gaps[share.account] = gaps.get(share.account, np.zeros_like(flags)) | here
    return gaps
