"""Stores: what is in a battery or a tank, carried from interval to interval.

What a store gives in an interval has the mix of its stock at the interval's start, and what enters
joins the stock at the interval's end; so nothing has to be solved inside an interval. Of what is put
in, `efficiency` can be taken out again: losses make the level smaller, never the content, so they
are carried by what the store gives.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from math import floor

import numpy as np

from calc_stream.core.content import Content
from calc_stream.core.plant import Store
from calc_stream.core.whole import Whole, add, column, mul, whole

Quanta = dict[str, int]  # by source


@dataclass(frozen=True, slots=True)
class Stock:
    """`level`: what can be taken out, in quanta of the carrier; `content`: quanta by source, without
    zeros, in byte order."""

    level: Fraction = Fraction(0)
    content: tuple[tuple[str, int], ...] = ()


Stocks = Mapping[str, Stock]


@dataclass(frozen=True, slots=True)
class Flows:
    """What meters say of one store, row by row: taken out and put in, in quanta of its carrier."""

    out: Whole
    into: Whole


@dataclass(frozen=True, slots=True)
class Carried:
    """`given`: quanta by store and source that left each store, row by row; `short`: what meters saw
    leaving beyond the level."""

    given: dict[str, dict[str, Whole]]
    stocks: dict[str, Stock]
    short: dict[str, Fraction]


def opened(
    stores: Mapping[str, Store], stocks: Stocks
) -> tuple[dict[str, Stock], dict[str, Quanta]]:
    """The stocks with those of stores that appear now, and what is in these, by source."""
    fresh = {name: store for name, store in stores.items() if name not in stocks}
    begun = dict(stocks)
    for name, store in fresh.items():
        begun[name] = Stock(Fraction(store.level), _content(dict(store.content)))
    return begun, {name: dict(begun[name].content) for name in fresh}


def carry(
    stores: Mapping[str, Store],
    stocks: Stocks,
    flows: Mapping[str, Flows],
    arriving: Mapping[str, Content],
    inflow: Mapping[str, Whole],
    rows: int,
) -> Carried:
    """From the stocks at the first row's start to those after the last one.

    `arriving`: content put into each store, in terms of sources and stores; `inflow`: quanta that
    enter the site by source. Of a source, what goes into stores is what the accounts before them
    leave (`postings`).
    """
    now = dict(stocks)
    names = sorted(stores)
    given: dict[str, list[Quanta]] = {name: [] for name in names}
    short = dict.fromkeys(names, Fraction(0))
    for row in range(rows):
        out = {name: int(flows[name].out[row]) for name in names}
        taken = {name: _taken(now[name], out[name]) for name in names}
        put = _put(names, taken, out, arriving, {s: int(q[row]) for s, q in inflow.items()}, row)
        for name in names:
            stock, given_now = now[name], taken[name]
            left = max(stock.level - out[name], Fraction(0))
            short[name] += max(out[name] - stock.level, Fraction(0))
            content = dict(stock.content)
            for source in {*content, *put[name]}:
                change = put[name].get(source, 0) - given_now.get(source, 0)
                content[source] = content.get(source, 0) + change
            gained = int(flows[name].into[row]) * stores[name].efficiency
            now[name] = Stock(left + gained, _content(content))
            given[name].append(given_now)
    columns = {
        name: {s: column([q.get(s, 0) for q in own]) for s in sorted({s for q in own for s in q})}
        for name, own in given.items()
    }
    return Carried(columns, now, short)


class Mixes:
    """What the stores give, row by row, as content of sources: puts it in the place of the stores."""

    def __init__(
        self, flows: Mapping[str, Flows], given: Mapping[str, Mapping[str, Whole]]
    ) -> None:
        self._of = {}
        for name, parts in given.items():
            out = flows[name].out
            mix = Content(dict(parts), np.where(out == 0, whole(1), out))
            self._of[f"store:{name}"] = mix.over(np.ones(out.size, dtype=np.int64))
        self._wholes: dict[tuple[int, tuple[str, ...]], Whole] = {}
        self._kept: list[Whole] = []  # so that no id is used twice

    def resolved(self, content: Content) -> Content:
        """The content in terms of sources alone."""
        stores = tuple(sorted(self._of.keys() & content.parts.keys()))
        if not stores:
            return content
        parts = {s: part for s, part in content.parts.items() if s not in stores}
        for at, store in enumerate(stores):
            mix = self._of[store]
            others = [mul(content.parts[s], mix.whole) for s in stores[at + 1 :]]
            parts = {source: mul(part, mix.whole) for source, part in parts.items()}
            for source, part in mix.parts.items():
                given = mul(content.parts[store], part)
                parts[source] = add(parts[source], given) if source in parts else given
            content = Content(
                content.parts | dict(zip(stores[at + 1 :], others, strict=True)), content.whole
            )
        return Content(parts, self._whole(content.whole, stores))

    def _whole(self, divisors: Whole, stores: tuple[str, ...]) -> Whole:
        """The very same column for contents that had the same one."""
        key = id(divisors), stores
        if key not in self._wholes:
            self._kept.append(divisors)
            product = divisors
            for store in stores:
                product = mul(product, self._of[store].whole)
            self._wholes[key] = product
        return self._wholes[key]


def _taken(stock: Stock, out: int) -> Quanta:
    """Everything when the level, or more, is taken; else the part of it, floored per source: of nothing
    there is none, also where a meter runs back."""
    if not out or (out < 0 and not stock.level):
        return {}
    if out >= stock.level:
        return dict(stock.content)
    return {source: floor(quanta * out / stock.level) for source, quanta in stock.content}


def _put(
    names: list[str],
    taken: Mapping[str, Quanta],
    out: Mapping[str, int],
    arriving: Mapping[str, Content],
    inflow: Quanta,
    row: int,
) -> dict[str, Quanta]:
    """What enters each store of each source: the last steps of the cumulative floor."""
    put: dict[str, Quanta] = {name: {} for name in names}
    for source in sorted({*inflow, *(s for own in taken.values() for s in own)}):
        whole = inflow.get(source, 0) + sum(own.get(source, 0) for own in taken.values())
        parts = [_exact(arriving.get(name), source, taken, out, row) for name in names]
        marks = [floor(c) for c in accumulate(parts, initial=whole - sum(parts, Fraction(0)))]
        for name, before, after in zip(names, marks, marks[1:], strict=False):
            put[name][source] = after - before
    return put


def _exact(
    content: Content | None,
    source: str,
    taken: Mapping[str, Quanta],
    out: Mapping[str, int],
    row: int,
) -> Fraction:
    """Quanta of a source in a content whose stores are told by what they give."""
    if content is None:
        return Fraction(0)
    quanta = Fraction(int(content.parts[source][row]) if source in content.parts else 0)
    for name, own in taken.items():
        part = content.parts.get(f"store:{name}")
        if part is not None and source in own:
            quanta += int(part[row]) * Fraction(own[source], out[name])
    return quanta / int(content.whole[row])


def _content(quanta: Quanta) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((source, amount) for source, amount in quanta.items() if amount))
