"""Published product factors: a product's, superseded ones too, one of them whole, and their series."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from calc_stream.footprints.footprint import (
    BatchUsed,
    Boundary,
    Cause,
    Doubted,
    Evidence,
    FactorUsed,
    Footprint,
    SourceUsed,
    Spread,
    Withdrawal,
    Withdrawn,
    successors,
)
from calc_stream.footprints.series import (
    Constant,
    PeriodFigure,
    Restated,
    Run,
    Series,
    SignedSeries,
    series_of,
    sign,
)
from calc_stream.web.behind import Behind, as_of, json
from calc_stream.web.bodies import Reason, reason_of
from calc_stream.web.described import describe, of
from calc_stream.web.guard import needs
from calc_stream.web.paging import After, Instant, Limit, cursor, link, place
from calc_stream.web.problems import Problem, bad_data, unknown
from wire.callers import Caller
from wire.errors import BadData


class Published(msgspec.Struct, frozen=True):
    """One of the list. `upstream_kg_co2e`: of purchased inputs, counted where it is `cradle_to_gate`.
    `successor`: the id of what took its place; `withdrawn`: it is not to be used; both None: it stands."""

    id: str
    unit: str
    method: str
    period: str
    start_ms: int
    end_ms: int
    published_ms: int
    cause: Cause
    good: str
    kg_co2e: str
    u95: str | None
    upstream_kg_co2e: str | None
    boundary: Boundary
    draft: bool
    supersedes: tuple[str, ...]
    successor: str | None
    withdrawn: Withdrawn | None

    @property
    def is_over(self) -> bool:
        """Whether it stands for nothing any more."""
        return self.successor is not None or self.withdrawn is not None


class Footprints(msgspec.Struct, frozen=True):
    """A product's, in the order of publishing or the other way round."""

    product: str
    footprints: list[Published]
    next: str | None


_ID = "5b0f5c1e-62b5-5b8e-9d53-0a1f3c9e7d11"
_EXAMPLE = Footprint(
    id=_ID,
    site="cq-wheel",
    product="wheel-18",
    unit="piece",
    method="gbt24067",
    period="2026-11",
    timezone="Asia/Shanghai",
    start_ms=1_793_462_400_000,
    end_ms=1_796_054_400_000,
    published_ms=1_796_054_700_000,
    cause="period",
    batches=(BatchUsed("B-0007", 1, 4711, "200", "73.945600", "9f86…"),),
    good="200",
    scrap="3",
    energy_kwh="128.000000",
    kwh_per_unit="0.64",
    total_kg_co2e="73.945600",
    kg_co2e="0.369728",
    columns={"life_cycle": "0.369728"},
    by_location="0.369728",
    by_market="0.369728",
    stages={"value_adding": "0.369728", "overhead": "0", "allocated": "0", "inherited": "0"},
    sources=(SourceUsed("grid", "electricity", "kWh", "128", {"life_cycle": "73.9456"}),),
    factors=(
        FactorUsed(
            *("cn-grid-footprint-2024", "0.5777", "kgCO2e/kWh", "life_cycle", "CN", 2024),
            *("MEE, NBS, NEA", "Announcement of the 2024 factors", "", "", "verified", False),
            kg="73.9456",
        ),
    ),
    factor_status="verified",
    factor_sets=("9f86…",),
    models=("60ab…",),
    spread=Spread("0.369728", "0.369728", None),
    u95=Doubted("0.0074", "0.0042", ()),
    measured_share="1",
    measured_activity_share="1",
    primary_data_share="0",
    traceable_share="1",
    gwp="AR6",
    standard="GB/T 24067-2024",
    allocation="setup=next; idle=pool; spread=none",
    valid_from_ms=1_796_054_400_000,
    valid_until_ms=1_827_590_400_000,
    evidence=Evidence(4711, "d082…", 0, ""),
)
_WITHDRAWN = Withdrawn(1_796_141_100_000, "m-press-1 was wired the wrong way round")
_POINT = PeriodFigure(
    period="2026-11",
    start_ms=1_793_462_400_000,
    end_ms=1_796_054_400_000,
    id=_ID,
    published_ms=1_796_054_700_000,
    cause="restated",
    good="200",
    kg_co2e="0.369728",
    u95="0.0042",
    factors=("cn-grid-footprint-2024",),
    factor_status="verified",
    running=False,
    superseded=(Restated("0b7c…", 1_796_054_700_000, "period", "0.37", "-0.000272"),),
    change_percent=None,
)
_CONSTANT = Constant(
    *("gbt24067", "GB/T 24067-2024", "AR6", "piece"),
    *("setup=next; idle=pool; spread=none", "month", ("60ab…",)),
)
_SERIES = SignedSeries(
    Series("cq-wheel", "wheel-18", (Run(_CONSTANT, (), (_POINT,)),)), "ed25519:…", "…"
)


def routes(behind: Behind) -> APIRouter:
    router = APIRouter(tags=["products"], dependencies=[needs("viewer")])
    example = Footprints("wheel-18", [_line(_EXAMPLE, None, None)], None)

    @router.get(
        "/v1/products/{product:path}/footprints",
        **describe(of(Footprints, example), problems=(304, 404, 503)),
    )
    def published(
        request: Request,
        product: str,
        period: Annotated[str, Query(max_length=10, description="such as 2026-11")] = "",
        standing: Annotated[
            bool,
            Query(description="only those no other took the place of, and nobody withdrew"),
        ] = False,
        newest: Annotated[bool, Query(description="the last one published first")] = False,
        limit: Limit = 100,
        after: After = "",
    ) -> Response:
        """A product's published footprints, the first one first."""
        begin, state = place(after, tuple[int]), behind.shelf.count(behind.site)
        found = _of(behind, product)
        lines = [
            (number, each)
            for number, each in enumerate(_lines(behind, found), 1)
            if period in ("", each.period) and not (standing and each.is_over)
        ]
        if newest:
            lines.reverse()
        left = lines if begin is None else [e for e in lines if _is_after(e[0], begin[0], newest)]
        part = left[:limit]
        following = cursor(part[-1][0]) if len(left) > limit else None
        answer = Footprints(product, [each for _, each in part], following)
        return as_of(request, state, answer, link(request, following))

    @router.get(
        "/v1/products/{product:path}/kpi",
        **describe(of(SignedSeries, _SERIES), problems=(304, 404, 503)),
    )
    def kpi(
        request: Request, product: str, from_ms: Instant = None, to_ms: Instant = None
    ) -> Response:
        """Its figure by period, signed by this calculator: what was restated stays in its point, and
        what was counted otherwise is another run. `from_ms`, `to_ms`: when periods begin."""
        span = from_ms or 0, 2**53 if to_ms is None else to_ms
        if span[0] >= span[1]:
            raise bad_data("to_ms: is after from_ms")
        state = behind.shelf.count(behind.site)
        found, withdrawn = _of(behind, product), behind.shelf.withdrawn(behind.site)
        signed = sign(series_of(behind.site, product, found, withdrawn, span), behind.key)
        return as_of(request, state, signed)

    @router.get(
        "/v1/footprints/{footprint}",
        **describe(of(Footprint, _EXAMPLE), problems=(304, 404)),
    )
    def one(request: Request, footprint: str) -> Response:
        """A published footprint, whole. It never changes; `…/line` says whether it stands."""
        found = behind.footprint(footprint)
        return as_of(request, 1, found, {"Cache-Control": "private, max-age=31536000, immutable"})

    told = describe(of(Published, _line(_EXAMPLE, None, None)), problems=(404,))

    @router.get("/v1/footprints/{footprint}/line", **told)
    def line(footprint: str) -> Response:
        """One of them as its product's list has it: whether it stands."""
        return json(_line_of(behind, behind.footprint(footprint)))

    withdrawn = _line(_EXAMPLE, None, Withdrawal(_ID, "cq-wheel", "wheel-18", "li.wei", _WITHDRAWN))

    @router.post(
        "/v1/footprints/{footprint}/withdraw",
        **describe(
            of(Published, withdrawn),
            takes=(of(Reason, Reason(_WITHDRAWN.reason)),),
            problems=(404, 409, 413, 503),
        ),
    )
    async def withdraw(
        request: Request, footprint: str, caller: Annotated[Caller, needs("operator")]
    ) -> Response:
        """It is not to be used any more, and why. It stays, and customers are told that it is over;
        the next one of its period takes its place. 409: it stands no more."""
        reason = await reason_of(request, "say in a few words why it is not to be used")
        request.state.told = f"{footprint}: {reason}"
        return json(await run_in_threadpool(_withdraw, behind, footprint, reason, caller.name))

    return router


def _withdraw(behind: Behind, id_: str, reason: str, by: str) -> Published:
    found = behind.footprint(id_)
    try:
        behind.shelf.withdraw(id_, reason, by, behind.now_ms())
    except BadData as exc:
        raise Problem(409, str(exc)) from exc
    return _line_of(behind, found)


def _of(behind: Behind, product: str) -> list[Footprint]:
    """Raises Problem for a product nobody told of."""
    found = behind.shelf.of(behind.site, product)
    if not found:
        rows = behind.ask(lambda site: {row.product for row in site.book.rows.values()})
        if product not in rows:
            raise unknown("product", product)
    return found


def _is_after(number: int, place: int, newest: bool) -> bool:
    return number < place if newest else number > place


def _lines(behind: Behind, found: list[Footprint]) -> list[Published]:
    """Of all of a product."""
    after, withdrawn = successors(found), behind.shelf.withdrawn(behind.site)
    return [_line(each, after.get(each.id), withdrawn.get(each.id)) for each in found]


def _line_of(behind: Behind, one: Footprint) -> Published:
    every = _lines(behind, behind.shelf.of(behind.site, one.product))
    return next(each for each in every if each.id == one.id)


def _line(each: Footprint, successor: str | None, withdrawal: Withdrawal | None) -> Published:
    withdrawn = withdrawal.withdrawn if withdrawal else None
    told: dict[str, Any] = {"u95": each.u95.kg_co2e, "successor": successor, "withdrawn": withdrawn}
    said = {n: getattr(each, n) for n in Published.__struct_fields__ if n not in told}
    return Published(**said, **told)
