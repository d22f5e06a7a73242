"""Pure: a product's factor from its settled batches, with all that a published one says.

Mean over good output: energy and kg of all batches, those without good output included, divided once.
Everything is computed from the decimals of the batches' revisions, so who has them gets the same text.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from calc_stream.core import Lot, Versions
from calc_stream.core.decimals import parse_fraction, shortest, significant
from calc_stream.evidence.budget import Budget
from calc_stream.factors import FactorSet, Method, Rates
from calc_stream.footprints.bought import Bought, bought
from calc_stream.footprints.declaration import Product
from calc_stream.footprints.footprint import (
    BatchUsed,
    Cause,
    Doubted,
    Evidence,
    FactorUsed,
    Footprint,
    SourceUsed,
    Spread,
)
from calc_stream.footprints.identity import identified
from calc_stream.footprints.period import Period
from calc_stream.footprints.rounding import closed, decimals_of, square_root
from calc_stream.footprints.weighing import Weighed, weigh
from calc_stream.ledger.figures import as_text
from calc_stream.ledger.rows import BatchRow
from wire.errors import BadData


@dataclass(frozen=True)
class Basis:
    """What a site's figures stand on, and what its people declare of the product.

    `told`: instead of that, what a published footprint says was bought.
    """

    site: str
    method: Method
    versions: Versions
    factors: FactorSet
    rates: Rates
    lots: Mapping[str, Lot]
    declared: Product | None = None
    told: Bought | None = None


@dataclass(frozen=True)
class Occasion:
    """Why and when a footprint is drawn up, and what it takes the place of.

    `end_ms`: that of the period, or, before it is over, the end of the last batch.
    """

    period: Period
    end_ms: int
    cause: Cause
    published_ms: int
    validity_ms: int
    supersedes: tuple[str, ...] = ()


def draw_up(
    rows: Sequence[BatchRow],
    hashes: Mapping[str, str],
    basis: Basis,
    budget: Budget | None,
    occasion: Occasion,
) -> Footprint:
    """`rows`: of one product and unit, in any order; `hashes`: of each revision as the ledger holds it,
    by batch; `budget`: of all of them together.

    Raises BadData where no factor can be stated, saying why.
    """
    rows = sorted(rows, key=lambda row: row.batch)
    unit = next((row.unit for row in rows if row.unit is not None), None)
    good = _sum(rows, "good")
    if unit is None or not good:
        raise BadData(f"product {rows[0].product}: its batches gave no good output")
    if not basis.method.takes(unit):
        known = ", ".join(basis.method.declared_units)
        raise BadData(
            f"product {rows[0].product}: method {basis.method.id} takes {known}, not {unit}"
        )
    weighed = weigh(rows, basis.rates)
    per_unit = significant(weighed.total / good)
    bought_in = basis.told or bought(rows, good, basis.declared, basis.lots)
    whole = weighed.total / good + (bought_in.kg if bought_in.complete else 0)
    primary = weighed.primary / good + (bought_in.primary if bought_in.complete else 0)
    kwh, digits = _sum(rows, "energy_kwh"), decimals_of(per_unit)
    by_location, by_market = _pair(weighed, good, per_unit, basis.method)
    found = Footprint(
        id="",
        site=basis.site,
        product=rows[0].product or "",
        unit=unit,
        method=basis.method.id,
        period=occasion.period.name,
        timezone=basis.versions.reigns[-1].model.timezone,
        start_ms=occasion.period.start_ms,
        end_ms=occasion.end_ms,
        published_ms=occasion.published_ms,
        cause=occasion.cause,
        supersedes=occasion.supersedes,
        draft=not bought_in.complete,
        boundary="cradle_to_gate" if bought_in.complete else "gate_to_gate",
        batches=tuple(_used(row, hashes) for row in rows),
        good=shortest(good),
        scrap=shortest(_sum(rows, "scrap")),
        energy_kwh=as_text(kwh),
        kwh_per_unit=significant(kwh / good),
        total_kg_co2e=basis.method.rounded(weighed.total),
        kg_co2e=per_unit,
        columns=_columns(weighed, good, per_unit),
        by_location=by_location,
        by_market=by_market,
        stages=closed({s: kg / good for s, kg in weighed.stages.items()}, per_unit, digits),
        sources=_sources(weighed, basis, rows),
        factors=_factors(weighed, basis),
        factor_status=_weakest(weighed),
        factor_sets=tuple(sorted({row.factor_set for row in rows if row.factor_set})),
        models=tuple(sorted({row.model for row in rows if row.model})),
        upstream=bought_in.inputs,
        upstream_kg_co2e=shortest(bought_in.kg) if bought_in.complete else None,
        spread=_spread(rows),
        u95=_doubted(budget, good),
        measured_share=_share(_measured(rows), kwh)
        if kwh
        else _share(weighed.metered, weighed.total),
        measured_activity_share=_share(weighed.metered / good, whole),
        primary_data_share=_share(primary, whole),
        traceable_share=budget.traceable_share if budget else None,
        gwp=basis.method.gwp,
        standard=basis.method.standard,
        allocation=_allocation(basis.versions, occasion),
        valid_from_ms=occasion.end_ms,
        valid_until_ms=occasion.end_ms + occasion.validity_ms,
        evidence=Evidence(max(row.offset for row in rows), basis_of(rows), 0, ""),
        incomplete=tuple(row.batch for row in rows if row.incomplete),
    )
    return identified(found)


def basis_of(rows: Sequence[BatchRow]) -> str:
    """SHA-256 over the (batch, revision) pairs, one a line in order."""
    text = "".join(f"{row.batch}\t{row.revision}\n" for row in rows)
    return hashlib.sha256(text.encode()).hexdigest()


def _used(row: BatchRow, hashes: Mapping[str, str]) -> BatchUsed:
    kg = row.kg_co2e or ""
    return BatchUsed(row.batch, row.revision, row.offset, row.good, kg, hashes[row.batch])


def _columns(weighed: Weighed, good: Fraction, per_unit: str) -> dict[str, str]:
    """For one unit. Those that count add up to the sum; the rest stands beside them."""
    digits = decimals_of(per_unit)
    parts = {column: kg / good for column, kg in weighed.columns.items()}
    counted = {column: kg for column, kg in parts.items() if column in weighed.counted}
    beside = {c: shortest(Fraction(round(kg * 10**digits), 10**digits)) for c, kg in parts.items()}
    return dict(sorted({**beside, **closed(counted, per_unit, digits)}.items()))


def _pair(weighed: Weighed, good: Fraction, per_unit: str, method: Method) -> tuple[str, str]:
    """The sum by the place and by contract; the one the method counts is the sum itself."""
    scale = 10 ** decimals_of(per_unit)
    apart = round((weighed.market - weighed.location) / good * scale)
    if method.electricity == "market":
        return shortest(parse_fraction(per_unit) - Fraction(apart, scale)), per_unit
    return per_unit, shortest(parse_fraction(per_unit) + Fraction(apart, scale))


def _sources(weighed: Weighed, basis: Basis, rows: Sequence[BatchRow]) -> tuple[SourceUsed, ...]:
    masses: dict[str, dict[str, str]] = {source: {} for source in weighed.amounts}
    for column, kg in sorted(weighed.columns.items()):
        parts = {s: own[column] for s, own in weighed.sources.items() if column in own}
        for source, text in closed(parts, shortest(kg), basis.method.digits).items():
            masses[source][column] = text
    units = {source: unit for row in rows for source, unit in row.units.items()}
    return tuple(
        SourceUsed(
            source,
            _carrier(basis, source),
            units[source],
            shortest(amount),
            masses[source],
            tuple(sorted(weighed.used.get(source, ()))),
        )
        for source, amount in sorted(weighed.amounts.items())
    )


def _carrier(basis: Basis, source: str) -> str:
    """Its name in the newest version that has the source."""
    models = [r.model for r in basis.versions.reigns if source in r.model.sources]
    return models[-1].sources[source].carrier


def _factors(weighed: Weighed, basis: Basis) -> tuple[FactorUsed, ...]:
    """The rows as the set holds them; an hourly one with its mean."""
    listed = {row.id: row for row in basis.factors.rows}
    whole = shortest(weighed.total)
    masses = closed(weighed.factors, whole, basis.method.digits)
    return tuple(
        FactorUsed(
            id=row.id,
            value=row.value,
            unit=row.unit,
            stage=row.stage,
            region=row.region,
            data_year=row.data_year,
            publisher=row.publisher,
            document=row.document,
            url=row.url,
            hash=row.hash,
            status=row.status,
            primary=row.primary,
            kg=kg,
            parts=row.parts,
        )
        for row, kg in ((listed[id_], kg) for id_, kg in masses.items())
    )


def _weakest(weighed: Weighed) -> str:
    statuses = {row.status for row in weighed.rows.values()}
    return "secondary" if "secondary" in statuses else "verified" if statuses else ""


def _spread(rows: Sequence[BatchRow]) -> Spread:
    """Weighted standard deviation of a sample: sum w (x - mean)^2 / sum w, times n / (n - 1)."""
    pairs = [(parse_fraction(r.good), parse_fraction(r.kg_co2e or "0")) for r in rows]
    found = [(good, kg / good) for good, kg in pairs if good]
    good = sum((weight for weight, _ in found), Fraction(0))
    mean = sum((weight * x for weight, x in found), Fraction(0)) / good
    each = [x for _, x in found]
    sd = None
    if len(found) > 1:
        squares = sum((weight * (x - mean) ** 2 for weight, x in found), Fraction(0))
        sd = square_root(squares / good * Fraction(len(found), len(found) - 1), 6)
    return Spread(significant(min(each)), significant(max(each)), sd)


def _doubted(budget: Budget | None, good: Fraction) -> Doubted:
    if budget is None:
        return Doubted(None, None, ())
    kg = budget.kg
    unknown = sorted({*budget.kwh.unknown, *(kg.unknown if kg else ())})
    return Doubted(
        _for_one(budget.kwh.u95, good), _for_one(kg.u95 if kg else None, good), tuple(unknown)
    )


def _for_one(text: str | None, good: Fraction) -> str | None:
    return None if text is None else significant(parse_fraction(text) / good, 6)


def _measured(rows: Sequence[BatchRow]) -> Fraction:
    """kWh that were read, not interpolated."""
    parts = (parse_fraction(r.measured_share) * parse_fraction(r.energy_kwh) for r in rows)
    return sum(parts, Fraction(0))


def _share(part: Fraction, whole: Fraction) -> str:
    return significant(part / whole, 6) if whole else "0"


def _allocation(versions: Versions, occasion: Occasion) -> str:
    """The rules in force over the period, the older ones first."""
    found: dict[str, None] = {}
    for reign, _ in versions.within((occasion.period.start_ms, occasion.end_ms - 1)):
        policy = reign.model.policy
        told = f"setup={policy.setup}; idle={policy.idle}; spread={policy.spread}"
        if policy.windows:
            kind = "month" if policy.windows.monthly else "shift"
            told += "/" + ("day" if policy.windows.shifts == (0,) and kind == "shift" else kind)
        found[told] = None
    return " | ".join(found)


def _sum(rows: Sequence[BatchRow], name: str) -> Fraction:
    return sum((parse_fraction(getattr(row, name)) for row in rows), Fraction(0))
