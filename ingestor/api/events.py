"""Production events in. A 201 means that they are on disk."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request, Response

from ingestor import b2mml, events, tables
from ingestor.api.bodies import Beat, Site, Submit, body_of, refused, rows_of, submitted
from ingestor.api.described import Content, describe, of, text
from ingestor.api.guard import needs
from ingestor.api.problems import not_now
from ingestor.b2mml import Lots
from ingestor.intake import Post
from ingestor.tables import CSV, JSON
from wire.errors import BadData, TransientError
from wire.messages import EventReceipt, Heartbeat, ProductionEvent

_EVENT = ProductionEvent(
    *("e1", "2026-11-21T08:00:00.000Z", "start"), node="press-1", batch="B1", product="wheel-18"
)
_TABLE = "id,t,type,node,batch,product\ne1,2026-11-21T08:00:00Z,start,press-1,B1,wheel-18\n"
_XML = """<JobResponse xmlns="http://www.mesa.org/xml/B2MML"><ID>J1</ID><JobOrderID>B1</JobOrderID>
<StartTime>2026-11-21T08:00:00Z</StartTime>
<EquipmentActual><EquipmentID>press-1</EquipmentID></EquipmentActual></JobResponse>"""
_NAMES = [field.encode_name for field in msgspec.structs.fields(ProductionEvent)]


class PlacedEvent(msgspec.Struct, frozen=True):
    """Where the journal has the event with this id; 0 where a dry run found that it is new."""

    id: str
    offset: int
    new: bool


def routes(submit: Submit, beat: Beat, most_body_bytes: int) -> APIRouter:
    router = APIRouter(tags=["events"], dependencies=[needs("operator")])
    answer = of(list[PlacedEvent], [PlacedEvent("e1", 3, True)])
    one, many = of(ProductionEvent, _EVENT), of(list[ProductionEvent], [_EVENT])
    taken = (
        Content({"anyOf": [one.schema, many.schema]}, one.example, JSON),
        text(_TABLE, CSV),
        text(_XML, "application/xml"),
    )
    refusals = (404, 409, 413, 415, 503)
    told = describe(answer, *taken, status=201, also={200: answer}, problems=refusals)

    @router.post("/v1/{site}/events", **told)
    async def post(
        site: Site,
        request: Request,
        dry_run: Annotated[bool, Query()] = False,
        lots: Annotated[Lots, Query()] = "batch",
    ) -> Response:
        """Events: all are taken (201), or none, and each fault is named. JSON, one or a list of at
        most 10 000; JSON lines; CSV; B2MML JobResponse, whose consumed `lots` are batches of this
        site, or bought. With `dry_run` nothing is written (200)."""
        body = await body_of(request, most_body_bytes)
        rows = rows_of(
            request.headers.get("content-type", JSON),
            body,
            lambda data: tables.read_csv(data, _NAMES, whole=("n",)),
            lambda data: b2mml.read_job_responses(data, lots),
        )
        documents = tuple(row.data for row in rows)
        names = [row.where for row in rows]
        placed = await submitted(submit, Post(site, "event", documents, dry_run), names)
        shown = [PlacedEvent(each.key, each.offset, each.new) for each in placed]
        return Response(msgspec.json.encode(shown), 200 if dry_run else 201, media_type=JSON)

    alive = Heartbeat("mes", 17, 1_795_651_200_000)
    receipt = of(EventReceipt, EventReceipt("mes", 15, gaps=[(16, 17)]))

    @router.post(
        "/v1/{site}/heartbeat", **describe(receipt, of(Heartbeat, alive), problems=(404, 413, 503))
    )
    async def heartbeat(site: Site, request: Request) -> Response:
        """«I am alive, and everything up to number n has been sent.» The answer says what came."""
        try:
            told = events.read_heartbeat(await body_of(request, 4096))
            said = await beat(site, told)
        except BadData as exc:
            raise refused(exc) from exc
        except TransientError as exc:
            raise not_now(exc) from exc
        return Response(msgspec.json.encode(said), media_type=JSON)

    return router
