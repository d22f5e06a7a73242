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
from calc_stream.core.known import known_links
from calc_stream.core.line import Accounts, Bundle, Lines, Numbers, quanta_along
from calc_stream.core.outlets import places_of
from calc_stream.core.periods import Periods
from calc_stream.core.plant import SiteModel
from calc_stream.core.receivers import Nodes, at_tips, gaps_of, receivers
from calc_stream.core.registers import flows_between
from calc_stream.core.series import Readings
from calc_stream.core.stored import Stored, store
from calc_stream.core.stores import Stocks
from calc_stream.core.tracing import Network, trace, upstream_of
from calc_stream.core.whole import (
    LIMIT,
    Flags,
    Rows,
    Whole,
    add,
    column,
    narrow,
    peak,
    sum_of,
    summed,
)

Column = tuple[Rows, Numbers, Numbers, Whole]  # row, account, source, quanta


@dataclass(frozen=True, slots=True)
class Postings:
    """Columns, one entry a posting that is not zero, ordered by interval, account and source.

    `account` and `source` point into `accounts` and `sources`; `gapped` marks energy of accounts
    that may have come through a meter inside a long reading gap. Per source, `inflow`: quanta that
    entered, `opening`: quanta that were in stores when these first appeared. `begun` and `ended`:
    the stocks at either end; `short`: what meters saw leave stores beyond their level, in quanta of
    their carriers.
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

    def split(self, t_ms: int, intervals: int) -> "tuple[Postings, Postings]":
        """What ends at one of its edges or before, in so many intervals, and the rest. Without
        stores: all that entered was posted."""
        at = int(self.starts.searchsorted(t_ms, "left"))
        rest = self.rows(slice(at, None))
        numbers = range(len(self.sources))
        inflow = tuple(sum_of(rest.quanta[rest.source == number]) for number in numbers)
        before = tuple(a - b for a, b in zip(self.inflow, inflow, strict=True))
        return (
            replace(self.rows(slice(at)), inflow=before, intervals=intervals),
            replace(rest, inflow=inflow, intervals=self.intervals - intervals),
        )

    def rows(self, rows: slice | Flags) -> "Postings":
        """Some of the entries; all besides stays as it is."""
        return replace(
            self,
            starts=self.starts[rows],
            ends=self.ends[rows],
            account=self.account[rows],
            source=self.source[rows],
            quanta=self.quanta[rows],
            gapped=self.gapped[rows],
        )


def network_of(model: SiteModel) -> Network:
    """The places of a model in the order in which they are traced."""
    places = places_of(model)
    feeds = {
        name: [edge.end for edge in place.outflows if edge.end in places]
        for name, place in places.items()
    }
    groups = tuple(tuple(places[name] for name in group) for group in components(feeds))
    starts = [meter.start for meter in model.meters]
    entering = {
        source: np.array([at for at, start in enumerate(starts) if start == source], dtype=np.int64)
        for source in (*model.sources, *model.stores)
    }
    return Network(model, groups, known_links(model), entering, upstream_of(model))


def post(
    network: Network, nodes: Nodes, readings: Readings, edges: Rows, stocks: Stocks
) -> Postings:
    """The postings of the intervals between neighbouring edges; `stocks`: at the first of them."""
    model, rows = network.model, edges.size - 1
    begins, ends = edges[:-1], edges[1:]
    flows = flows_between(edges, model.meters, readings, model.max_gap_ms)
    traced = trace(network, flows.quanta, rows)
    bundles, arrived = at_tips(network, traced, nodes, begins)
    accounts = receivers(model, traced.residuals, traced.arrived | arrived, nodes, begins, ends)
    gaps = gaps_of(network, flows.gapped, nodes, begins, ends)
    inflow = {s: summed(flows.quanta.whole[network.entering[s]]) for s in model.sources}
    stored = store(model, stocks, accounts, flows.quanta, inflow, rows)
    sources = tuple(sorted({*inflow, *stored.sources()}))
    for name, contents in stored.accounts.items():
        bundles += [network.lines.alone(name, content) for content in contents]
    names, columns = _columns(network.lines, sources, bundles, stored, rows)
    row, account, source_at, quanta = _joined(columns)
    gapped = np.zeros(row.size, dtype=np.bool_)
    for (name, fed), flags in gaps.items():
        if name in names:
            mine = account == names.index(name)
            if fed is not None:
                mine &= np.isin(source_at, [at for at, s in enumerate(sources) if s in fed])
            gapped[mine] |= flags[row[mine]]
    return Postings(
        begins[row],
        ends[row],
        account.astype(np.int32, copy=False),
        source_at.astype(np.int32, copy=False),
        quanta,
        gapped,
        names,
        sources,
        rows,
        tuple(sum_of(inflow[source]) if source in inflow else 0 for source in sources),
        frozenset(traced.untraced),
        tuple(sum(own.get(source, 0) for own in stored.opening.values()) for source in sources),
        stocks,
        stored.stocks,
        stored.short,
    )


def _columns(
    lines: Lines, sources: tuple[str, ...], bundles: list[Bundle], stored: Stored, rows: int
) -> tuple[Accounts, list[Column]]:
    """The accounts, and each source's postings, with what stores held at first and gave again."""
    more = tuple(sorted({account for account, _ in stored.given} | stored.opening.keys()))
    by_source = [[b for b in bundles if source in b.parts] for source in sources]
    found = [lines.of(mine, more) for mine in by_source]
    names, places = lines.joined(found)
    columns: list[Column] = []
    for at, (source, mine, line) in enumerate(zip(sources, by_source, found, strict=True)):
        steps = quanta_along(line, source, mine, rows)
        for (account, of), back in stored.given.items():
            if of == source:
                steps = steps if back.dtype != object else steps.astype(object)
                row = line.names.index(account)
                steps[row] = add(steps[row], -back)
        hit, who = steps.T.nonzero()
        source_at = np.full(hit.size, at, dtype=np.int32)
        columns.append((hit, places[at][who], source_at, steps[who, hit]))
        columns += _opened(at, source, names, stored)
    return names, columns


def _opened(at: int, source: str, names: Accounts, stored: Stored) -> list[Column]:
    """What stores held of a source when they first appeared, in the first interval."""
    none: Rows = np.zeros(1, dtype=np.int64)
    return [
        (none, none + names.index(name), none + at, column([quanta]))
        for name, own in stored.opening.items()
        if (quanta := own.get(source, 0))
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
