"""Pure: a site's greenhouse gas inventory of a time, counted twice.

Once from what the meters of the sources counted, once from what every account received of it. Both
are weighed by the same factors, exactly; their difference is zero, or something is wrong.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import msgspec
import numpy as np

from calc_stream.core import Periods, Versions
from calc_stream.core.accounts import OPENING, Cell, Sums
from calc_stream.core.batches import batches_of
from calc_stream.core.decimals import fixed, significant
from calc_stream.core.events import in_force
from calc_stream.core.registers import flows_between
from calc_stream.core.series import Span
from calc_stream.evidence.case import Case, posted_within
from calc_stream.factors import Method, Rates, by_source
from wire.errors import ConfigError
from wire.units import convert, kind

Group = Literal["batches", "campaigns", "pools", "exports", "residuals", "stores"]
_GROUPS: dict[str, Group] = {
    "batch": "batches",
    "campaign": "campaigns",
    "pool": "pools",
    "export": "exports",
    "residual": "residuals",
    "store": "stores",
}
_COLUMNS = ("direct", "scope_2_location", "scope_2_market")


class Scopes(msgspec.Struct, frozen=True):
    """kg; None where a source that gave energy has no factor. `scope_1`: burnt on the site;
    scope 2: bought, by the place and by contract."""

    scope_1: str | None
    scope_2_location: str | None
    scope_2_market: str | None


class Bought(msgspec.Struct, frozen=True):
    """What a source's own meters counted, in its unit, and by which factors it was weighed."""

    source: str
    carrier: str
    unit: str
    amount: str
    kg: Scopes
    factors: tuple[str, ...]


class Use(msgspec.Struct, frozen=True):
    """What an account received; a store's is what it holds more than before. `product`: a batch's."""

    group: Group
    account: str
    product: str | None
    kwh: str
    kg: Scopes


class Inventory(msgspec.Struct, frozen=True):
    """`until_ms`: computed up to there, `to_ms` once the time is over. `total`: of
    all sources; `difference`: `total` less all uses, in kg and in quanta of each source. `exported`: part of `total` that
    went out with energy; standards that take it off state `net`. `incomplete`: meters that were not
    read over all of the time."""

    site: str
    period: str
    from_ms: int
    to_ms: int
    until_ms: int
    method: str
    standard: str
    gwp: str
    factor_set: str
    sources: tuple[Bought, ...]
    uses: tuple[Use, ...]
    total: Scopes
    exported: Scopes
    net: Scopes
    difference: Scopes
    difference_quanta: dict[str, int]
    unknown_sources: tuple[str, ...]
    incomplete: tuple[str, ...]


@dataclass(frozen=True)
class _Sum:
    """Exact kg by column; `unknown`: sources without a factor."""

    columns: Mapping[str, Fraction]
    unknown: frozenset[str]

    def less(self, other: "_Sum") -> "_Sum":
        columns = {name: self.of(name) - other.of(name) for name in _COLUMNS}
        return _Sum(columns, self.unknown | other.unknown)

    def of(self, column: str) -> Fraction:
        return self.columns.get(column, Fraction(0))

    def texts(self, method: Method) -> Scopes:
        if self.unknown:
            return Scopes(None, None, None)
        return Scopes(*(method.rounded(self.of(name)) for name in _COLUMNS))


def inventory(case: Case, period: str, span: Span) -> Inventory:
    """Of the time from span[0] up to span[1], pools as they stand before they are spread.

    Raises ConfigError for a method of products, and BadData for events that contradict each other.
    """
    method, factors = case.method, case.factors
    if method.factor_kind != "inventory":
        raise ConfigError(f"inventory: --method: {method.id} is for products; take ghg_inventory")
    from_ms, to_ms = span
    until_ms = max(from_ms, case.until(to_ms))
    part = posted_within(case, span)
    rates, accounts = part.rates, _by_account(part.sums)
    counted = _counted(case, Periods(case.versions, part.marks), (from_ms, until_ms))
    total = _sum(rates, [counted])
    exported = _sum(rates, [own for name, own in accounts.items() if _group(name) == "exports"])
    given = _sum(rates, accounts.values())
    products = {n: b.product for n, b in batches_of(in_force(case.events)[0])[0].items()}
    named = {f"batch:{name}": product for name, product in products.items()}
    return Inventory(
        site=case.versions.site,
        period=period,
        from_ms=from_ms,
        to_ms=to_ms,
        until_ms=until_ms,
        method=method.id,
        standard=method.standard,
        gwp=method.gwp,
        factor_set=factors.hash,
        sources=tuple(_bought(case, rates, source, counted) for source in _named(counted)),
        uses=tuple(
            Use(
                _group(name),
                name,
                named.get(name),
                significant(_kwh(case.versions, own), 12),
                _sum(rates, [own]).texts(method),
            )
            for name, own in sorted(accounts.items())
        ),
        total=total.texts(method),
        exported=exported.texts(method),
        net=total.less(exported).texts(method),
        difference=total.less(given).texts(method),
        difference_quanta=_differences(counted, accounts.values()),
        unknown_sources=tuple(sorted(total.unknown | given.unknown)),
        incomplete=tuple(sorted(set(_unread(case, (from_ms, until_ms))))),
    )


def _counted(case: Case, periods: Periods, span: Span) -> dict[Cell, int]:
    """Quanta by the meters of each source, by period: registers at the edges of periods, nothing
    of the way in between."""
    found: dict[Cell, int] = {}
    for reign, part in case.versions.within(span):
        for source in reign.model.sources:
            meters = [meter for meter in reign.model.meters if meter.start == source]
            reaches = [r for m in meters if (r := case.readings.reach(m.id)) is not None]
            ends = [t for reach in reaches for t in reach if part[0] <= t <= part[1]]
            edges = np.unique(np.concatenate([periods.cuts(reign, part), [*part, *ends]]))
            edges = edges.astype(np.int64)
            starts = periods.starts(source, edges[:-1]).tolist()
            for flow in flows_between(edges, meters, case.readings).values():
                for period, quanta in zip(starts, flow.quanta.tolist(), strict=True):
                    found[period, source] = found.get((period, source), 0) + int(quanta)
    return {cell: quanta for cell, quanta in found.items() if quanta}


def _by_account(sums: Sums) -> dict[str, dict[Cell, int]]:
    """By name; without what stores held when they first appeared, which came from no meter."""
    found: dict[str, dict[Cell, int]] = {}
    for account, cells in sums.items():
        own = found.setdefault(account.name, {})
        for cell, quanta in cells.items() if account.state != OPENING else ():
            own[cell] = own.get(cell, 0) + quanta
    return found


def _group(account: str) -> Group:
    return _GROUPS[account.partition(":")[0]]


def _sum(rates: Rates, parts: Iterable[Mapping[Cell, int]]) -> _Sum:
    columns: dict[str, Fraction] = {}
    unknown: set[str] = set()
    for cells in parts:
        mass = rates.mass(by_source(cells))
        unknown |= set(mass.unknown)
        for column, kg in mass.columns.items():
            columns[column] = columns.get(column, Fraction(0)) + kg
    return _Sum(columns, frozenset(unknown))


def _bought(case: Case, rates: Rates, source: str, counted: Mapping[Cell, int]) -> Bought:
    own = {cell: quanta for cell, quanta in counted.items() if cell[1] == source}
    carrier = case.versions.carrier_of(source)
    amount = fixed(sum(own.values()), carrier.quanta_per_unit, carrier.digits)
    rows = tuple(sorted(rates.mass(by_source(own)).rows))
    kg = _sum(rates, [own]).texts(case.method)
    return Bought(source, carrier.name, carrier.unit, amount, kg, rows)


def _kwh(versions: Versions, cells: Mapping[Cell, int]) -> Fraction:
    """Carriers that are no energy by the heating value the model tells, else nothing."""
    kwh = Fraction(0)
    for (_, source), quanta in cells.items():
        carrier = versions.carrier_of(source)
        is_energy = kind(carrier.unit) == "energy"
        per_unit = convert(carrier.unit, "kWh") if is_energy else carrier.kwh_per_unit
        kwh += per_unit * quanta / carrier.quanta_per_unit
    return kwh


def _differences(
    counted: Mapping[Cell, int], given: Iterable[Mapping[Cell, int]]
) -> dict[str, int]:
    """What was counted less what was given, in quanta by source."""
    rest = dict.fromkeys(_named(counted), 0)
    for sign, parts in ((1, [counted]), (-1, given)):
        for cells in parts:
            for (_, source), quanta in cells.items():
                rest[source] = rest.get(source, 0) + sign * quanta
    return dict(sorted(rest.items()))


def _named(cells: Mapping[Cell, int]) -> list[str]:
    return sorted({source for _, source in cells})


def _unread(case: Case, span: Span) -> Iterator[str]:
    """Meters of sources that were not read over all of the time."""
    for reign, (first, last) in case.versions.within(span):
        for meter in reign.model.meters:
            reach = case.readings.reach(meter.id)
            is_read = reach is not None and reach[0] <= first and last <= reach[1]
            if meter.start in reign.model.sources and first < last and not is_read:
                yield meter.id
