"""The page itself, its live stream, and whether the process answers."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, FastAPI, Header, Response
from fastapi.responses import FileResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles

from calc_stream.web.behind import Behind, json
from calc_stream.web.change import Change
from calc_stream.web.described import Content, describe, of
from calc_stream.web.guard import needs
from calc_stream.web.problems import not_now
from calc_stream.web.snapshot import Snapshot

STATIC = Path(__file__).parent / "static"
# The page needs nothing from elsewhere, and nothing from elsewhere may run in it.
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


class Health(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str


class _Fresh(StaticFiles):
    """Asked for anew each time: after an upgrade no browser mixes old modules with new ones."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


def install(app: FastAPI) -> None:
    """What needs no key: the page shows nothing by itself."""
    app.mount("/static", _Fresh(directory=STATIC, check_dir=False), name="static")

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(STATIC / "index.html", headers=_HEADERS)

    @app.get("/health", tags=["status"], **describe(of(Health, Health("ok")), is_open=True))
    async def health() -> Response:
        """Whether the process answers; needs no key."""
        return json(Health("ok"))


def routes(behind: Behind) -> APIRouter:
    router = APIRouter(tags=["live"], dependencies=[needs("viewer")])
    told = msgspec.to_builtins(Change(1_795_651_200_000, offset=4711))
    line = f"id: 4711-5f3a0c1b-27\nevent: change\ndata: {msgspec.json.encode(told).decode()}\n\n"
    events = Content({"type": "string"}, line, "text/event-stream")

    @router.get("/v1/live", **describe(events))
    async def stream(
        last_event_id: Annotated[
            str, Header(max_length=100, description="of a line that broke")
        ] = "",
    ) -> Response:
        """Server-sent events: a `snapshot`, then each `change`. With Last-Event-ID what came after
        it, or, where that is gone, a snapshot that is not older."""
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(
            behind.live.follow(last_event_id), media_type="text/event-stream", headers=headers
        )

    whole = Snapshot("cq-wheel", 1_795_651_200_000, None, 4711, None, "gbt24067")

    @router.get("/v1/snapshot", **describe(of(Snapshot, whole), problems=(503,)))
    async def snapshot() -> Response:
        """The newest one."""
        newest = behind.live.whole()
        if newest is None:
            raise not_now("the journal has not been opened yet")
        return Response(newest, media_type="application/json")

    return router
