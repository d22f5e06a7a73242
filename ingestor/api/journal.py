"""The journal out, to readers on other machines."""

from collections.abc import Callable
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Response

from ingestor.api.bodies import OffLoop, Site
from ingestor.api.described import describe, of
from ingestor.api.guard import needs
from ingestor.api.problems import not_now
from wire.errors import TransientError
from wire.journal import GENESIS, Record

_MOST_RECORDS = 1000
_MOST_ANSWER_BYTES = 32 * 1024 * 1024


class Page(msgspec.Struct, frozen=True):
    """Records in order; `data` is base64."""

    records: list[Record]


_EXAMPLE = Page(
    [Record("cq-wheel", 1, "event", "e1", "9f86…", GENESIS, "60ab…", 1_795_651_200_000, b"{}")]
)


def routes(records: Callable[[str, int, int], list[Record]], off_loop: OffLoop) -> APIRouter:
    """`records(site, after, limit)`."""
    router = APIRouter(tags=["journal"], dependencies=[needs("auditor")])

    @router.get("/v1/journal/{site}", **describe(of(Page, _EXAMPLE), problems=(503,)))
    async def journal(
        site: Site,
        begin: Annotated[int, Query(alias="from", ge=1, le=2**53)] = 1,
        limit: Annotated[int, Query(ge=1, le=_MOST_RECORDS)] = 100,
    ) -> Response:
        """Records from offset `from` on, as many as there are and fit one answer."""
        try:
            found = await off_loop(records, site, begin - 1, limit)
        except TransientError as exc:  # a cold file that is not there: it says which
            raise not_now(exc) from exc
        page = msgspec.json.encode(Page(_fitting(found)))
        return Response(page, media_type="application/json")

    return router


def _fitting(records: list[Record]) -> list[Record]:
    """As many as fit one answer, at least one."""
    size = 0
    fitting: list[Record] = []
    for record in records:
        size += len(record.data)
        if fitting and size > _MOST_ANSWER_BYTES:
            break
        fitting.append(record)
    return fitting
