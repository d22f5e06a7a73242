"""Closed batches and their products' factors into an InfluxDB, as the ledger states them.

What is written is what the exporter `influxdb` writes. How far it came stands in the ledger and moves
once the database has it: after a kill some points are written again, with the values they had. A
database that is away is tried again and again; nothing else waits for it.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import urllib3

from calc_stream import exporters
from calc_stream.config import InfluxDB
from calc_stream.exporters import Export
from calc_stream.ledger.store import Store, open_store
from wire.config import read_secret
from wire.errors import ConfigError, TransientError
from wire.influxdb import judge, refused

log = logging.getLogger(__name__)

_ROWS_AT_ONCE = 200
_LOOK_S = 1.0
_BACKOFF_S = (0.5, 30.0)
_TIMEOUT_S = 10.0
_FORM = exporters.find("influxdb")


async def feed(settings: InfluxDB, state: Path, site: str, random_: random.Random) -> None:
    """Until cancelled. Raises nothing: what fails is told in the log and tried again."""
    ceiling_s, said = _BACKOFF_S[0], ""
    with (
        closing(open_store(state)) as store,
        urllib3.PoolManager(retries=False, timeout=_TIMEOUT_S) as http,
    ):
        send = _sender(http, settings)
        while True:
            try:
                moved = await asyncio.to_thread(step, store, site, settings.place, send)
            except (TransientError, ConfigError) as exc:
                if said != str(exc):
                    log.warning("influxdb: %s; trying again", exc)
                told_s = exc.retry_after_s if isinstance(exc, TransientError) else None
                await asyncio.sleep(told_s or random_.uniform(0, ceiling_s))
                ceiling_s, said = min(2 * ceiling_s, _BACKOFF_S[1]), str(exc)
                continue
            if said:
                log.info("influxdb: %s takes batches again", settings.url)
            ceiling_s, said = _BACKOFF_S[0], ""
            if not moved:
                await asyncio.sleep(_LOOK_S)


def step(store: Store, site: str, place: str, send: Callable[[bytes], None]) -> bool:
    """What comes next; whether there was any. `send` takes lines. Raises TransientError."""
    found = store.stated(site, store.cursor(place, site), _ROWS_AT_ONCE)
    if not found:
        return False
    rows = [row for _, row in found]
    offset = store.state(site)[0]
    exports = [Export("batches", site, offset, rows)]
    for product in sorted({row.product for row in rows if row.product is not None}):
        exports.append(exporters.gather(store, site, "products", product))
    # The first line only says what follows.
    lines = b"".join(_FORM.write(e, _FORM.Settings()).partition(b"\n")[2] for e in exports)
    for line, reason in refused(send, lines):
        # It stays in the ledger, and can be exported when its cause is gone.
        log.error("influxdb: %s: not taken: %s", reason, line.decode(errors="replace").strip())
    store.advance(place, site, found[-1][0])
    return True


def _sender(http: urllib3.PoolManager, settings: InfluxDB) -> Callable[[bytes], None]:
    policy = {"rp": settings.retention_policy} if settings.retention_policy else {}
    query = urlencode({"db": settings.database, "precision": "ms", **policy})
    url = f"{settings.url.rstrip('/')}/write?{query}"

    def send(lines: bytes) -> None:
        headers = {}
        if settings.password_file:  # read each time: it may have been changed
            word = f"{settings.username or 'token'}:{read_secret(settings.password_file)}"
            headers = dict(urllib3.make_headers(basic_auth=word))
        try:
            answer = http.request("POST", url, body=lines, headers=headers)
        except urllib3.exceptions.HTTPError as exc:
            raise TransientError(f"{settings.url}: {type(exc).__name__}") from exc
        body = answer.data.decode(errors="replace")
        judge(answer.status, body, answer.headers.get("Retry-After"))

    return send
