"""Pure: a product's factor from its closed batches, weighted by good quantity."""

import hashlib
from collections.abc import Iterable
from fractions import Fraction

from calc_stream.core.decimals import parse_fraction, shortest, significant
from calc_stream.ledger.rows import BatchRow, ProductRow


def product_rows(revisions: Iterable[BatchRow]) -> list[ProductRow]:
    """One row a product, unit and method, sorted. `revisions`: the newest of each closed batch.

    Energy and mass of all batches, those without good output included, over all good output.
    """
    groups: dict[tuple[str, str, str], list[BatchRow]] = {}
    for row in revisions:
        if row.product is not None:
            groups.setdefault((row.product, row.unit or "", row.method), []).append(row)
    return [_product(rows) for _, rows in sorted(groups.items())]


def _product(rows: list[BatchRow]) -> ProductRow:
    rows = sorted(rows, key=lambda row: row.batch)
    good = sum((parse_fraction(row.good) for row in rows), Fraction(0))
    kwh = sum((parse_fraction(row.energy_kwh) for row in rows), Fraction(0))
    masses = [parse_fraction(row.kg_co2e) for row in rows if row.kg_co2e is not None]
    kg = sum(masses, Fraction(0)) if len(masses) == len(rows) else None
    interpolated = _mean(rows, kwh)
    starts = [row.started_ms for row in rows if row.started_ms is not None]
    ends = [row.ended_ms for row in rows if row.ended_ms is not None]
    basis = "".join(f"{row.batch}\t{row.revision}\n" for row in rows)
    statuses = {row.factor_status for row in rows}
    return ProductRow(
        site=rows[0].site,
        product=rows[0].product or "",
        unit=rows[0].unit,
        batches=len(rows),
        good=shortest(good),
        scrap=shortest(sum((parse_fraction(row.scrap) for row in rows), Fraction(0))),
        energy_kwh=shortest(kwh),
        kg_co2e=None if kg is None else shortest(kg),
        kwh_per_unit=significant(kwh / good) if good else None,
        kg_co2e_per_unit=None if kg is None or not good else significant(kg / good),
        measured_share=significant(1 - interpolated, 6),
        interpolated_share=significant(interpolated, 6),
        incomplete_batches=sum(row.incomplete for row in rows),
        settled_batches=sum(row.settled for row in rows),
        factor_status="secondary" if "secondary" in statuses else max(statuses),
        unknown_sources=tuple(sorted({name for row in rows for name in row.unknown_sources})),
        method=rows[0].method,
        factor_sets=tuple(sorted({row.factor_set for row in rows if row.factor_set})),
        models=tuple(sorted({row.model for row in rows if row.model})),
        first_started_ms=min(starts, default=None),
        last_ended_ms=max(ends, default=None),
        offset=max(row.offset for row in rows),
        revision=max(row.revision for row in rows),
        basis=hashlib.sha256(basis.encode()).hexdigest(),
    )


def _mean(rows: list[BatchRow], kwh: Fraction) -> Fraction:
    """The interpolated share, weighted by energy."""
    if not kwh:
        return Fraction(0)
    parts = (parse_fraction(r.interpolated_share) * parse_fraction(r.energy_kwh) for r in rows)
    return sum(parts, Fraction(0)) / kwh
