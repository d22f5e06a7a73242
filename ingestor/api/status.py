"""How everything stands."""

from collections.abc import Callable

import msgspec
from fastapi import APIRouter, Response

from ingestor.api.bodies import OffLoop
from ingestor.api.described import describe, of
from ingestor.api.guard import needs
from ingestor.status import SinkStatus, SiteStatus, SourceStatus, Status, StreamStatus
from wire.messages import GatewayState


class Health(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str


_EXAMPLE = Status(
    "connected",
    {
        "cq-wheel": SiteStatus(
            *(4711, 4600, 92_000, 100, 4600, 3, 0, 0),
            {"gw-1/5f3a": StreamStatus(4600, [], [])},
            {"mes": SourceStatus(100, [(98, 98)], 1_795_651_200_000)},
            {"gw-1": GatewayState("gw-1", True, 1_795_651_200_000, "5f3a", 4600, 4600)},
            {"embedded": SinkStatus("running", 4711)},
        )
    },
)


def routes(status: Callable[[], Status], off_loop: OffLoop) -> APIRouter:
    router = APIRouter(tags=["status"])

    @router.get("/health", **describe(of(Health, Health("ok")), is_open=True))
    async def health() -> Response:
        """Whether the process answers; needs no key."""
        return Response(b'{"status":"ok"}', media_type="application/json")

    @router.get("/v1/status", dependencies=[needs("viewer")], **describe(of(Status, _EXAMPLE)))
    async def everything() -> Response:
        """How every site, stream, source and sink stands."""
        told = msgspec.json.encode(await off_loop(status))
        return Response(told, media_type="application/json")

    return router
