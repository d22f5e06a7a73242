"""Stored readings out: as JSON, CSV or Parquet, in pages."""

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Header, Query, Request, Response

from ingestor.api import forms
from ingestor.api.bodies import OffLoop, Site
from ingestor.api.described import describe, of
from ingestor.api.guard import needs
from ingestor.api.problems import Problem, bad_data, not_now
from ingestor.readings import LEAST_LIMIT, Page, Question
from wire.errors import TransientError

_MOST_SPAN_MS = 31 * 86_400_000
_MOST_STEPPED_SPAN_MS = 400 * 86_400_000
_LEAST_STEP_MS, _MOST_STEP_MS = 1000, 31 * 86_400_000
_MOST_LIMIT = 1_000_000
_MOST_MS = 2**53


class Shown(msgspec.Struct, frozen=True, omit_defaults=True):
    """One quantity at one quality; each list is as long as `t_ms`. Down-sampled, a register has the
    last `value` read at or before each step and when (`read_ms`), everything else the figures of
    the `readings` from it to the next."""

    quantity: str
    unit: str
    quality: str
    t_ms: list[int]
    value: list[float] | None = None
    read_ms: list[int] | None = None
    mean: list[float] | None = None
    min: list[float] | None = None
    max: list[float] | None = None
    readings: list[int] | None = None


class Readings(msgspec.Struct, frozen=True):
    """Readings of one meter; `next_ms` is where the next page begins, null after the last."""

    site: str
    meter: str
    series: list[Shown]
    next_ms: int | None


_EXAMPLE = Readings(
    *("cq-wheel", "m-press-1"),
    [Shown("active_energy_import", "kWh", "good", [1_795_651_200_000], [12345.678])],
    None,
)


def routes(ask: Callable[[Question], Page], off_loop: OffLoop) -> APIRouter:
    """`ask` reads from the sink that answers for the stored readings."""
    router = APIRouter(tags=["readings"], dependencies=[needs("viewer")])
    answers = describe(of(Readings, _EXAMPLE), problems=(406, 503))
    for form in (forms.CSV, forms.PARQUET):
        described = {"schema": form.schema, "example": form.example}
        answers["responses"][200]["content"][form.media_type] = described

    @router.get("/v1/{site}/readings", **answers)
    async def stored(
        request: Request,
        site: Site,
        meter: Annotated[str, Query(min_length=1, max_length=128)],
        from_ms: Annotated[int, Query(ge=0, le=_MOST_MS)],
        to_ms: Annotated[int, Query(ge=0, le=_MOST_MS)],
        quantity: Annotated[list[str], Query(max_length=64)] = [],  # noqa: B006  FastAPI copies it
        step_ms: Annotated[int, Query(ge=0, le=_MOST_STEP_MS)] = 0,
        limit: Annotated[int, Query(ge=LEAST_LIMIT, le=_MOST_LIMIT)] = 100_000,
        accept: Annotated[str, Header()] = "",
    ) -> Response:
        """What a meter read from `from_ms` to before `to_ms`: at most 31 days, with `step_ms` 400.

        `quantity` may be given several times; without it all are told. A page has at most `limit`
        readings or steps; its `Link` header, and `next_ms`, say where the next begins.
        """
        asked = Question(site, meter, from_ms, to_ms, quantity, step_ms, limit)
        if problem := _problem(asked):
            raise bad_data(problem)
        write = forms.writer(accept)
        if write is None:
            raise Problem(406, forms.REFUSAL)
        try:
            found = await off_loop(ask, asked)
        except TransientError as exc:
            raise not_now(exc) from exc
        body, media_type = await off_loop(write, asked, found)
        return Response(body, headers=_links(request, found), media_type=media_type)

    return router


def _problem(asked: Question) -> str:
    most = _MOST_STEPPED_SPAN_MS if asked.step_ms else _MOST_SPAN_MS
    if not 0 <= asked.to_ms - asked.from_ms <= most:
        return f"to_ms: is from from_ms on, at most {most // 86_400_000} days later"
    if asked.step_ms and asked.step_ms < _LEAST_STEP_MS:
        return f"step_ms: is 0 or at least {_LEAST_STEP_MS}"
    if not all(name.isascii() and name.replace("_", "").isalnum() for name in asked.quantities):
        return "quantity: is letters, digits and _"
    return ""


def _links(request: Request, found: Page) -> dict[str, str]:
    headers = {"Vary": "Accept"}
    if found.next_ms is not None:
        told: list[tuple[str, Any]] = [
            (key, value) for key, value in request.query_params.multi_items() if key != "from_ms"
        ]
        query = urlencode([*told, ("from_ms", found.next_ms)])
        headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'
    return headers
