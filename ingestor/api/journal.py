"""The journal out, to readers on other machines (`wire/journal/remote.py` is one)."""

import asyncio
from contextlib import suppress
from typing import Annotated, Protocol

import msgspec
from fastapi import APIRouter, Query, Request, Response

from ingestor.api.bodies import OffLoop, Site
from ingestor.api.described import describe, of
from ingestor.api.guard import needs
from ingestor.api.problems import not_now
from wire.errors import TransientError
from wire.journal import GENESIS, KINDS, Record
from wire.journal.remote import MSGPACK, Page, SiteHead

_MOST_RECORDS = 1000
_MOST_WAIT_S = 30.0
_HASH = "60ab1ef2c5f0a2a1c1e1b7d3f3a4b5c6d7e8f9a0b1c2d3e4f5a6b7c8d9e0f1a2"
_PAGE = Page(
    [Record("cq-wheel", 1, "event", "e1", _HASH, GENESIS, _HASH, 1_795_651_200_000, b"{}")]
)
_KIND = f"^({'|'.join(KINDS)})$"


class Journal(Protocol):
    """What is read here, off the loop."""

    def heads(self) -> list[SiteHead]: ...

    def page(self, site: str, after: int, limit: int, kind: str, key: str) -> list[Record]: ...


class Growth:
    """Tells whoever waits that something was appended, to whatever site."""

    def __init__(self) -> None:
        self._grown = asyncio.Event()

    def tell(self) -> None:
        """On the loop."""
        self._grown.set()
        self._grown = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._grown.wait(), seconds)


def routes(journal: Journal, growth: Growth, off_loop: OffLoop) -> APIRouter:
    router = APIRouter(tags=["journal"], dependencies=[needs("auditor")])

    @router.get("/v1/journal", **describe(of(list[SiteHead], [SiteHead("cq-wheel", 4711, _HASH)])))
    async def heads(request: Request) -> Response:
        """How far every site's journal goes."""
        return _answer(request, await off_loop(journal.heads))

    @router.get("/v1/journal/{site}", **describe(of(Page, _PAGE), problems=(503,)))
    async def records(
        site: Site,
        request: Request,
        begin: Annotated[int, Query(alias="from", ge=1, le=2**53)] = 1,
        limit: Annotated[int, Query(ge=1, le=_MOST_RECORDS)] = 100,
        kind: Annotated[str, Query(pattern=_KIND)] = "",
        key: Annotated[str, Query(max_length=512)] = "",
        wait_s: Annotated[float, Query(ge=0, le=_MOST_WAIT_S)] = 0,
    ) -> Response:
        """Records from offset `from` on, as many as there are and fit one answer; of one `kind`, or
        the one with its `key`. Where there are none yet, after `wait_s` at the latest, or once there
        are. With `Accept: application/msgpack` their data are bytes, not base64."""
        until_s = asyncio.get_running_loop().time() + wait_s
        try:
            while not (found := await off_loop(journal.page, site, begin - 1, limit, kind, key)):
                left_s = until_s - asyncio.get_running_loop().time()
                if left_s <= 0 or await request.is_disconnected():
                    break
                await growth.wait(min(left_s, 1.0))
        except TransientError as exc:  # a cold file that is not there: it says which
            raise not_now(exc) from exc
        return _answer(request, Page(found))

    return router


def _answer(request: Request, told: Page | list[SiteHead]) -> Response:
    if request.headers.get("accept") == MSGPACK:
        return Response(msgspec.msgpack.encode(told), media_type=MSGPACK)
    return Response(msgspec.json.encode(told), media_type="application/json")
