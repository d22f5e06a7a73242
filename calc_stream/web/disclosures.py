"""Who got which figure, at which level, when: what `wattprint disclose` wrote down."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Response

from calc_stream.disclosing import Disclosure
from calc_stream.web.behind import Behind, json
from calc_stream.web.described import describe, of
from calc_stream.web.guard import needs
from calc_stream.web.paging import MOST_ROWS
from calc_stream.web.problems import Problem
from wire.errors import BadData

_HASH = "60ab1ef2c5f0a2a1c1e1b7d3f3a4b5c6d7e8f9a0b1c2d3e4f5a6b7c8d9e0f1a2"
_ONE = Disclosure(
    t_ms=1_795_651_200_000,
    kind="footprint",
    site="cq-wheel",
    id="5b0f5c1e-62b5-5b8e-9d53-0a1f3c9e7d11",
    level="buyer",
    to="Example Cars",
    fields=41,
    by="li.wei",
    root=_HASH,
    hash=_HASH,
    prev="0" * 64,
)


class Disclosures(msgspec.Struct, frozen=True):
    """The newest first."""

    disclosures: list[Disclosure]


def routes(behind: Behind) -> APIRouter:
    router = APIRouter(tags=["products"], dependencies=[needs("auditor")])
    told = describe(of(Disclosures, Disclosures([_ONE])), problems=(409,))

    @router.get("/v1/disclosures", **told)
    def disclosures(limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 100) -> Response:
        """Who got which figure when. Each entry has the hash of the one before it; 409 where one was
        changed or taken out."""
        try:
            found = behind.disclosures.all()
        except BadData as exc:
            raise Problem(409, str(exc)) from exc
        return json(Disclosures(found[: -limit - 1 : -1]))

    return router
