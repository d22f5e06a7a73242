"""What the API answers besides rows: status and results, straight from a site's state."""

from collections.abc import Collection

import msgspec
from fastapi import APIRouter, Response

from calc_stream.alarms import Alarm, alarms
from calc_stream.ledger.figures import texts
from calc_stream.ledger.rows import CLOSED, BatchRow
from calc_stream.site import Site
from calc_stream.web.behind import Behind, json
from calc_stream.web.described import describe, of
from calc_stream.web.guard import needs

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


_STATUS = Status(
    site="cq-wheel",
    offset=4711,
    committed_offset=4711,
    frontier_ms=1_795_651_200_000,
    meters=10,
    readings=92_000,
    segments=4600,
    intervals=380,
    closure={"grid": "0.000000"},
    accounts=14,
    batches_open=2,
    batches_closed=7,
    method="gbt24067",
    model="60ab…",
    factor_set="9f86…",
    unmapped={},
    silent=[],
    problems={},
    alarms=[],
)
_RESULTS = Results(
    site="cq-wheel",
    offset=4711,
    span=(1_795_651_200_000, 1_795_653_000_000),
    intervals=380,
    accounts={"pool:press-1": {"grid": "50000"}},
    closure={"grid": "0"},
    incomplete=[],
    untraced=[],
    batches={},
)


def routes(behind: Behind) -> APIRouter:
    router = APIRouter(tags=["status"], dependencies=[needs("viewer")])

    @router.get("/v1/status", **describe(of(Status, _STATUS), problems=(503,)))
    def how_far() -> Response:
        """How far the calculator is, and what needs a person."""
        now_ms = behind.now_ms()
        return json(behind.ask(lambda site: status(site, now_ms, behind.charts.over(site))))

    @router.get("/v1/results", **describe(of(Results, _RESULTS), problems=(503,)))
    def posted() -> Response:
        """Every account in quanta."""
        return json(behind.ask(results))

    return router


def status(site: Site, now_ms: int, over: Collection[str]) -> Status:
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
        alarms(site, now_ms, over),
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


def _texts(sums: dict[str, int]) -> dict[str, str]:
    return {source: str(quanta) for source, quanta in sums.items()}
