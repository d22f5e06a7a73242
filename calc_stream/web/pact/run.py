"""The door for other companies while the calculator runs: its server, and our events to partners."""

import asyncio
import logging
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from calc_stream.footprints.shelf import open_shelf
from calc_stream.pact.catalogue import Catalogue
from calc_stream.pact.delivery import announce, deliver
from calc_stream.pact.offered import Declared
from calc_stream.pact.outbox import Outbox, open_outbox
from calc_stream.pact.settings import Pact
from calc_stream.web.audit import Audit
from calc_stream.web.guard import keyed
from calc_stream.web.pact import app
from calc_stream.web.pact.office import Office
from calc_stream.web.pact.patience import Patient
from calc_stream.web.serving import serve, server
from wire.errors import ConfigError
from wire.signing import SigningKey

log = logging.getLogger(__name__)

OFFERED = "offered"  # of the state directory: our documents as they were first offered
RECEIVED = "received"  # of the state directory: documents of others
_PER_S, _BURST = 50.0, 200  # requests of one company


async def run(
    pact: Pact,
    state: Path,
    site: str,
    declared: Declared,
    audit: Audit,
    now_ms: Callable[[], int],
) -> None:
    """Until cancelled. Raises ConfigError."""
    with closing(open_shelf(state)) as shelf, closing(open_outbox(state)) as outbox:
        catalogue = Catalogue(shelf, site, declared)
        office = office_of(pact, state, catalogue, outbox, audit, now_ms)
        tls: dict[str, str] = {} if pact.cert_file is None else _files(pact)
        serving = server(app.build(office), pact.host, pact.port, http=Patient, **tls)
        log.info("footprints are offered on %s:%d as %s", pact.host, pact.port, pact.base)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(serve(serving, "pact.port"), name="pact")
                tasks.create_task(announce(pact, catalogue, outbox, now_ms, office.new_id))
                for partner in pact.partners:
                    if partner.url:
                        tasks.create_task(deliver(partner, outbox, now_ms), name=partner.name)
        except ExceptionGroup as group:
            # Within another task group, what a person must change is still one thing.
            wrong, _ = group.split(ConfigError)
            raise (wrong.exceptions[0] if wrong else group) from None
        finally:
            if serving.started:
                await serving.shutdown()


def office_of(
    pact: Pact,
    state: Path,
    catalogue: Catalogue,
    outbox: Outbox,
    audit: Audit,
    now_ms: Callable[[], int],
) -> Office:
    """Raises ConfigError."""
    key = SigningKey.load_or_create(state / "pact.key")
    return Office(
        pact=pact,
        catalogue=catalogue,
        outbox=outbox,
        guard=keyed(pact.keys_file, key, (_PER_S, _BURST), now_ms),
        public=key.public,
        audit=audit,
        received=state / RECEIVED,
        now_ms=now_ms,
        new_id=lambda: str(uuid.uuid4()),
    )


def _files(pact: Pact) -> dict[str, str]:
    files = {"ssl_certfile": pact.cert_file, "ssl_keyfile": pact.key_file}
    return {name: str(path) for name, path in files.items() if path is not None}
