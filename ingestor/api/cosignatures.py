"""What an auditor signs of tree heads (`wattprint cosign`). A 201 means on disk."""

import msgspec
from fastapi import APIRouter, Request, Response

from ingestor.api.bodies import Site, Submit, body_of, submitted
from ingestor.api.described import describe, of
from ingestor.api.guard import needs
from ingestor.intake import Post
from wire.journal.cosigned import Cosignature

_MOST_BYTES = 4096
_ONE = Cosignature(
    *("cq-wheel", 4711, "60ab1ef2c5f0a2a1c1e1b7d3f3a4b5c6d7e8f9a0b1c2d3e4f5a6b7c8d9e0f1a2"),
    *(1_795_651_200, "ed25519:qk0wVJ0GkB2tBqz4bbLyr9DqXgk9mZ0l4iE4wB1m0xk=", "c2lnbmF0dXJl"),
)


class PlacedCosignature(msgspec.Struct, frozen=True):
    """Where the journal has it."""

    offset: int


def routes(submit: Submit) -> APIRouter:
    router = APIRouter(tags=["journal"], dependencies=[needs("auditor")])
    placed = of(PlacedCosignature, PlacedCosignature(4713))
    told = describe(
        placed,
        of(Cosignature, _ONE),
        status=201,
        also={200: placed},
        problems=(404, 413, 503),
    )

    @router.post("/v1/journal/{site}/cosignatures", **told)
    async def post(site: Site, request: Request) -> Response:
        """A signature beside the ingestor's on one of its tree heads. 200: it was there already."""
        body = await body_of(request, _MOST_BYTES)
        [its] = await submitted(submit, Post(site, "cosignature", (body,)))
        answer = msgspec.json.encode(PlacedCosignature(its.offset))
        return Response(answer, 201 if its.new else 200, media_type="application/json")

    return router
