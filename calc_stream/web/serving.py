"""uvicorn inside a process that has its own signal handlers."""

from contextlib import nullcontext
from typing import Any

import uvicorn
from fastapi import FastAPI

from wire.errors import ConfigError


class Server(uvicorn.Server):
    """Ends when it is told to, and by no signal."""

    def capture_signals(self) -> Any:
        return nullcontext()


def server(application: FastAPI, host: str, port: int, **more: Any) -> Server:
    """`more`: for TLS."""
    config = uvicorn.Config(
        application,
        host,
        port,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=2,
        **more,
    )
    return Server(config)


async def serve(server: Server, key: str) -> None:
    """Until it is told to end. Raises ConfigError naming the key of a port that is taken."""
    try:
        await server.serve()
    except SystemExit as exc:  # uvicorn's way to say that the port is taken; it has logged why
        where = f"{server.config.host}:{server.config.port}"
        raise ConfigError(f"{key}: {where} cannot be used; is something else there?") from exc
