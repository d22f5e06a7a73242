"""GET /3/footprints and /3/footprints/{id}."""

import re
from functools import partial
from typing import Annotated
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from fastapi import APIRouter, Request, Response

from calc_stream.pact.filters import asked
from calc_stream.pact.kinds import uuid
from calc_stream.pact.model import ProductFootprint
from calc_stream.web.behind import json
from calc_stream.web.pact.admission import admitted
from calc_stream.web.pact.office import Office
from calc_stream.web.pact.refusals import Refusal
from wire.callers import Caller
from wire.errors import BadData

_MOST = 100
# A page is a place in a list, and the list is of when there were so many footprints.
_OFFSET, _UPTO = "offset", "x-wattprint-upto"
_HOST = re.compile(r"[A-Za-z0-9.\-\[\]:]+")


class _List(msgspec.Struct, frozen=True):
    data: list[ProductFootprint]


class _One(msgspec.Struct, frozen=True):
    data: ProductFootprint


def routes(office: Office) -> APIRouter:
    router = APIRouter()

    @router.get("/3/footprints")
    def listed(request: Request, caller: Annotated[Caller, admitted(office)]) -> Response:
        """Those that fit, in the order of publishing."""
        query = request.query_params.multi_items()
        criteria = asked((n, v) for n, v in query if n not in ("limit", _OFFSET, _UPTO))
        limit = min(_number(query, "limit", _MOST, least=1), _MOST)
        offset = _number(query, _OFFSET, 0)
        seen = partial(office.pact.may_see, caller.name)
        now = office.catalogue.count(seen)
        upto = min(_number(query, _UPTO, now), now)
        offers = office.catalogue.offers(upto, seen=seen)
        found = [offer.document for offer in offers if criteria.take(offer.document)]
        headers = {}
        if offset + limit < len(found):
            kept = [(n, v) for n, v in query if n not in (_OFFSET, _UPTO)]
            more = [*kept, (_OFFSET, str(offset + limit)), (_UPTO, str(upto))]
            headers["Link"] = f'<{_here(office, request)}/3/footprints?{_query(more)}>; rel="next"'
        return json(_List(found[offset : offset + limit]), headers=headers)

    @router.get("/3/footprints/{id_}")
    def one(id_: str, caller: Annotated[Caller, admitted(office)]) -> Response:
        """One, deprecated or not."""
        if uuid(id_) is not None:
            raise BadData("the id of a footprint is a UUID")
        offer = office.catalogue.find(id_)
        if offer is None:
            raise Refusal(404, f"there is no footprint {id_}")
        if not office.pact.may_see(caller.name, offer.product):
            raise Refusal(403, f"footprint {id_} is not for {caller.name}")
        return json(_One(offer.document))

    return router


def _query(pairs: list[tuple[str, str]]) -> str:
    """Without blanks and signs that part links in a header."""
    return urlencode(pairs, quote_via=quote, safe=":")


def _number(query: list[tuple[str, str]], name: str, else_: int, least: int = 0) -> int:
    told = [value for each, value in query if each == name]
    if not told:
        return else_
    if len(told) > 1 or not re.fullmatch(r"[0-9]{1,9}", told[0]) or int(told[0]) < least:
        raise BadData(f"{name} is a number from {least} up")
    return int(told[0])


def _here(office: Office, request: Request) -> str:
    """This server as the caller names it, with the scheme and path others reach it by."""
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        raise BadData("send a Host header")
    parts = urlsplit(office.pact.base)
    return f"{parts.scheme}://{host}{parts.path}"
