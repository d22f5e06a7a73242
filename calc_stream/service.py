"""The running calculator: engine, live stream, web server and the hand-over on one asyncio loop."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import closing, nullcontext
from typing import Any

import uvicorn

from calc_stream.config import Plan
from calc_stream.engines.embedded import Engine
from calc_stream.handover import hand_over
from calc_stream.ledger.store import Store, open_store
from calc_stream.site import Site, Step
from calc_stream.web import app, snapshot
from calc_stream.web.broker import BatchMessages
from calc_stream.web.live import Live
from calc_stream.web.view import View
from wire.errors import ConfigError

log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """uvicorn inside a process that has its own signal handlers."""

    def capture_signals(self) -> Any:
        return nullcontext()


async def run(plan: Plan, stop: asyncio.Event, now_ms: Callable[[], int]) -> None:
    """Until `stop` is set; then what was taken is committed, and the ledger is one file again.

    Raises ConfigError.
    """
    state = plan.config.state
    with closing(open_store(state, create=True)) as store, closing(open_store(state)) as reader:
        await _serve_all(plan, store, reader, stop, now_ms)


async def _serve_all(
    plan: Plan, store: Store, reader: Store, stop: asyncio.Event, now_ms: Callable[[], int]
) -> None:
    config = plan.config
    view, live = View(), Live()
    messages = BatchMessages(config.broker, config.site) if config.broker else None

    def seen(site: Site, step: Step) -> None:
        view.see(site, step)
        if messages:
            messages.moved(step.moved)

    engine = Engine(config.place, plan.rules, store, plan.engine_settings, seen)

    def build() -> snapshot.Snapshot | None:
        with engine.lock:
            return snapshot.build(engine.site, view, now_ms()) if engine.site else None

    web = app.build(engine, reader, live, view, now_ms)
    server = _server(web, config.web.host, config.web.port)
    async with asyncio.TaskGroup() as tasks:
        follower = tasks.create_task(plan.engine.run(engine, stop, live.moved), name="engine")
        others = [
            tasks.create_task(live.run(build), name="live"),
            tasks.create_task(hand_over(plan), name="hand-over"),
        ]
        if messages:
            others.append(tasks.create_task(messages.run(), name="broker"))
        serving = tasks.create_task(_serve(server), name="web")
        log.info("the page is on http://%s:%d", config.web.host, config.web.port)
        await stop.wait()
        live.close()
        server.should_exit = True
        await asyncio.wait((follower, serving))
        for task in others:
            task.cancel()
    log.info("stopped at offset %d", engine.site.offset if engine.site else 0)


def _server(web: Any, host: str, port: int) -> _Server:
    config = uvicorn.Config(
        web,
        host,
        port,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=2,
    )
    return _Server(config)


async def _serve(server: _Server) -> None:
    try:
        await server.serve()
    except SystemExit as exc:  # uvicorn's way to say that the port is taken; it has logged why
        where = f"{server.config.host}:{server.config.port}"
        raise ConfigError(f"web.port: {where} cannot be used; is something else there?") from exc
