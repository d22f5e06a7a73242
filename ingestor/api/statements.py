"""Other readings in: by hand, from delivery notes and bills, and corrections. A 201 means on disk."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request, Response

from ingestor import tables
from ingestor.api.bodies import Site, Submit, body_of, rows_of, submitted
from ingestor.api.described import Content, describe, of, text
from ingestor.api.guard import needs
from ingestor.intake import Post
from ingestor.tables import CSV, JSON
from wire.statements import Statement

_ONE = Statement(
    *("meter-gas-2026-11", "manual", "2026-11-30T16:00:00Z"), meter="m-gas", register="48211.4"
)
_TABLE = (
    "id,type,from,to,source,quantity,unit,document\n"
    "bill-2026-11,bill,2026-11-01T00:00:00+08:00,2026-12-01T00:00:00+08:00,grid,48211,kWh,INV-7\n"
)
_NAMES = [field.encode_name for field in msgspec.structs.fields(Statement)]


class PlacedStatement(msgspec.Struct, frozen=True):
    """Where the journal has the statement with this id; 0 where a dry run found that it is new."""

    id: str
    offset: int
    new: bool


def routes(submit: Submit, most_body_bytes: int) -> APIRouter:
    router = APIRouter(tags=["readings"], dependencies=[needs("operator")])
    answer = of(list[PlacedStatement], [PlacedStatement("meter-gas-2026-11", 4712, True)])
    one, many = of(Statement, _ONE), of(list[Statement], [_ONE])
    taken = Content({"anyOf": [one.schema, many.schema]}, one.example, JSON), text(_TABLE, CSV)
    refusals = (404, 409, 413, 415, 503)
    told = describe(answer, *taken, status=201, also={200: answer}, problems=refusals)

    @router.post("/v1/{site}/readings", **told)
    async def post(
        site: Site, request: Request, dry_run: Annotated[bool, Query()] = False
    ) -> Response:
        """Statements: manual readings, deliveries, bills, corrections and voids. All are taken (201),
        or none, and each fault is named. JSON, one or a list; JSON lines; CSV. With `dry_run`
        nothing is written (200)."""
        body = await body_of(request, most_body_bytes)
        kind = request.headers.get("content-type", JSON)
        rows = rows_of(kind, body, lambda data: tables.read_csv(data, _NAMES))
        documents = tuple(row.data for row in rows)
        names = [row.where for row in rows]
        placed = await submitted(submit, Post(site, "statement", documents, dry_run), names)
        shown = [PlacedStatement(each.key, each.offset, each.new) for each in placed]
        return Response(msgspec.json.encode(shown), 200 if dry_run else 201, media_type=JSON)

    return router
