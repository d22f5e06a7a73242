"""Pure: a footprint or a batch as LCA tools see it: one process, what it takes, what that emits.

A process gives all good output of its period. What it takes are the carriers and, cradle to gate,
purchased inputs; each comes from a process of its own that emits what the total counts of
it. A batch's carriers come without: which of them weighs what is not told by a batch, so its own
process emits the whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from calc_stream.core.decimals import parse_fraction
from calc_stream.datasets.ids import named
from calc_stream.datasets.pedigree import Pedigree, of_factors, of_site
from calc_stream.datasets.words import BOUNDARIES, Said, of_batch, of_footprint
from calc_stream.factors import load_method
from calc_stream.factors.rates import columns_of, counted
from calc_stream.footprints.declaration import Declaration, Product
from calc_stream.footprints.footprint import Boundary, FactorUsed, Footprint, SourceUsed
from calc_stream.ledger.rows import BatchRow
from wire.units import UNITS, kind


@dataclass(frozen=True)
class Taken:
    """`kg` by column, of the whole `amount`; `sd`, `kg_sd`: relative standard deviations of the amount
    and of what a unit emits, None where they are not known."""

    key: str
    name: str
    unit: str
    amount: Fraction
    kg: Mapping[str, Fraction]
    about: str
    factors: Sequence[FactorUsed] = ()
    quality: Pedigree | None = None
    sd: float | None = None
    kg_sd: float | None = None


@dataclass(frozen=True)
class Process:
    """`output` of `unit`; `kg`: what it emits itself, by column. Times are ms UTC."""

    id: str
    product: str
    name: Said
    unit: str
    output: Fraction
    taken: Sequence[Taken]
    said: Mapping[str, Said]
    start_ms: int
    end_ms: int
    made_ms: int
    gwp: str
    quality: Pedigree
    kg: Mapping[str, Fraction] = field(default_factory=dict)
    factors: Sequence[FactorUsed] = ()
    valid_until_ms: int | None = None
    timezone: str = "UTC"
    declared: Product | None = None


def footprint_process(footprint: Footprint, declaration: Declaration | None) -> Process:
    """A published footprint."""
    declared = None if declaration is None else declaration.of(footprint.product)
    good = parse_fraction(footprint.good)
    energy = [_energy(footprint, source, declaration) for source in footprint.sources]
    return Process(
        id=footprint.id,
        product=footprint.product,
        name=_name(
            footprint.product, declared, (footprint.period, footprint.method), footprint.boundary
        ),
        unit=footprint.unit,
        output=good,
        taken=[*energy, *_bought(footprint, good)],
        said=of_footprint(footprint),
        start_ms=footprint.start_ms,
        end_ms=footprint.end_ms,
        made_ms=footprint.published_ms,
        gwp=footprint.gwp,
        quality=of_site(
            footprint.measured_share,
            footprint.traceable_share,
            incomplete=bool(footprint.incomplete),
        ),
        factors=footprint.factors,
        valid_until_ms=footprint.valid_until_ms,
        timezone=footprint.timezone,
        declared=declared,
    )


def batch_process(row: BatchRow, declaration: Declaration | None) -> Process | None:
    """A closed batch; None where its mass is unknown or nothing good came of it."""
    good = parse_fraction(row.good)
    if row.kg_co2e is None or not good or row.unit is None:
        return None
    method, product = load_method(row.method), row.product or row.batch
    declared = None if declaration is None else declaration.of(product)
    columns = {name: parse_fraction(row.columns[name]) for name in counted(row.columns, method)}
    total = parse_fraction(row.kg_co2e)
    taken = [
        Taken(f"source/{source}", source, row.units[source], parse_fraction(amount), {},
              "Metered here; what it emits is counted in the batch's own process.")
        for source, amount in row.by_source.items()
    ]  # fmt: skip
    start_ms = row.started_ms or 0
    end_ms = row.ended_ms if row.ended_ms is not None else start_ms
    return Process(
        id=named("batch", row.site, row.batch, str(row.revision)),
        product=product,
        name=_name(product, declared, (row.batch, row.method), "gate_to_gate"),
        unit=row.unit,
        output=good,
        taken=taken,
        said=of_batch(row, method.standard),
        start_ms=start_ms,
        end_ms=end_ms,
        made_ms=end_ms,
        gwp=method.gwp,
        quality=of_site(row.measured_share, None, incomplete=row.incomplete),
        kg=columns if sum(columns.values()) == total else {"total": total},
        declared=declared,
    )


def _energy(footprint: Footprint, source: SourceUsed, declaration: Declaration | None) -> Taken:
    company = None if declaration is None else declaration.company
    place = () if company is None else (company.country, company.subdivision)
    factors = factors_of(footprint, source)
    year = int(footprint.period[:4]) if footprint.period[:4].isdecimal() else 0
    is_energy = source.unit in UNITS and kind(source.unit) == "energy"
    amount_sd, kg_sd = _doubts(footprint, is_energy)
    method = load_method(footprint.method)
    return Taken(
        key=f"source/{source.source}",
        name=f"{source.source} ({source.carrier})",
        unit=source.unit,
        amount=parse_fraction(source.amount),
        kg={name: parse_fraction(source.columns[name]) for name in counted(source.columns, method)},
        about="; ".join(f"{one.id}: {one.value} {one.unit}, {one.document}" for one in factors),
        factors=factors,
        quality=of_factors(factors, year, place),
        sd=amount_sd,
        kg_sd=kg_sd,
    )


def factors_of(footprint: Footprint, source: SourceUsed) -> list[FactorUsed]:
    """The rows a source was counted with; where it does not name them, those it can have been."""
    return [
        each
        for each in footprint.factors
        if each.id in source.factors or (not source.factors and _fits(each, source))
    ]


def _fits(factor: FactorUsed, source: SourceUsed) -> bool:
    per = factor.unit.partition("/")[2]
    same = per in UNITS and source.unit in UNITS and kind(per) == kind(source.unit)
    return same and any(column in source.columns for column in columns_of(factor.stage))


def _doubts(footprint: Footprint, is_energy: bool) -> tuple[float | None, float | None]:
    """Relative standard deviations, half of U95: of metered energy, and of what is left of the
    mass's when the two are independent. What is no energy by itself has all of the mass's."""
    kwh, kg = footprint.u95.kwh, footprint.u95.kg_co2e
    per_unit, mass = float(footprint.kwh_per_unit), float(footprint.kg_co2e)
    of_kwh = float(kwh) / per_unit / 2 if is_energy and kwh is not None and per_unit else None
    if kg is None or not mass:
        return of_kwh, None
    rest = (float(kg) / mass / 2) ** 2 - (of_kwh or 0) ** 2
    return of_kwh, rest**0.5 if rest > 0 else None


def _bought(footprint: Footprint, good: Fraction) -> list[Taken]:
    """What is known of inputs while others are not is no part of what is gate to gate."""
    return [
        Taken(
            key=f"bought/{at}",
            name=f"{one.name} ({one.supplier})",
            unit=one.unit,
            amount=parse_fraction(one.amount) * good,
            kg={"bought": parse_fraction(one.kg_co2e) * good},
            about=f"As the supplier states it: {one.source}"
            + (f"; footprint {one.pcf}" if one.pcf else ""),
        )
        for at, one in enumerate(footprint.upstream)
        if footprint.boundary == "cradle_to_gate" and parse_fraction(one.amount)
    ]


def _name(product: str, declared: Product | None, which: Sequence[str], boundary: Boundary) -> Said:
    """A tool's list shows no more than the name, so the boundary is in it."""
    en = declared.name if declared is not None else product
    zh = declared.name_zh if declared is not None and declared.name_zh else en
    reach = BOUNDARIES[boundary]
    return Said(
        f"{en} ({', '.join((reach.en, *which))})", f"{zh}（{'，'.join((reach.zh, *which))}）"
    )
