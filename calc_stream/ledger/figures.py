"""Pure: the figures of one batch, from quanta and factors. Rounded once, at the end.

Each period's quanta are multiplied by the row in force then. Where none is named or known, the
source is listed as unknown and no total of kg is stated: nothing is guessed and nothing counts as
zero. What was bought is no energy: it is stated apart and never added.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from calc_stream.core import Batch, Burden, Lot, Versions
from calc_stream.core.accounts import Cell
from calc_stream.core.burdens import by_source
from calc_stream.core.decimals import fixed, instant, shortest, significant
from calc_stream.core.plant import Carrier
from calc_stream.core.whole import LIMIT
from calc_stream.factors import Factor, FactorSet, Mass, Method, Quanta, Rates
from calc_stream.factors import by_source as with_periods
from calc_stream.ledger.rows import BatchRow
from wire.units import convert, kind

_KWH_DIGITS = 6


@dataclass(frozen=True)
class Basis:
    """What every figure of a site stands on; hashes are those of the journal's records, of models
    by when they come into force. `plain`: rates as if no contract covered anything; `given`: what the
    sources gave the site, for contracts."""

    method: Method
    versions: Versions
    model_hashes: Mapping[int, str]
    factors: FactorSet | None
    factor_hash: str | None
    plain: Rates | None = None
    given: Callable[[], Quanta] | None = None

    @cached_property
    def rates(self) -> Rates | None:
        """With what contracts cover, of energy whose windows are over."""
        if self.plain is None or not self.plain.contracts or self.given is None:
            return self.plain
        return self.plain.covered(self.given())

    def model_hash(self, t_ms: int) -> str:
        """That of the version in force just after `t_ms`."""
        return self.model_hashes[self.versions.reign_at(t_ms).from_ms]


@dataclass(frozen=True)
class Told:
    """One batch as the state knows it. `gapped`: own quanta inside long reading gaps, by source."""

    batch: Batch
    burden: Burden
    lots: Mapping[str, Lot]
    gapped: Mapping[str, int]
    nodes: tuple[str, ...]
    until_ms: int
    running: bool
    incomplete: bool
    spread: bool


def figures(basis: Basis, told: Told, offset: int) -> BatchRow:
    """The row of a batch, as a live one of no revision."""
    batch, versions, parts = told.batch, basis.versions, told.burden
    cells = parts.total()
    burden = by_source(cells)
    kwh = sum((in_kwh(versions, source, quanta) for source, quanta in burden.items()), Fraction(0))
    mass = _mass(basis.rates if told.spread else basis.plain, cells)
    kg = mass.total
    declared = batch.good and basis.method.takes(batch.unit)
    interpolated = _interpolated(versions, told)
    bought, strange = _bought(told)
    return BatchRow(
        site=versions.site,
        batch=batch.id,
        product=batch.product,
        nodes=told.nodes,
        started_ms=batch.first_start_ms,
        ended_ms=None if told.running else batch.last_stop_ms,
        energy_kwh=as_text(kwh),
        by_source=texts(versions, burden),
        value_adding=texts(versions, by_source(parts.value)),
        overhead=texts(versions, by_source(parts.overhead)),
        allocated=texts(versions, by_source(parts.allocated)),
        inherited=texts(versions, by_source(parts.inherited)),
        units={source: versions.carrier_of(source).unit for source in burden},
        kg_co2e=None if kg is None else basis.method.rounded(kg),
        columns={
            stage: basis.method.rounded(mass.columns[stage]) for stage in sorted(mass.columns)
        },
        unknown_sources=tuple(sorted(mass.unknown)),
        factors=tuple(sorted(mass.rows)),
        by_period=_by_period(versions, cells),
        factor_status=_weakest(mass.rows),
        bought={lot: significant(units) for lot, units in parts.bought.items()},
        bought_kg_co2e=None if bought is None else basis.method.rounded(bought),
        unknown_lots=strange,
        good=shortest(batch.good),
        scrap=shortest(batch.scrap),
        unit=batch.unit,
        kwh_per_unit=significant(kwh / batch.good) if batch.good else None,
        kg_co2e_per_unit=significant(kg / batch.good) if kg is not None and declared else None,
        measured_share=significant(1 - interpolated, 6),
        interpolated_share=significant(interpolated, 6),
        method=basis.method.id,
        factor_set=basis.factor_hash,
        model=basis.model_hash(told.until_ms),
        offset=offset,
        incomplete=told.incomplete,
        spread=told.spread,
    )


def texts(versions: Versions, quanta: Mapping[str, int | Fraction]) -> dict[str, str]:
    """Quanta by source as decimals of the source's unit; fractions go half-even."""
    return {source: _text(versions, source, amount) for source, amount in sorted(quanta.items())}


def in_kwh(versions: Versions, source: str, quanta: int | Fraction) -> Fraction:
    """Energy of quanta of a source; carriers that are no energy (m3 of gas) count nothing here."""
    carrier = versions.carrier_of(source)
    return quanta * kwh_per_quantum(carrier)


def kwh_per_quantum(carrier: Carrier) -> Fraction:
    if kind(carrier.unit) != "energy":
        return Fraction(0)
    return convert(carrier.unit, "kWh") / carrier.quanta_per_unit


def as_text(kwh: Fraction) -> str:
    """kWh to the mWh, half-even."""
    return fixed(round(kwh * 10**_KWH_DIGITS), 10**_KWH_DIGITS, _KWH_DIGITS)


def _interpolated(versions: Versions, told: Told) -> Fraction:
    """The part of own energy that lies in gaps; of own units where no carrier tells what they hold."""
    own: dict[str, Fraction] = {}
    for part in (told.burden.value, told.burden.overhead):
        for source, quanta in by_source(part).items():
            own[source] = own.get(source, Fraction(0)) + quanta
    carriers = {source: versions.carrier_of(source) for source in {*own, *told.gapped}}
    held = any(carrier.kwh_per_unit for carrier in carriers.values())

    def amount(quanta: Mapping[str, int | Fraction]) -> Fraction:
        found = Fraction(0)
        for source, number in quanta.items():
            its = carriers[source]
            found += number * (its.kwh_per_unit if held else Fraction(1)) / its.quanta_per_unit
        return found

    whole = amount(own)
    return amount(told.gapped) / whole if whole else Fraction(0)


def _mass(rates: Rates | None, cells: Mapping[Cell, Fraction]) -> Mass:
    if rates is None:
        return Mass(unknown=sorted({source for (_, source), quanta in cells.items() if quanta}))
    return rates.mass(with_periods(cells))


def _by_period(versions: Versions, cells: Mapping[Cell, Fraction]) -> dict[str, dict[str, str]]:
    """Amounts by source and start of the period."""
    found: dict[str, dict[str, str]] = {}
    for (period_ms, source), quanta in cells.items():
        if quanta:
            since = "" if period_ms <= -LIMIT else instant(period_ms)
            found.setdefault(source, {})[since] = _text(versions, source, quanta)
    return found


def _bought(told: Told) -> tuple[Fraction | None, tuple[str, ...]]:
    """kg that came with lots, and lots that tell none; None where there are no lots, or such."""
    mass, strange = Fraction(0), []
    for lot, units in told.burden.bought.items():
        record = told.lots.get(lot)
        if record is None or record.factor is None:
            strange.append(lot)
        else:
            mass += units * record.factor
    return None if strange or not told.burden.bought else mass, tuple(strange)


def _text(versions: Versions, source: str, amount: int | Fraction) -> str:
    carrier = versions.carrier_of(source)
    return fixed(round(amount), carrier.quanta_per_unit, carrier.digits)


def _weakest(rows: Mapping[str, Factor]) -> str:
    statuses = {row.status for row in rows.values()}
    return "secondary" if "secondary" in statuses else "verified" if statuses else ""
