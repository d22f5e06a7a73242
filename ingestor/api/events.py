"""Production events in. A 201 means that they are on disk."""

import msgspec
from fastapi import APIRouter, Request, Response

from ingestor.api.bodies import Site, Submit, body_of, submitted
from ingestor.api.described import Content, describe, of
from ingestor.api.guard import needs
from ingestor.api.problems import bad_data
from ingestor.intake import Post
from wire.messages import ProductionEvent

_MOST_EVENTS = 1000
_EVENT = ProductionEvent(
    *("e1", "2026-11-21T08:00:00.000Z", "start"), node="press-1", batch="B1", product="wheel-18"
)


class PlacedEvent(msgspec.Struct, frozen=True):
    """Where the journal has the event with this id."""

    id: str
    offset: int


def routes(submit: Submit, most_body_bytes: int) -> APIRouter:
    router = APIRouter(tags=["events"], dependencies=[needs("operator")])
    answer = of(list[PlacedEvent], [PlacedEvent("e1", 3)])
    one, many = of(ProductionEvent, _EVENT), of(list[ProductionEvent], [_EVENT])
    taken = Content({"anyOf": [one.schema, many.schema]}, one.example)

    @router.post(
        "/v1/{site}/events", **describe(answer, taken, status=201, problems=(404, 409, 413, 503))
    )
    async def events(site: Site, request: Request) -> Response:
        """One event, or a list of which all are taken, or none."""
        documents = _documents(await body_of(request, most_body_bytes))
        placed = await submitted(submit, Post(site, "event", documents))
        told = [PlacedEvent(each.key, each.offset) for each in placed]
        return Response(msgspec.json.encode(told), 201, media_type="application/json")

    return router


def _documents(body: bytes) -> tuple[bytes, ...]:
    try:
        told = msgspec.json.decode(body, type=msgspec.Raw)
        if not bytes(told).lstrip().startswith(b"["):
            return (body,)
        documents = msgspec.json.decode(body, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise bad_data(f"events: {exc}") from exc
    if not 1 <= len(documents) <= _MOST_EVENTS:
        raise bad_data(f"a list holds 1 to {_MOST_EVENTS} events")
    return tuple(bytes(document) for document in documents)
