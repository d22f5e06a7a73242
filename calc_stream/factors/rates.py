"""Pure: what a source's energy weighs, period by period, in columns. The last step; exact.

Columns: `direct` (scope 1), `upstream`, `td`, and for bought energy by the place it is used at
`life_cycle` or `scope_2_location`, by contract `life_cycle_market` or `scope_2_market`. A total counts
one of the two, as the method says. Without contracts they are the same, and products show only one.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from calc_stream.core.accounts import OPENING, Cell, Sums
from calc_stream.core.decimals import instant
from calc_stream.core.plant import SiteModel
from calc_stream.core.versions import Versions
from calc_stream.factors.contracts import Contracts
from calc_stream.factors.factor_set import FactorSet
from calc_stream.factors.instruments import Instrument, covered
from calc_stream.factors.method import Method
from calc_stream.factors.row import Row
from wire.units import UnitError, convert, kind

Quanta = Mapping[str, Mapping[int, int | Fraction]]  # by source and begin of a period, ms
_BY_PLACE: dict[str, str] = {"life_cycle": "life_cycle", "generation": "scope_2_location"}
_BY_CONTRACT: dict[str, str] = {"life_cycle": "life_cycle_market", "generation": "scope_2_market"}


class Rate(NamedTuple):
    """kg into a column for one unit of the source's carrier; the row it stands on."""

    column: str
    kg: Fraction
    row: Row


@dataclass
class Mass:
    """kg by column. `counted`: what the total counts, by row; `unknown`: sources without a factor."""

    columns: dict[str, Fraction] = field(default_factory=dict)
    counted: dict[str, Fraction] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)

    @property
    def total(self) -> Fraction | None:
        """None when a source that gave energy has no factor: nothing is guessed."""
        return None if self.unknown else sum(self.counted.values(), Fraction(0))


def doubts(model: SiteModel, factors: FactorSet, method: Method) -> Iterator[tuple[str, str]]:
    """(key of the model or of a contract, what of it stays unknown by this method or counts otherwise
    than somebody may think)."""
    for name, source in model.sources.items():
        key = f"sources.{name}.factor"
        if source.factor is None:
            yield key, "is missing: the source's kg CO2e stay unknown"
            continue
        rows = [row for row in factors.named(source.factor) if isinstance(row, method.kind)]
        unit = model.carrier_of(name).unit
        if not rows:
            yield key, f"{source.factor} is no {method.factor_kind} factor, as {method.id} wants"
        elif any(kind(row.per) != kind(unit) for row in rows):
            yield key, f"{source.factor} has rows per another kind of unit than {unit}"
    for one in factors.instruments:
        key = f"instruments.{one.id}"
        if one.source not in model.sources:
            yield f"{key}.source", f"there is no source {one.source!a} in the model"
        elif kind(one.unit) != kind(model.carrier_of(one.source).unit):
            yield f"{key}.unit", f"{one.unit} is no unit of what {one.source} gives"
        elif not any(isinstance(row, method.kind) for row in factors.named(one.factor)):
            problem = f"{one.factor} is no {method.factor_kind} factor, as {method.id} wants"
            yield f"{key}.factor", f"{problem}: what it covers stays unknown"
    moving = sorted(name for name in model.sources if _by_hour(model, name, factors, method))
    for store in model.stores if moving else ():
        problem = f"what it gives of {', '.join(moving)} weighs as in the hour in which it is given"
        yield f"stores.{store}", f"{problem}, not as when it was put in"


def _by_hour(model: SiteModel, source: str, factors: FactorSet, method: Method) -> bool:
    """Whether what a source gives may weigh otherwise from one hour to the next."""
    its = (one for one in factors.instruments if one.source == source)
    if any(one.type != "residual_mix" and one.match == "hour" for one in its):
        return True
    rows = factors.named(model.sources[source].factor or "")
    return any(row.hours and isinstance(row, method.kind) for row in rows)


def counted(columns: Iterable[str], method: Method) -> list[str]:
    """Of the columns of a result those its total is the sum of."""
    found = sorted(columns)
    if not any(column in _BY_CONTRACT.values() for column in found):
        return found
    other = _BY_PLACE if method.electricity == "market" else _BY_CONTRACT
    return [column for column in found if column not in other.values()]


def columns_of(stage: str) -> tuple[str, ...]:
    """The columns a row of this stage may count in."""
    return tuple(dict.fromkeys((_BY_PLACE.get(stage, stage), _BY_CONTRACT.get(stage, stage))))


def by_source(cells: Mapping[Cell, int | Fraction]) -> dict[str, dict[int, int | Fraction]]:
    """Quanta by period and source, the other way round."""
    found: dict[str, dict[int, int | Fraction]] = {}
    for (period, source), quanta in cells.items():
        found.setdefault(source, {})[period] = quanta
    return found


def given_of(sums: Sums) -> dict[str, dict[int, int | Fraction]]:
    """What each source gave the site by period: all accounts together, but what stores held at
    first."""
    found: dict[Cell, int] = {}
    for account, cells in sums.items():
        for key, quanta in cells.items() if account.state != OPENING else ():
            found[key] = found.get(key, 0) + quanta
    return by_source(found)


class Rates:
    """By source and time. `given`: quanta each source gave the site, by period, for contracts."""

    def __init__(
        self,
        site: SiteModel | Versions,
        factors: FactorSet,
        method: Method,
        given: Quanta | None = None,
    ) -> None:
        self._versions = Versions.of(site)
        self._factors, self._method = factors, method
        self.contracts = Contracts(factors.instruments)
        self._both = bool(factors.instruments) or method.factor_kind == "inventory"
        self._left_out = _BY_PLACE if method.electricity == "market" else _BY_CONTRACT
        self._known: dict[tuple[str, int], tuple[Rate, ...] | None] = {}
        self._covered = {source: self._cover(source, own) for source, own in (given or {}).items()}

    def covered(self, given: Quanta) -> "Rates":
        """The same with what contracts cover of this."""
        return Rates(self._versions, self._factors, self._method, given)

    def of(self, source: str, t_ms: int) -> tuple[Rate, ...] | None:
        """None when the model names no factor, or none of the method's kind is known then."""
        if (source, t_ms) not in self._known:
            self._known[source, t_ms] = self._of(source, t_ms)
        return self._known[source, t_ms]

    def lack(self, source: str, t_ms: int) -> tuple[str, str]:
        """(key of the model or of a contract, why what the source gave at an instant has no mass)."""
        its = {f"instruments.{o.id}" for o in self._factors.instruments if o.source == source}
        its.add(f"sources.{source}")
        model = self._versions.having(source, t_ms) or self._versions.at(t_ms)
        for key, problem in doubts(model, self._factors, self._method):
            if key.rpartition(".")[0] in its:
                return key, problem
        name = self._named(source, t_ms)
        problem = f"of {{}} no {self._method.factor_kind} factor holds at {instant(t_ms)}"
        if self._rows(source, name, t_ms) is not None:
            for one in self._factors.instruments:
                holds = one.source == source and one.window(t_ms) is not None
                if holds and not self._rows(source, one.factor, t_ms):
                    problem = problem.format(one.factor)
                    return f"instruments.{one.id}.factor", f"{problem}, for what it covers"
        return f"sources.{source}.factor", problem.format(name)

    def counts(self, column: str) -> bool:
        """Whether the total counts this column."""
        return not self._both or column not in self._left_out.values()

    def mass(self, burden: Quanta) -> Mass:
        """What quanta of several sources and periods weigh together."""
        mass = Mass()
        for source, periods in burden.items():
            carrier = self._versions.carrier_of(source)
            for t_ms, quanta in periods.items():
                rates = self.of(source, t_ms)
                if rates is None:
                    if quanta and source not in mass.unknown:
                        mass.unknown.append(source)
                    continue
                for column, per_unit, row in rates:
                    kg = per_unit * Fraction(quanta) / carrier.quanta_per_unit
                    mass.columns[column] = mass.columns.get(column, Fraction(0)) + kg
                    mass.rows[row.id] = row
                    if self.counts(column):
                        mass.counted[row.id] = mass.counted.get(row.id, Fraction(0)) + kg
        return mass

    def _of(self, source: str, t_ms: int) -> tuple[Rate, ...] | None:
        rows = self._rows(source, self._named(source, t_ms), t_ms)
        parts = self._covered.get(source, {})
        if rows is None or parts is None:
            return None
        rates: list[Rate] = []
        for row, kg in rows:
            if row.stage not in _BY_PLACE:
                rates.append(Rate(row.stage, kg, row))
                continue
            rates.append(Rate(_BY_PLACE[row.stage], kg, row))
            if self._both:
                found = self._by_contract(source, row, kg, parts.get(t_ms, []), t_ms)
                if found is None:
                    return None
                rates += found
        return tuple(rates)

    def _named(self, source: str, t_ms: int) -> str | None:
        """What the model calls its factor."""
        model = self._versions.having(source, t_ms)
        return None if model is None else model.sources[source].factor

    def _by_contract(
        self,
        source: str,
        row: Row,
        kg: Fraction,
        parts: list[tuple[Instrument, Fraction]],
        t_ms: int,
    ) -> list[Rate] | None:
        """What contracts cover, each by its own row of the same stage; the rest as by place."""
        column, rates = _BY_CONTRACT[row.stage], []
        for instrument, part in parts:
            own = self._rows(source, instrument.factor, t_ms) or ()
            same = [(other, its) for other, its in own if other.stage == row.stage]
            if not same:
                return None
            rates += [Rate(column, its * part, other) for other, its in same]
        rest = 1 - sum((part for _, part in parts), Fraction(0))
        return [*rates, Rate(column, kg * rest, row)] if rest else rates

    def _rows(
        self, source: str, name: str | None, t_ms: int
    ) -> tuple[tuple[Row, Fraction], ...] | None:
        """The rows of a name with kg for one unit of the source's carrier; None when none fit."""
        unit = self._versions.carrier_of(source).unit
        rows: tuple[Row, ...] = ()
        if name is not None:
            rows = self._factors.at(name, t_ms, self._method.kind)
        if not rows or any(kind(row.per) != kind(unit) for row in rows):
            return None
        metric = self._method.metric
        return tuple((row, row.kg(metric) * convert(unit, row.per)) for row in rows)

    def _cover(
        self, source: str, periods: Mapping[int, int | Fraction]
    ) -> dict[int, list[tuple[Instrument, Fraction]]] | None:
        carrier = self._versions.carrier_of(source)
        amounts = {t_ms: Fraction(q) / carrier.quanta_per_unit for t_ms, q in periods.items()}
        own = [one for one in self._factors.instruments if one.source == source]
        try:
            return covered(own, carrier.unit, amounts)
        except UnitError:  # a contract in kg covers no kWh: what it would cover is unknown
            return None
