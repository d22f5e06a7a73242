"""A door for other companies on a port of this machine, over TLS, and a listener like theirs."""

import asyncio
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from fastapi import FastAPI, Request, Response

from calc_stream.footprints.declaration import Declaration
from calc_stream.footprints.footprint import Footprint
from calc_stream.footprints.shelf import Shelf, open_shelf
from calc_stream.pact.catalogue import Catalogue
from calc_stream.pact.delivery import announce, deliver
from calc_stream.pact.offered import Declared
from calc_stream.pact.outbox import Outbox, open_outbox
from calc_stream.pact.settings import Pact, Partner
from calc_stream.web.audit import Audit
from calc_stream.web.pact import app
from calc_stream.web.pact.office import Office
from calc_stream.web.pact.patience import Patient
from calc_stream.web.pact.run import office_of
from ingestor.certificates import Issuer, new_authority, new_server_key
from tests.unit.calc_stream_live.footprints_sample import declaration
from wire.callers import CallersFile


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Server:
    """Ours. `key_of`: what a caller shows at /auth/token."""

    url: str
    folder: Path
    ca: Path
    office: Office
    shelf: Shelf
    outbox: Outbox

    def key_of(self, name: str) -> str:
        return f"{name}-{name}"


@contextmanager
def offered(
    folder: Path,
    *footprints: Footprint,
    told: Declaration | None = None,
    partners: Sequence[Partner] = (),
    callers: Sequence[str] = ("cars",),
    drafts: bool = False,
    site: str = "cq-wheel",
    clock: Callable[[], int] = now_ms,
) -> Iterator[Server]:
    """With these footprints on the shelf."""
    folder.mkdir(exist_ok=True)
    ca, cert, key = certificates(folder)
    for name in callers:
        CallersFile(folder / "pact.keys", lambda name=name: f"{name}-{name}").add(
            name, ("viewer",), now_ms()
        )
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        closing(open_shelf(folder / "state")) as shelf,
        closing(open_outbox(folder / "state")) as outbox,
    ):
        url = f"https://127.0.0.1:{listening.getsockname()[1]}"
        pact = Pact(
            url=url,
            keys_file=folder / "pact.keys",
            cert_file=cert,
            key_file=key,
            drafts=drafts,
            partners=tuple(partners),
        )
        for footprint in footprints:
            assert shelf.add(footprint)
        declared = Declared(told or declaration(), url, drafts, folder / "state" / "offered")
        catalogue = Catalogue(shelf, site, declared)
        audit = Audit(folder / "state", clock)
        office = office_of(pact, folder / "state", catalogue, outbox, audit, clock)
        with serving(app.build(office), listening, cert, key, http=Patient):
            yield Server(url, folder, ca, office, shelf, outbox)


def certificates(folder: Path) -> tuple[Path, Path, Path]:
    """Authority, certificate for this machine, its key."""
    authority_key, authority = new_authority("test authority", now_ms())
    (folder / "ca.pem").write_bytes(authority)
    (folder / "ca.key").write_bytes(authority_key)
    private, public = new_server_key()
    issuer = Issuer.load(folder / "ca.pem", folder / "ca.key")
    cert = issuer.sign("server", public, now_ms(), 2, ["127.0.0.1", "localhost"])
    (folder / "server.pem").write_bytes(cert)
    (folder / "server.key").write_bytes(private)
    return folder / "ca.pem", folder / "server.pem", folder / "server.key"


@contextmanager
def serving(
    application: FastAPI, listening: socket.socket, cert: Path, key: Path, **more: Any
) -> Iterator[None]:
    config = uvicorn.Config(
        application,
        log_config=None,
        lifespan="off",
        ws="none",
        ssl_certfile=str(cert),
        ssl_keyfile=str(key),
        timeout_graceful_shutdown=1,
        timeout_keep_alive=300,  # or a caller that stands still for a while has another connection
        **more,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


@dataclass
class Listener:
    """A partner's server as the conformance service has it: a token for any Basic, events kept.

    `refuses`: so many events are answered with 503 first.
    """

    url: str
    ca: Path
    secret: Path
    refuses: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)

    def partner(self, name: str, **more: Any) -> Partner:
        more = {"notify": False, **more}
        return Partner(
            name=name,
            url=self.url,
            client_id="wheels",
            secret_file=self.secret,
            ca_file=self.ca,
            **more,
        )

    def wait(self, is_it: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first event that is so, once it came."""
        until = time.monotonic() + 60
        while True:
            for event in list(self.events):
                if is_it(event):
                    return event
            assert time.monotonic() < until, f"{len(self.events)} other events came"
            time.sleep(0.02)


@contextmanager
def listener(folder: Path) -> Iterator[Listener]:
    folder.mkdir(exist_ok=True)
    ca, cert, key = certificates(folder)
    (folder / "secret").write_text("their-secret\n")
    application = FastAPI(openapi_url=None)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}"
        made = Listener(url, ca, folder / "secret")

        @application.post("/auth/token")
        async def token(request: Request) -> Response:
            if not request.headers.get("authorization", "").startswith("Basic "):
                return Response(None, 401)
            made.tokens.add(uuid.uuid4().hex)
            told = {"access_token": max(made.tokens), "token_type": "Bearer", "expires_in": 3600}
            return Response(json.dumps(told), media_type="application/json")

        @application.post("/3/events")
        async def event(request: Request) -> Response:
            bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
            if bearer not in made.tokens:
                return Response(None, 401)
            if made.refuses:
                made.refuses -= 1
                return Response(None, 503)
            assert request.headers["content-type"].startswith("application/cloudevents+json")
            made.events.append(msgspec.json.decode(await request.body()))
            return Response(None, 200)

        with serving(application, listening, cert, key):
            yield made


@contextmanager
def delivering(server: Server) -> Iterator[None]:
    """What runs beside the door: events on their way."""
    office, done = server.office, threading.Event()

    async def run() -> None:
        told = announce(office.pact, office.catalogue, server.outbox, office.now_ms, office.new_id)
        sent = [deliver(each, server.outbox, office.now_ms) for each in office.pact.partners]
        tasks = [asyncio.ensure_future(each) for each in (told, *sent)]
        while not done.is_set():
            await asyncio.sleep(0.02)
            assert not [task for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
