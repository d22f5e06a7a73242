"""Sealed segments in, from where there is no broker: they are judged as any other."""

import msgspec
from fastapi import APIRouter, Request, Response

from ingestor.api.bodies import Site, Submit, body_of, submitted
from ingestor.api.described import Content, describe, of
from ingestor.api.guard import needs
from ingestor.api.problems import bad_data
from ingestor.intake import Post
from wire.segment import MAX_SEGMENT


class PlacedSegment(msgspec.Struct, frozen=True):
    """Where the journal has the segment with this key, <gateway>/<stream>/<seq>, and its SHA-256."""

    key: str
    offset: int
    hash: str


def routes(submit: Submit) -> APIRouter:
    router = APIRouter(tags=["segments"], dependencies=[needs("operator")])
    answer = of(PlacedSegment, PlacedSegment("history/5f3a/1", 4711, "9f86…"))
    taken = Content({"type": "string", "format": "binary"}, "…", "application/octet-stream")

    @router.post(
        "/v1/{site}/segments", **describe(answer, taken, status=201, problems=(404, 413, 503))
    )
    async def post(site: Site, request: Request) -> Response:
        """One segment, in its place in its stream, signed by a key that is known. Sent again, it is
        answered in the same way."""
        data = await body_of(request, MAX_SEGMENT)
        [placed] = await submitted(submit, Post(site, "segment", (data,)))
        if not placed.offset:
            raise bad_data(
                f"segment {placed.key} was not taken; the ingestor's quarantine says why"
            )
        told = PlacedSegment(placed.key, placed.offset, placed.hash)
        return Response(msgspec.json.encode(told), 201, media_type="application/json")

    return router
