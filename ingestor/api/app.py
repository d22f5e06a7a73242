"""The application, put together from the routes of each concern."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from fastapi import APIRouter, FastAPI, Response

from ingestor.api import described, problems
from ingestor.api.guard import Guard


def build(guard: Guard, routers: Sequence[APIRouter]) -> FastAPI:
    """Every router's routes behind one guard; `needs(role)` before a route says who may."""
    app = FastAPI(
        title="wattprint ingestor", version="1", openapi_url=None, docs_url=None, redoc_url=None
    )
    app.state.guard, app.state.routers = guard, routers
    problems.install(app)
    for router in routers:
        app.include_router(router)
    document = msgspec.json.encode(described.document(app))

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return Response(document, media_type="application/json")

    return app


class Server(uvicorn.Server):
    """uvicorn inside a process that has its own signal handlers."""

    def capture_signals(self) -> Any:
        return nullcontext()


def server(app: FastAPI, cert: Path | None = None, key: Path | None = None) -> Server:
    """Serve with `await server.serve([socket])`; stop with `server.should_exit = True`.

    HTTPS with a certificate, whose file may hold its key.
    """
    return Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=3,
            ssl_certfile=cert,
            ssl_keyfile=key,
        )
    )
