"""Pure: which footprints are to be published now, and why.

A period's is when the period is over and nothing of it is open; that of the running period when it
moved too far from what was published last; another one when a batch of either was restated, or when
more became known of what was bought. Where the last batch of a published one went to another period or
is counted in another unit, what it goes to takes the place of that one, too: nothing counts twice.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from calc_stream.core import Lot
from calc_stream.core.decimals import parse_fraction
from calc_stream.footprints.bought import bought
from calc_stream.footprints.declaration import Declaration
from calc_stream.footprints.footprint import Cause, Footprint
from calc_stream.footprints.period import Every, Period, period_at
from calc_stream.ledger.rows import BatchRow

_DAY_MS = 86_400_000
Key = tuple[str, str, str, tuple[tuple[str, int], ...]]


@dataclass(frozen=True)
class Rules:
    """When to publish. `drift`: 0.1 is ten per cent; `drift_batches`: with fewer batches a running
    figure says too little to be told that it drifted."""

    every: Every = "month"
    drift: Fraction = Fraction(1, 10)
    drift_batches: int = 5
    validity_ms: int = 365 * _DAY_MS


@dataclass(frozen=True)
class Standing:
    """The site as it stands. `rows`: every batch; `latest`: newest revisions; `told_ms`: up to when
    every meter and sender of events has told what there was, and what is late has had its time."""

    zone: str
    method: str
    told_ms: int
    rows: Sequence[BatchRow]
    latest: Sequence[BatchRow]
    lots: Mapping[str, Lot]
    declaration: Declaration | None = None


@dataclass(frozen=True)
class Lines:
    """The batches of one product and unit that ended in one period. `open`: those not settled."""

    product: str
    unit: str
    period: Period
    settled: tuple[BatchRow, ...]
    open: tuple[str, ...]

    @property
    def end_ms(self) -> int:
        """Of the last batch."""
        return max((row.ended_ms or 0 for row in self.settled), default=0) + 1


@dataclass(frozen=True)
class Due:
    """One to publish: see `factor.Occasion`."""

    lines: Lines
    end_ms: int
    cause: Cause
    supersedes: tuple[str, ...]

    @property
    def key(self) -> Key:
        """Of what it is, and what it stands on."""
        its = self.lines
        return its.product, its.unit, its.period.name, tuple(_basis(its.settled))


def due(standing: Standing, newest: Sequence[Footprint], rules: Rules) -> list[Due]:
    """By product, the oldest period first. `newest`: as the shelf has them."""
    all_lines = lines_of(standing, rules.every)
    left = emptied(all_lines, standing, newest, rules.every)
    found = (
        _judged(standing, lines, newest, rules, taken_over(lines, left))
        for lines in all_lines
        if lines.settled
    )
    return [each for each in found if each is not None]


def emptied(
    all_lines: Iterable[Lines], standing: Standing, newest: Iterable[Footprint], every: Every
) -> list[Footprint]:
    """Those that stand for a product, unit and period of which there is no good output any more."""
    there = {
        (lines.product, lines.unit, lines.period.name)
        for lines in all_lines
        if lines.open or _has_good(lines)
    }
    return [
        each
        for each in newest
        if each.method == standing.method
        and (each.product, each.unit, each.period) not in there
        and period_at(each.start_ms, every, standing.zone).name == each.period
    ]


def taken_over(lines: Lines, left: Iterable[Footprint]) -> tuple[str, ...]:
    """The emptied ones of the product of which a batch is among these."""
    batches = {row.batch for row in lines.settled}
    return tuple(
        each.id
        for each in left
        if each.product == lines.product and any(used.batch in batches for used in each.batches)
    )


def lines_of(standing: Standing, every: Every) -> list[Lines]:
    """All batches that ended, by product, unit and period, in order."""
    latest = {row.batch: row for row in standing.latest}
    groups: dict[tuple[str, Period], list[BatchRow]] = {}
    for row in standing.rows:
        if row.product is not None and row.ended_ms is not None:
            key = row.product, period_at(row.ended_ms, every, standing.zone)
            groups.setdefault(key, []).append(row)
    return [
        Lines(
            *(product, unit, period),
            tuple(latest[row.batch] for row in rows if _is_final(row, standing)),
            tuple(row.batch for row in rows if not _is_final(row, standing)),
        )
        for (product, period), group in sorted(groups.items())
        for unit, rows in _by_unit(group).items()
    ]


def standing_for(lines: Lines, method: str, newest: Iterable[Footprint]) -> Footprint | None:
    """The newest one of a period: what the next takes the place of."""
    wanted = lines.product, lines.unit, method, lines.period.name
    found = (
        each for each in newest if (each.product, each.unit, each.method, each.period) == wanted
    )
    return next(found, None)


def _judged(
    standing: Standing,
    lines: Lines,
    newest: Sequence[Footprint],
    rules: Rules,
    taken: tuple[str, ...],
) -> Due | None:
    stands = standing_for(lines, standing.method, newest)
    supersedes = (*((stands.id,) if stands else ()), *taken)
    if standing.told_ms < lines.period.end_ms:
        cause = _running(lines, standing, stands, newest, rules)
        return Due(lines, lines.end_ms, cause, supersedes) if cause else None
    if lines.open or not _has_good(lines):
        return None
    cause = _over(lines, standing, stands) or ("restated" if taken else None)
    return Due(lines, lines.period.end_ms, cause, supersedes) if cause else None


def _over(lines: Lines, standing: Standing, stands: Footprint | None) -> Cause | None:
    """Of a period that is over."""
    if stands is None or stands.end_ms < lines.period.end_ms:
        return "period"
    if _basis(lines.settled) != [(used.batch, used.revision) for used in stands.batches]:
        return "restated"
    declared = standing.declaration.of(lines.product) if standing.declaration else None
    its = bought(lines.settled, parse_fraction(stands.good), declared, standing.lots)
    told = its.inputs, "cradle_to_gate" if its.complete else "gate_to_gate"
    return None if told == (stands.upstream, stands.boundary) else "upstream"


def _running(
    lines: Lines,
    standing: Standing,
    stands: Footprint | None,
    newest: Sequence[Footprint],
    rules: Rules,
) -> Cause | None:
    """Of a period that is not over."""
    if stands is not None:
        revisions = dict(_basis(lines.settled))
        if any(
            revisions.get(used.batch) != used.revision
            for used in stands.batches
            if used.batch not in lines.open
        ):
            return "restated"
        if _basis(lines.settled) == [(used.batch, used.revision) for used in stands.batches]:
            return None
    key = lines.product, lines.unit, standing.method
    known = [each for each in newest if (each.product, each.unit, each.method) == key]
    figure = _figure(lines.settled)
    if not known or figure is None or len(lines.settled) < rules.drift_batches:
        return None
    last = parse_fraction(max(known, key=lambda each: (each.end_ms, each.published_ms)).kg_co2e)
    return "drift" if abs(figure - last) > rules.drift * last else None


def _figure(rows: Sequence[BatchRow]) -> Fraction | None:
    """kg for one unit; None where it is not known."""
    good = sum((parse_fraction(row.good) for row in rows), Fraction(0))
    if not good or any(row.kg_co2e is None for row in rows):
        return None
    return sum((parse_fraction(row.kg_co2e or "0") for row in rows), Fraction(0)) / good


def _is_final(row: BatchRow, standing: Standing) -> bool:
    return row.settled and row.revision > 0 and row.method == standing.method


def _has_good(lines: Lines) -> bool:
    return any(parse_fraction(row.good) for row in lines.settled)


def _basis(rows: Sequence[BatchRow]) -> list[tuple[str, int]]:
    return sorted((row.batch, row.revision) for row in rows)


def _by_unit(rows: Iterable[BatchRow]) -> dict[str, list[BatchRow]]:
    """Batches nobody counted go with the unit most others are counted in."""
    found: dict[str, list[BatchRow]] = {}
    uncounted: list[BatchRow] = []
    for row in rows:
        (uncounted if row.unit is None else found.setdefault(row.unit, [])).append(row)
    if found:
        found[max(sorted(found), key=lambda unit: len(found[unit]))] += uncounted
    return dict(_sorted(found))


def _sorted(found: Mapping[str, list[BatchRow]]) -> Iterator[tuple[str, list[BatchRow]]]:
    for unit in sorted(found):
        yield unit, sorted(found[unit], key=lambda row: row.batch)
