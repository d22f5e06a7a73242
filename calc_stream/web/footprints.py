"""Published product factors: a product's, superseded ones too, one of them whole, and their series."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request, Response

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
from calc_stream.web.behind import Behind, as_of
from calc_stream.web.described import describe, of
from calc_stream.web.guard import needs
from calc_stream.web.paging import After, Instant, Limit, cursor, link, place
from calc_stream.web.problems import bad_data, unknown


class Published(msgspec.Struct, frozen=True):
    """One of the list. `upstream_kg_co2e`: of purchased inputs, counted where it is `cradle_to_gate`.
    `successor`: the id of what took its place; None: it stands."""

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
    example = Footprints("wheel-18", [_line(_EXAMPLE, None)], None)

    @router.get(
        "/v1/products/{product:path}/footprints",
        **describe(of(Footprints, example), problems=(304, 404, 503)),
    )
    def published(
        request: Request,
        product: str,
        period: Annotated[str, Query(max_length=10, description="such as 2026-11")] = "",
        standing: Annotated[
            bool, Query(description="only those no other took the place of")
        ] = False,
        newest: Annotated[bool, Query(description="the last one published first")] = False,
        limit: Limit = 100,
        after: After = "",
    ) -> Response:
        """A product's published footprints, the first one first."""
        begin = place(after, tuple[int])
        found = _of(behind, product)
        successors = {id_: each.id for each in found for id_ in each.supersedes}
        lines = [
            (number, _line(each, successors.get(each.id)))
            for number, each in enumerate(found, 1)
            if period in ("", each.period) and not (standing and each.id in successors)
        ]
        if newest:
            lines.reverse()
        left = lines if begin is None else [e for e in lines if _is_after(e[0], begin[0], newest)]
        part = left[:limit]
        following = cursor(part[-1][0]) if len(left) > limit else None
        answer = Footprints(product, [line for _, line in part], following)
        return as_of(request, len(found), answer, link(request, following))

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
        found = _of(behind, product)
        signed = sign(series_of(behind.site, product, found, span), behind.key)
        return as_of(request, len(found), signed)

    @router.get(
        "/v1/footprints/{footprint}",
        **describe(of(Footprint, _EXAMPLE), problems=(304, 404)),
    )
    def one(request: Request, footprint: str) -> Response:
        """A published footprint, whole. It never changes."""
        found = behind.footprint(footprint)
        return as_of(request, 1, found, {"Cache-Control": "private, max-age=31536000, immutable"})

    return router


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


def _line(each: Footprint, successor: str | None) -> Published:
    said = {name: getattr(each, name) for name in Published.__struct_fields__[:-1] if name != "u95"}
    return Published(**said, u95=each.u95.kg_co2e, successor=successor)
