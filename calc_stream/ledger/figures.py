"""Pure: the figures of one batch, from quanta and factors. Rounded once, at the end.

Factors hold for a batch when the same rows are in force from its first start to its last stop (or
so far). Where they change in between, or none is named or known, the source is listed as unknown
and no total of kg is stated: nothing is guessed and nothing counts as zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from calc_stream.core import Batch, SiteModel
from calc_stream.core.decimals import fixed, shortest, significant
from calc_stream.core.plant import Carrier
from calc_stream.factors import Factor, FactorSet, Mass, Method, Rates, cuts
from calc_stream.ledger.rows import BatchRow
from wire.units import convert, kind

_KWH_DIGITS = 6


@dataclass(frozen=True)
class Basis:
    """What every figure of a site stands on; hashes are those of the journal's records."""

    method: Method
    model: SiteModel
    model_hash: str
    factors: FactorSet | None
    factor_hash: str | None


@dataclass(frozen=True)
class Told:
    """One batch as the state knows it. `gapped`: own quanta inside long reading gaps."""

    batch: Batch
    own: Mapping[str, int]
    inherited: Mapping[str, Fraction]
    gapped: int
    nodes: tuple[str, ...]
    until_ms: int
    running: bool
    incomplete: bool


def figures(basis: Basis, told: Told, offset: int) -> BatchRow:
    """The row of a batch, as a live one of no revision."""
    batch, model = told.batch, basis.model
    burden = {
        source: Fraction(told.own.get(source, 0)) + told.inherited.get(source, Fraction(0))
        for source in sorted({*told.own, *told.inherited})
    }
    kwh = sum((in_kwh(model, source, quanta) for source, quanta in burden.items()), Fraction(0))
    mass = _mass(basis, burden, batch.first_start_ms or told.until_ms, told.until_ms)
    kg = mass.total
    declared = batch.good and basis.method.takes(batch.unit)
    total = sum(told.own.values())
    interpolated = Fraction(told.gapped, total) if total else Fraction(0)
    return BatchRow(
        site=model.site,
        batch=batch.id,
        product=batch.product,
        nodes=told.nodes,
        started_ms=batch.first_start_ms,
        ended_ms=None if told.running else batch.last_stop_ms,
        energy_kwh=as_text(kwh),
        by_source=texts(model, burden),
        inherited=texts(model, {s: quanta for s, quanta in told.inherited.items() if quanta}),
        units={source: model.carrier_of(source).unit for source in burden},
        kg_co2e=None if kg is None else basis.method.rounded(kg),
        columns={
            stage: basis.method.rounded(mass.columns[stage]) for stage in sorted(mass.columns)
        },
        unknown_sources=tuple(mass.unknown),
        factors=tuple(sorted(mass.rows)),
        factor_status=_weakest(mass.rows),
        good=shortest(batch.good),
        scrap=shortest(batch.scrap),
        unit=batch.unit,
        kwh_per_unit=significant(kwh / batch.good) if batch.good else None,
        kg_co2e_per_unit=significant(kg / batch.good) if kg is not None and declared else None,
        measured_share=significant(1 - interpolated, 6),
        interpolated_share=significant(interpolated, 6),
        method=basis.method.id,
        factor_set=basis.factor_hash,
        model=basis.model_hash,
        offset=offset,
        incomplete=told.incomplete,
    )


def texts(model: SiteModel, quanta: Mapping[str, int | Fraction]) -> dict[str, str]:
    """Quanta by source as decimals of the source's unit; fractions go half-even."""
    result = {}
    for source, amount in sorted(quanta.items()):
        carrier = model.carrier_of(source)
        result[source] = fixed(round(amount), carrier.quanta_per_unit, carrier.digits)
    return result


def in_kwh(model: SiteModel, source: str, quanta: int | Fraction) -> Fraction:
    """Energy of quanta of a source; carriers that are no energy (m3 of gas) count nothing here."""
    carrier = model.carrier_of(source)
    return quanta * kwh_per_quantum(carrier)


def kwh_per_quantum(carrier: Carrier) -> Fraction:
    if kind(carrier.unit) != "energy":
        return Fraction(0)
    return convert(carrier.unit, "kWh") / carrier.quanta_per_unit


def as_text(kwh: Fraction) -> str:
    """kWh to the mWh, half-even."""
    return fixed(round(kwh * 10**_KWH_DIGITS), 10**_KWH_DIGITS, _KWH_DIGITS)


def rates_of(basis: Basis, from_ms: int, to_ms: int) -> Rates | None:
    """What every source's energy weighs, if that stays the same over this time."""
    if basis.factors is None or cuts(basis.model, basis.factors, from_ms, to_ms):
        return None
    return Rates(basis.model, basis.factors, basis.method)


def _mass(basis: Basis, burden: Mapping[str, Fraction], from_ms: int, to_ms: int) -> Mass:
    rates = rates_of(basis, from_ms, to_ms)
    if rates is None:
        return Mass(unknown=[source for source, quanta in burden.items() if quanta])
    return rates.mass({source: {from_ms: quanta} for source, quanta in burden.items()})


def _weakest(rows: Mapping[str, Factor]) -> str:
    statuses = {row.status for row in rows.values()}
    return "secondary" if "secondary" in statuses else "verified" if statuses else ""
