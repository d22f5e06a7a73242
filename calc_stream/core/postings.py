"""Postings: every source's inflow of an interval, given to accounts in whole quanta.

Cumulative floor over the accounts in byte order: account k gets floor(c_k) - floor(c_{k-1}), where
c is the running sum of exact contents. The last running sum is the inflow itself, with what stores
gave, so every source closes at exact zero in every interval. Accounts are told apart by node and
state, too; that splits an account's own steps of the sum and nobody else's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from calc_stream.core.accounts import Account, Sums
from calc_stream.core.components import components
from calc_stream.core.content import Content, common_whole
from calc_stream.core.known import known_links
from calc_stream.core.outlets import places_of
from calc_stream.core.periods import Periods
from calc_stream.core.plant import SiteModel
from calc_stream.core.receivers import Nodes, gaps_of, receivers
from calc_stream.core.registers import flows_between
from calc_stream.core.series import Readings
from calc_stream.core.stored import Stored, store
from calc_stream.core.stores import Stocks
from calc_stream.core.tracing import Network, trace
from calc_stream.core.whole import (
    LIMIT,
    Flags,
    Rows,
    Whole,
    add,
    column,
    floor_div,
    mul,
    narrow,
    peak,
    running,
    stack,
    total,
)

Column = tuple[Rows, Rows, Rows, Whole]  # row, account, source, quanta


@dataclass(frozen=True, slots=True)
class Postings:
    """Columns, one entry a posting that is not zero, ordered by interval, account and source.

    `account` and `source` point into `accounts` and `sources`; `gapped` marks energy of accounts
    with a meter inside a long reading gap. Per source, `inflow`: quanta that entered, `opening`:
    quanta that were in stores when these first appeared. `begun` and `ended`: the stocks at either
    end; `short`: what meters saw leave stores beyond their level, in quanta of their carriers.
    """

    starts: Rows
    ends: Rows
    account: npt.NDArray[np.int32]
    source: npt.NDArray[np.int32]
    quanta: Whole
    gapped: Flags
    accounts: tuple[Account, ...]
    sources: tuple[str, ...]
    intervals: int
    inflow: tuple[int, ...]
    untraced: frozenset[str]
    opening: tuple[int, ...]
    begun: Stocks = field(default_factory=dict)
    ended: Stocks = field(default_factory=dict)
    short: Mapping[str, Fraction] = field(default_factory=dict)

    def sums(self, periods: Periods) -> Sums:
        """Quanta by account, and by period and source; zeros left out."""
        size, width = len(self.accounts), max(len(self.sources), 1)
        starts = np.full_like(self.starts, periods.versions.reigns[0].from_ms)
        for at, source in enumerate(self.sources) if not periods.single else ():
            mine = self.source == at
            starts[mine] = periods.starts(source, self.starts[mine])
        found = starts[:1] if periods.single else np.unique(starts)
        period = np.searchsorted(found, starts)
        cell = (period * size + self.account) * width + self.source
        result: Whole = np.zeros(found.size * size * width, dtype=np.int64)
        if self.quanta.dtype == object or peak(self.quanta) * max(self.quanta.size, 1) >= LIMIT:
            result = result.astype(object)
        np.add.at(result, cell, self.quanta)
        sums: Sums = {}
        for at in np.flatnonzero(result).tolist():
            row, source_at = divmod(at, width)
            period_at, account = divmod(row, size)
            key = int(found[period_at]), self.sources[source_at]
            sums.setdefault(self.accounts[account], {})[key] = int(result[at])
        return sums

    def split(self, t_ms: int) -> "tuple[Postings, Postings]":
        """What ends at one of its edges or before, and the rest. Of a page without stores; how many
        intervals each has is not known."""
        at = int(self.starts.searchsorted(t_ms, "left"))
        rest = self._rows(slice(at, None))
        inflow = [0] * len(self.sources)  # of the rest: all that entered was posted
        for source, quanta in zip(rest.source.tolist(), rest.quanta.tolist(), strict=True):
            inflow[source] += quanta
        before = tuple(a - b for a, b in zip(self.inflow, inflow, strict=True))
        return (
            replace(self._rows(slice(at)), inflow=before),
            replace(rest, inflow=tuple(inflow)),
        )

    def _rows(self, rows: slice) -> "Postings":
        return replace(
            self,
            starts=self.starts[rows],
            ends=self.ends[rows],
            account=self.account[rows],
            source=self.source[rows],
            quanta=self.quanta[rows],
            gapped=self.gapped[rows],
            intervals=0,
        )

    def negative(self) -> "Postings":
        """What takes it back."""
        inflow, opening = (tuple(-q for q in own) for own in (self.inflow, self.opening))
        return replace(self, quanta=-self.quanta, inflow=inflow, opening=opening)


def network_of(model: SiteModel) -> Network:
    """The places of a model in the order in which they are traced."""
    places = places_of(model)
    feeds = {
        name: [edge.end for edge in place.outflows if edge.end in places]
        for name, place in places.items()
    }
    groups = tuple(tuple(places[name] for name in group) for group in components(feeds))
    return Network(model, groups, known_links(model))


def post(
    network: Network, nodes: Nodes, readings: Readings, edges: Rows, stocks: Stocks
) -> Postings:
    """The postings of the intervals between neighbouring edges; `stocks`: at the first of them."""
    model = network.model
    begins, ends = edges[:-1], edges[1:]
    flows = flows_between(edges, model.meters, readings, model.max_gap_ms)
    quanta_of = {meter: flow.quanta for meter, flow in flows.items()}
    traced = trace(network, quanta_of, begins.size)
    accounts = receivers(model, traced, nodes, begins, ends)
    gaps = gaps_of(model, flows, nodes, begins, ends)
    inflow = {
        source: total([quanta_of[m.id] for m in model.meters if m.start == source], begins)
        for source in model.sources
    }
    stored = store(model, stocks, accounts, quanta_of, inflow, begins.size)
    sources = tuple(sorted({*inflow, *stored.sources()}))
    names = tuple(sorted({*stored.accounts, *stored.opening}))
    columns: list[Column] = []
    for at, source in enumerate(sources):
        contents = [stored.accounts.get(name, []) for name in names]
        given = [stored.given.get((name, source)) for name in names]
        columns += _floors(at, source, contents, given, begins.size)
        columns += _opened(at, source, names, stored)
    row, account, source_at, quanta = _joined(columns)
    used = np.unique(account)
    names, account = tuple(names[at] for at in used.tolist()), np.searchsorted(used, account)
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
        tuple(sum(inflow[source].tolist()) if source in inflow else 0 for source in sources),
        frozenset(traced.untraced),
        tuple(sum(own.get(source, 0) for own in stored.opening.values()) for source in sources),
        stocks,
        stored.stocks,
        stored.short,
    )


def _floors(
    at: int,
    source: str,
    accounts: list[list[Content]],
    given: list[Whole | None],
    rows: int,
) -> list[Column]:
    """One source's postings, an entry an account; `given`: what an account gave away again."""
    divisors = common_whole([c.whole for own in accounts for c in own if source in c.parts], rows)
    factors: dict[int, Whole | None] = {id(divisors): None}
    parts: list[Whole] = []
    ends: list[int] = []  # of each account's own parts
    backs: dict[int, Whole] = {}
    for account, (own, back) in enumerate(zip(accounts, given, strict=True)):
        for content in own:
            part = content.parts.get(source)
            if part is None:
                continue
            if id(content.whole) not in factors:
                factors[id(content.whole)] = floor_div(divisors, content.whole)
            factor = factors[id(content.whole)]
            parts.append(part if factor is None else mul(part, factor))
        ends.append(len(parts))
        if back is not None:
            backs[account] = back
    floors = floor_div(running(stack(parts, rows)), divisors)
    quanta = floors if len(ends) == len(parts) else _at_ends(floors, ends)
    steps = np.diff(quanta, axis=0, prepend=np.zeros((1, rows), dtype=np.int64))
    for account, back in backs.items():
        steps = steps if back.dtype != object else steps.astype(object)
        steps[account] = add(steps[account], -back)
    hit, who = np.nonzero(steps.T)
    return [(hit, who, np.full_like(hit, at), steps[who, hit])]


def _at_ends(floors: Whole, ends: list[int]) -> Whole:
    """What the running floor is where each account's parts end; zero before the first part."""
    zero: Whole = np.zeros((1, floors.shape[1]), dtype=np.int64)
    return np.concatenate([zero, floors])[ends]


def _opened(at: int, source: str, names: tuple[Account, ...], stored: Stored) -> list[Column]:
    """What stores held of a source when they first appeared, in the first interval."""
    return [
        (np.zeros(1, dtype=np.int64), np.array([account]), np.array([at]), column([quanta]))
        for account, name in enumerate(names)
        if (quanta := stored.opening.get(name, {}).get(source, 0))
    ]


def _joined(columns: list[Column]) -> Column:
    """By interval, account and source."""
    columns = [column for column in columns if column[0].size]
    if len(columns) == 1:  # in this order already
        return (*columns[0][:3], narrow(columns[0][3]))
    if not columns:
        empty: Rows = np.empty(0, dtype=np.int64)
        return empty, empty, empty, empty
    row, account, source, quanta = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    order = np.lexsort((source, account, row))
    return row[order], account[order], source[order], narrow(quanta[order])
