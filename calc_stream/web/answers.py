"""What the API answers besides rows: status and results, straight from a site's state."""

import msgspec

from calc_stream.alarms import Alarm, alarms
from calc_stream.ledger.figures import texts
from calc_stream.ledger.rows import CLOSED, BatchRow
from calc_stream.site import Site

Quanta = dict[str, dict[str, str]]


class Status(msgspec.Struct, frozen=True):
    """How far and how much. `meters`: registers read; `closure` in the sources' units."""

    site: str
    offset: int
    committed_offset: int
    frontier_ms: int | None
    meters: int
    readings: int
    segments: int
    intervals: int
    closure: dict[str, str]
    accounts: int
    batches_open: int
    batches_closed: int
    method: str
    model: str | None
    factor_set: str | None
    unmapped: dict[str, str]
    silent: list[str]
    problems: dict[str, str]
    alarms: list[Alarm]


class Results(msgspec.Struct, frozen=True):
    """What is posted, up to the frontier: quanta as strings, by account and source."""

    site: str
    offset: int
    span: tuple[int, int] | None
    intervals: int
    accounts: Quanta
    closure: dict[str, str]
    incomplete: list[str]
    untraced: list[str]
    batches: dict[str, BatchRow]


class Batches(msgspec.Struct, frozen=True):
    """A page of batches; `next`: what to ask `after` for the rest."""

    offset: int
    batches: list[BatchRow]
    next: str | None


def status(site: Site) -> Status:
    state, versions, basis = site.state, site.state.versions, site.basis
    rows = site.book.rows.values()
    closed = sum(row.state in CLOSED for row in rows)
    return Status(
        site.rules.site,
        site.offset,
        site.committed,
        state.frontier_ms,
        len(versions.meters.keys() & set(state.readings.meters())) if versions else 0,
        site.told.readings,
        site.told.segments,
        sum(page.intervals for page in state.pages.values()),
        texts(versions, state.closure()) if versions else {},
        len(state.totals()) if versions else 0,
        len(rows) - closed,
        closed,
        site.rules.method.id,
        basis.model_hash(state.frontier_ms or 0) if basis else None,
        basis.factor_hash if basis else None,
        site.unmapped(),
        sorted(state.silent),
        dict(site.told.problems),
        alarms(site),
    )


def results(site: Site) -> Results:
    state, versions = site.state, site.state.versions
    if versions is None:
        return Results(site.rules.site, site.offset, None, 0, {}, {}, [], [], {})
    ledger = state.ledger("frontier")
    span = state.posted
    return Results(
        site.rules.site,
        site.offset,
        span,
        ledger.intervals,
        {account: _texts(sums) for account, sums in ledger.totals().items()},
        _texts(ledger.closure()),
        list(ledger.incomplete),
        list(ledger.untraced),
        dict(site.book.rows),
    )


def page_of(
    site: Site, rows: list[BatchRow], state: str | None, product: str | None, limit: int, after: str
) -> Batches | None:
    """`state` closed means closed, settled or restated; None when `after` names no batch of it."""
    wanted = CLOSED if state == "closed" else {state} if state else None
    rows = [r for r in rows if wanted is None or r.state in wanted]
    rows = [r for r in rows if product is None or r.product == product]
    ids = [row.batch for row in rows]
    if after and after not in ids:
        return None
    begin = ids.index(after) + 1 if after else 0
    shown = rows[begin : begin + limit]
    more = shown and begin + limit < len(rows)
    return Batches(site.offset, shown, shown[-1].batch if more else None)


def _texts(sums: dict[str, int]) -> dict[str, str]:
    return {source: str(quanta) for source, quanta in sums.items()}
