"""Stored readings out."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import orjson
from fastapi import APIRouter, Query, Response

from ingestor.api.bodies import OffLoop, Site
from ingestor.api.described import describe, of
from ingestor.api.guard import needs
from ingestor.api.problems import bad_data
from ingestor.sinks.embedded import Series

_MOST_SPAN_MS = 31 * 86_400_000
_MOST_MS = 2**53


class ShownSeries(msgspec.Struct, frozen=True):
    """`values[quantity][i] * 10**exponents[quantity]` at `t_ms[i]`."""

    quality: str
    exponents: dict[str, int]
    t_ms: list[int]
    values: dict[str, list[int]]


class Readings(msgspec.Struct, frozen=True):
    """Readings of one meter."""

    site: str
    meter: str
    series: list[ShownSeries]


_EXAMPLE = Readings(
    *("cq-wheel", "m-press-1"),
    [
        ShownSeries(
            "good",
            {"active_energy_import": -3},
            [1_795_651_200_000],
            {"active_energy_import": [12_345_678]},
        )
    ],
)


def routes(readings: Callable[[str, str, int, int], list[Series]], off_loop: OffLoop) -> APIRouter:
    """`readings(site, meter, from_ms, to_ms)`."""
    router = APIRouter(tags=["readings"], dependencies=[needs("viewer")])

    @router.get("/v1/{site}/readings", **describe(of(Readings, _EXAMPLE)))
    async def stored(
        site: Site,
        meter: Annotated[str, Query(min_length=1, max_length=128)],
        from_ms: Annotated[int, Query(ge=0, le=_MOST_MS)],
        to_ms: Annotated[int, Query(ge=0, le=_MOST_MS)],
    ) -> Response:
        """What a meter read from `from_ms` to `to_ms`, at most 31 days apart."""
        if not 0 <= to_ms - from_ms <= _MOST_SPAN_MS:
            raise bad_data("to_ms: is from from_ms on, at most 31 days later")
        series = await off_loop(readings, site, meter, from_ms, to_ms)
        answer = {"site": site, "meter": meter, "series": [_shown(each) for each in series]}
        body = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
        return Response(body, media_type="application/json")

    return router


def _shown(series: Series) -> dict[str, Any]:
    return {
        "quality": series.quality,
        "exponents": series.exponents,
        "t_ms": series.t_ms,
        "values": series.values,
    }
