"""The accounts of a page once its stores have been carried through it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from calc_stream.core.accounts import OPENING, Account
from calc_stream.core.content import Content, together
from calc_stream.core.plant import SiteModel
from calc_stream.core.stores import Flows, Mixes, Quanta, Stocks, carry, opened
from calc_stream.core.tracing import of_store
from calc_stream.core.whole import Rows, Whole, total


@dataclass(frozen=True, slots=True)
class Stored:
    """`accounts`: contents in terms of sources alone; `given`: what stores gave, by account and
    source, row by row; `opening`: what was in stores that appear here; `stocks` at the end; `short`:
    what meters saw leave beyond the level."""

    accounts: Mapping[Account, list[Content]]
    stocks: Stocks
    given: Mapping[tuple[Account, str], Whole] = field(default_factory=dict)
    opening: Mapping[Account, Quanta] = field(default_factory=dict)
    short: Mapping[str, Fraction] = field(default_factory=dict)

    def sources(self) -> set[str]:
        """All that is or was in a store."""
        held = {source for quanta in self.opening.values() for source in quanta}
        return held | {source for _, source in self.given}


def store(
    model: SiteModel,
    stocks: Stocks,
    accounts: Mapping[Account, list[Content]],
    flows: Mapping[str, Whole],
    inflow: Mapping[str, Whole],
    rows: int,
) -> Stored:
    """`accounts`: contents in terms of sources and stores; `flows`: quanta by meter; `inflow`: by
    source."""
    if not model.stores:
        return Stored(accounts, stocks)
    zero: Rows = np.zeros(rows, dtype=np.int64)
    moved = {
        name: Flows(
            total([flows[m.id] for m in model.meters if m.start == name], zero),
            total([flows[m.id] for m in model.meters if m.end == name], zero),
        )
        for name in model.stores
    }
    mine = {name: Account(of_store(name)) for name in model.stores}
    arriving = {
        name: together(accounts[account], rows)
        for name, account in mine.items()
        if account in accounts
    }
    begun, opening = opened(model.stores, stocks)
    carried = carry(model.stores, begun, moved, arriving, inflow, rows)
    mixes = Mixes(moved, carried.given)
    resolved = {
        account: [mixes.resolved(content) for content in contents]
        for account, contents in accounts.items()
    }
    return Stored(
        {account: list[Content]() for account in mine.values()} | resolved,
        carried.stocks,
        {(mine[n], s): quanta for n, own in carried.given.items() for s, quanta in own.items()},
        {Account(of_store(name), state=OPENING): own for name, own in opening.items() if own},
        {name: quanta for name, quanta in carried.short.items() if quanta},
    )
