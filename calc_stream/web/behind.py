"""What stands behind the API: the running engine, a ledger and a journal to read, the ingestor."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
from fastapi import Request, Response

from calc_stream.disclosing import Log
from calc_stream.engines.embedded import Engine
from calc_stream.footprints.footprint import Footprint
from calc_stream.footprints.shelf import Shelf
from calc_stream.ledger.store import Store
from calc_stream.pact.offered import Declared
from calc_stream.site import Site
from calc_stream.web.alarm_book import AlarmBook, AlarmNow
from calc_stream.web.audit import Audit
from calc_stream.web.charts import Charts
from calc_stream.web.doubts import Doubts
from calc_stream.web.forward import Forward
from calc_stream.web.live import Live
from calc_stream.web.problems import not_now, unknown
from calc_stream.web.told import EventsTold
from calc_stream.web.view import View
from wire.journal import Remote
from wire.signing import SigningKey

T = TypeVar("T")


@dataclass(frozen=True)
class Behind:
    """`store` and `shelf` are readers of their own; `key` signs what is told of footprints. Handlers
    without `async` run on threads; who walks the whole journal holds `walking`."""

    engine: Engine
    store: Store
    shelf: Shelf
    key: SigningKey
    journal: Path | Remote
    live: Live
    view: View
    events: EventsTold
    alarms: AlarmBook
    charts: Charts
    doubts: Doubts
    forward: Forward
    audit: Audit
    disclosures: Log
    now_ms: Callable[[], int]
    told: Callable[[Sequence[AlarmNow]], None]  # alarms that changed by hand
    declared: Declared | None  # None: nothing is
    walking: threading.Lock = field(default_factory=threading.Lock)

    @property
    def site(self) -> str:
        return self.engine.rules.site

    def ask(self, question: Callable[[Site], T]) -> T:
        """An answer from the site while it stands still. Raises Problem before there is one."""
        with self.engine.lock:
            if self.engine.site is None:
                raise not_now("the journal has not been opened yet")
            return question(self.engine.site)

    def footprint(self, id_: str) -> Footprint:
        """One of this site's. Raises Problem where there is none."""
        found = self.shelf.find(id_)
        if found is None or found.site != self.site:
            raise unknown("footprint", id_)
        return found


def json(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), status, headers, "application/json")


def file(data: bytes, media_type: str, name: str) -> Response:
    """To be kept under a name."""
    disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    return Response(data, 200, {"Content-Disposition": disposition}, media_type)


def as_of(
    request: Request, offset: int, value: Any, more: dict[str, str] | None = None
) -> Response:
    """What holds at a journal offset; 304 for who has it already. `more`: headers."""
    tag = f'W/"{offset}"'
    headers = {"ETag": tag, "Vary": "Accept", **(more or {})}
    known = request.headers.get("if-none-match", "")
    if tag in [each.strip() for each in known.split(",")]:
        return Response(None, 304, headers)
    return json(value, headers=headers)
