"""The calculator's HTTP door in this process: a real journal, ledger, engine and socket."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI

from calc_stream.config import load_plan
from calc_stream.footprints.shelf import open_shelf
from calc_stream.ledger.store import open_store
from calc_stream.service import Parts
from calc_stream.web.alarm_book import open_book
from tests import plain_http
from tests.integration.calculator_process import Calculator
from tests.unit.calc_stream_live.plant import T0, Plant
from wire.callers import CallersFile, Role

BY_HAND = {"X-Requested-With": "wattprint"}


@dataclass
class Door:
    """`now_ms`: what the clock on the wall shows. Keys are the names of their callers, twice."""

    plant: Plant
    parts: Parts
    keys: CallersFile
    clock: list[int] = field(default_factory=lambda: [T0 + 240_000])

    url: str = ""
    clients: list[httpx.Client] = field(default_factory=list)

    def client(self, key: str = "", **headers: str) -> httpx.Client:
        told = {"Authorization": f"Bearer {key}"} if key else {}
        self.clients.append(
            plain_http.Client(base_url=self.url, headers=told | headers, timeout=30)
        )
        return self.clients[-1]

    def take(self) -> None:
        """Everything that stands in the journal, committed and shown."""
        while self.parts.engine.turn():
            pass
        site = self.parts.engine.site
        assert site is not None
        site.commit()
        snapshot = self.parts.snapshot()
        assert snapshot is not None
        self.parts.live.publish(snapshot)

    def look(self) -> None:
        """For alarms; the first look of a process only finds out where the engine is."""
        self.parts.watch.look()
        self.parts.watch.look()


@contextmanager
def door(
    folder: Path,
    *callers: tuple[str, Role],
    text: str = "",
    ingestor_port: int = 9,
    plant_in: Callable[[Path], Plant] = Plant,
) -> Iterator[Door]:
    """With `callers` keys are asked for: `name-name` is that of a name. `text`: more configuration."""
    calculator = Calculator(folder, ingestor_port)
    keys = CallersFile(folder / "api.keys", lambda: "")
    for name, role in callers:
        CallersFile(folder / "api.keys", lambda name=name: f"{name}-{name}").add(name, (role,), T0)
    asks = f'keys_file = "{folder}/api.keys"\n' if callers else ""
    calculator.config.write_text(calculator.config.read_text() + asks + text)
    plan = load_plan(calculator.config)
    state = plan.config.state
    hooks = [hook.url for hook in plan.config.webhooks]
    clock = [T0 + 240_000]
    with (
        closing(open_store(state, create=True)) as store,
        closing(open_store(state)) as reader,
        closing(open_shelf(state)) as shelf,
        closing(open_book(state, hooks)) as book,
    ):
        plant = plant_in(folder)
        parts = Parts(plan, store, reader, shelf, book, lambda: clock[0])
        with serving(parts.application()) as url:
            made = Door(plant, parts, keys, clock, url)
            yield made
            for client in made.clients:
                client.close()
        parts.engine.close()
        plant.writer.close()


@contextmanager
def serving(application: FastAPI) -> Iterator[str]:
    """On a port of this machine; its address."""
    config = uvicorn.Config(
        application, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
