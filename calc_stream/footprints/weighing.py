"""Pure: what batches weigh together, taken apart by source, factor and part of their lives.

The sums are those of the revisions' own decimals. How they divide follows from the amounts the
revisions state and the factors in force, exactly; it must give the revisions' kg again.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from calc_stream.core.decimals import parse_fraction, parse_instant
from calc_stream.core.whole import LIMIT
from calc_stream.factors import Rates
from calc_stream.factors.row import Row
from calc_stream.ledger.rows import BatchRow
from wire.errors import BadData

STAGES = ("value_adding", "overhead", "allocated", "inherited")
_BY_PLACE = frozenset({"life_cycle", "scope_2_location"})
_BY_CONTRACT = frozenset({"life_cycle_market", "scope_2_market"})

Sums = dict[str, Fraction]


@dataclass
class Weighed:
    """kg of all batches: as they state it (`total`, `columns`, `location`, `market`), and exactly as it
    divides (`sources` by column, `factors` and `stages` of what the total counts).

    `metered`, `primary`: of the total, by what was read and not interpolated; that, and by a factor
    that is primary. `amounts`, `used`: by source, the latter ids of rows that count.
    """

    total: Fraction = Fraction(0)
    columns: Sums = field(default_factory=dict)
    counted: set[str] = field(default_factory=set)
    location: Fraction = Fraction(0)
    market: Fraction = Fraction(0)
    amounts: Sums = field(default_factory=dict)
    sources: dict[str, Sums] = field(default_factory=dict)
    factors: Sums = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    used: dict[str, set[str]] = field(default_factory=dict)
    stages: Sums = field(default_factory=lambda: dict.fromkeys(STAGES, Fraction(0)))
    metered: Fraction = Fraction(0)
    primary: Fraction = Fraction(0)


def weigh(batches: Iterable[BatchRow], rates: Rates) -> Weighed:
    """Raises BadData for a batch without kg, or whose kg the factors in force do not give."""
    found = Weighed()
    for row in batches:
        if row.kg_co2e is None:
            missing = ", ".join(row.unknown_sources) or "its sources"
            raise BadData(f"batch {row.batch} states no kg CO2e: no factor is known for {missing}")
        _add_stated(found, row, parse_fraction(row.kg_co2e))
        _add_divided(found, row, rates)
    return found


def _add_stated(found: Weighed, row: BatchRow, kg: Fraction) -> None:
    found.total += kg
    found.metered += kg * parse_fraction(row.measured_share)
    masses = {column: parse_fraction(text) for column, text in row.columns.items()}
    _add(found.columns, masses)
    # A batch no contract could cover weighs by contract what it weighs by the place.
    left_out = _BY_PLACE if masses.keys() & _BY_CONTRACT else _BY_CONTRACT
    found.location += sum((m for c, m in masses.items() if c not in _BY_CONTRACT), Fraction(0))
    found.market += sum((m for c, m in masses.items() if c not in left_out), Fraction(0))
    _add(found.amounts, {s: parse_fraction(text) for s, text in row.by_source.items()})


def _add_divided(found: Weighed, row: BatchRow, rates: Rates) -> None:
    counted, slack = Fraction(0), Fraction(2, 10 ** len((row.kg_co2e or "").partition(".")[2]))
    measured = parse_fraction(row.measured_share)
    for source in row.by_source:
        its = Fraction(0)
        for amount, column, per_unit, factor in _masses(row, source, rates):
            kg = amount * per_unit
            _add(found.sources.setdefault(source, {}), {column: kg})
            slack += per_unit / 10 ** len(row.by_source[source].partition(".")[2])
            if rates.counts(column):
                its += kg
                found.counted.add(column)
                found.rows[factor.id] = factor
                found.used.setdefault(source, set()).add(factor.id)
                _add(found.factors, {factor.id: kg})
                found.primary += kg * measured if factor.primary else 0
        counted += its
        _add(found.stages, _by_stage(row, source, its))
    if abs(counted - parse_fraction(row.kg_co2e or "0")) > slack:
        raise BadData(
            f"batch {row.batch}: its {row.kg_co2e} kg are not what the factors in force give"
        )


def _masses(
    row: BatchRow, source: str, rates: Rates
) -> Iterator[tuple[Fraction, str, Fraction, Row]]:
    """(amount, column, kg for one unit, factor), period by period."""
    for since, text in row.by_period.get(source, {}).items():
        its = rates.of(source, parse_instant(since) if since else -LIMIT)
        for column, per_unit, factor in its or ():
            yield parse_fraction(text), column, per_unit, factor


def _by_stage(row: BatchRow, source: str, kg: Fraction) -> Sums:
    """A source's kg as its energy divides: which period a part is of the revision does not tell."""
    parts = {
        stage: parse_fraction(getattr(row, stage)[source])
        for stage in STAGES
        if source in getattr(row, stage)
    }
    whole = sum(parts.values(), Fraction(0))
    if not whole:
        return {"value_adding": kg}
    return {stage: kg * part / whole for stage, part in parts.items()}


def _add(sums: Sums, more: Sums) -> None:
    for name, amount in more.items():
        sums[name] = sums.get(name, Fraction(0)) + amount
