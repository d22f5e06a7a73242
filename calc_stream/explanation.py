"""What a batch's footprint stands on: from the row back to factors, meters, registers, segments.

The row is read from the ledger; all below it is computed again from the journal up to the row's
offset, with the model and the factor set the row names.
"""

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from itertools import takewhile

import msgspec

from calc_stream.core import SiteState, Spreading, Versions, recompute
from calc_stream.core.decimals import fixed, parse_fraction, parse_instant, shortest, significant
from calc_stream.core.edges import span_of
from calc_stream.core.series import Span
from calc_stream.core.whole import LIMIT
from calc_stream.evidence.accounts import AccountTrail, accounts_trail
from calc_stream.evidence.budget import Budget
from calc_stream.evidence.given import PoolTrail, pools_trail
from calc_stream.evidence.production import Production, production, spans_of
from calc_stream.evidence.told import Told, gather, in_force, versions_in_force
from calc_stream.evidence.trail import EventTrail, MeterTrail, Trail, finer, trail
from calc_stream.factors import (
    InventoryFactor,
    Method,
    ProductFactor,
    Rates,
    given_of,
    load_method,
)
from calc_stream.footprints.doubt import Again, joint_budget
from calc_stream.ledger.rows import CLOSED, BatchRow
from calc_stream.ledger.store import Store
from calc_stream.restated import posted_in
from calc_stream.statements import Statements
from wire.journal import Reader
from wire.units import convert


class MassTrail(msgspec.Struct, frozen=True):
    """Into one column: kg = amount x what a unit weighs by this factor; `counted` in the total.

    `amount`: what was used in a period in which the factor held.
    """

    column: str
    counted: bool
    factor: ProductFactor | InventoryFactor
    amount: str
    per_unit: str
    kg: str


class SourceTrail(msgspec.Struct, frozen=True):
    """From a source's meters to kg: own = entered + rounding; amount = own + allocated + inherited.

    `entered`: the batch's part of what the source's meters counted; `rounding`: what posting in
    whole quanta, interval by interval, moved between the accounts, with what `besides` says.
    `masses`: none when unknown.
    """

    source: str
    unit: str
    amount: str
    own: str
    allocated: str
    inherited: str
    entered: str
    rounding: str
    besides: tuple[str, ...]
    masses: list[MassTrail]


class Explanation(msgspec.Struct, frozen=True):
    """The row, and what it stands on. `pools`: what pools and campaigns gave to it."""

    row: BatchRow
    sources: list[SourceTrail]
    accounts: list[AccountTrail]
    pools: list[PoolTrail]
    meters: list[MeterTrail]
    events: list[EventTrail]
    uncertainty: Budget | None


def explain(store: Store, reader: Reader, site: str, row: BatchRow) -> Explanation:
    """What a row of the ledger stands on. Raises ConfigError for another journal than its own."""
    offset, data, _ = store.state(site)
    state = SiteState.from_bytes(data)
    # A figure that is stated stands at its offset; an open one moves on with the ledger.
    upto = row.offset if row.state in CLOSED else offset
    until_ms = state.frontier_ms or 0
    if row.state in CLOSED and row.ended_ms is not None:
        until_ms = row.ended_ms
    told, method = _told(reader, site, row, upto)
    found = trail(told, row.batch, until_ms)
    rates = _rates(told, row, method)
    sources = list(_sources(row, told, found, rates))
    made = production(told.versions, told.events.values())
    spans = spans_of(told.periods, made, row.batch)
    again = _again(row, told, made, spans, until_ms)
    doubt = joint_budget(again, [row], rates)
    accounts, pools = accounts_trail(found.over, row.batch), _pools(row, again, spans)
    return Explanation(row, sources, accounts, pools, found.meters, found.events, doubt)


def _rates(told: Told, row: BatchRow, method: Method) -> Rates | None:
    """As the row was weighed: what contracts cover counts once all their windows are over."""
    if told.factors is None:
        return None
    rates = Rates(told.versions, told.factors, method)
    if not rates.contracts or not row.spread:
        return rates
    events, marks = told.events.values(), told.periods.marks
    ledger = recompute(told.versions, events, told.readings, marks=marks)
    return rates.covered(given_of(ledger.sums()))


def row_of(store: Store, site: str, batch: str, revision: int | None) -> BatchRow | None:
    """The batch as it stands on disk, or one revision of it."""
    rows = store.rows(site) if revision is None else store.revisions(site, batch)
    for row in rows:
        if row.batch == batch and revision in (None, row.revision):
            return row
    return None


def _told(reader: Reader, site: str, row: BatchRow, upto: int) -> tuple[Told, Method]:
    method = load_method(row.method)
    versions = versions_in_force(reader.of_kind(site, "model"), row.model, upto, method)
    factors = in_force(reader.of_kind(site, "factor"), row.factor_set, upto)
    corrections = reader.of_kind(site, "correction")
    statements = Statements(record for record in corrections if record.offset <= upto)
    records = takewhile(lambda record: record.offset <= upto, reader.walk(site))
    return gather(records, versions, factors, statements), method


def _again(row: BatchRow, told: Told, made: Production, spans: list[Span], until_ms: int) -> Again:
    """What is known of the site. What pools gave goes on after the batch's end."""
    posted = span_of(told.versions, told.readings)
    if posted is not None and not (row.state in CLOSED and row.spread):
        posted = posted[0], min(posted[1], until_ms)
    return Again(
        *(told.periods, told.events, told.readings, made.batches, made.nodes, posted),
        cache(lambda: posted_in(told, spans).sums),
    )


def _pools(row: BatchRow, its: Again, spans: list[Span]) -> list[PoolTrail]:
    """None before all windows the batch was in are over."""
    if not (its.versions.spreads and row.spread and row.state in CLOSED):
        return []
    spreading = Spreading(its.periods, its.nodes, its.batches, its.received(), its.posted)
    return pools_trail(spreading, spans, row.batch)


def _quanta(row: BatchRow, versions: Versions, source: str) -> dict[int, Fraction]:
    """The amounts of a source by the start of their period."""
    quanta = versions.carrier_of(source).quanta_per_unit
    return {
        parse_instant(since) if since else -LIMIT: parse_fraction(amount) * quanta
        for since, amount in row.by_period.get(source, {}).items()
    }


def _sources(row: BatchRow, told: Told, found: Trail, rates: Rates | None) -> Iterator[SourceTrail]:
    for source, amount in row.by_source.items():
        carrier = told.versions.carrier_of(source)
        allocated, came = row.allocated.get(source, "0"), row.inherited.get(source, "0")
        own = parse_fraction(amount) - parse_fraction(allocated) - parse_fraction(came)
        entered = finer(found.entered.get(source, Fraction(0)), carrier)
        yield SourceTrail(
            source,
            carrier.unit,
            amount,
            shortest(own),
            allocated,
            came,
            entered,
            shortest(own - parse_fraction(entered)),
            _besides(told),
            list(_masses(row, told, source, rates)),
        )


def _besides(told: Told) -> tuple[str, ...]:
    """What own energy may hold that came on no way from a source's meter within its interval."""
    stored = "what stores gave" if told.versions.stores else ""
    setup = "its part of its campaign's set-up" if told.versions.campaigns else ""
    return tuple(filter(None, (stored, setup)))


def _masses(row: BatchRow, told: Told, source: str, rates: Rates | None) -> Iterator[MassTrail]:
    """Period by period, what each factor made of it."""
    carrier = told.versions.carrier_of(source)
    for period_ms, quanta in _quanta(row, told.versions, source).items():
        amount = quanta / carrier.quanta_per_unit
        for column, kg, factor in (rates.of(source, period_ms) if rates else None) or ():
            yield MassTrail(
                column,
                rates is not None and rates.counts(column),
                factor,
                fixed(round(quanta), carrier.quanta_per_unit, carrier.digits),
                significant(kg / convert(carrier.unit, factor.per)),
                significant(amount * kg, 15),
            )
