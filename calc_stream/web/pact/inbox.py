"""POST /3/events: requests are answered later, to the partner's own server; answers are kept."""

import asyncio
import logging
from collections import defaultdict
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Request, Response

from calc_stream.pact import documents, events
from calc_stream.pact.model import Error
from calc_stream.pact.validator import MOST_BYTES
from calc_stream.web.bodies import body_of
from calc_stream.web.pact.admission import admitted
from calc_stream.web.pact.office import Office
from calc_stream.web.pact.refusals import Refusal
from wire.callers import Caller
from wire.errors import BadData

log = logging.getLogger(__name__)

_TOLD = 5  # names in one line of a log


def routes(office: Office) -> APIRouter:
    router = APIRouter()
    turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
    reading = asyncio.Lock()

    @router.post("/3/events")
    async def event(request: Request, caller: Annotated[Caller, admitted(office)]) -> Response:
        """Taken, and on disk, when this is answered with 200."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != events.MEDIA_TYPE:
            raise BadData(f"send Content-Type: {events.MEDIA_TYPE}")
        # One body of a company at a time, and one at a time is read, on a thread: what is long takes
        # its time and its room, and the page goes on meanwhile.
        async with turns[caller.name]:
            body = await body_of(request, MOST_BYTES)
            async with reading:
                request.state.told = await asyncio.to_thread(_taken, office, caller, body)
        return Response(None, 200)

    return router


def _taken(office: Office, caller: Caller, body: bytes) -> str:
    """What the audit log says of it."""
    event = events.read(body)
    if event.kind == "RequestCreated":
        return _requested(office, caller, event)
    if event.kind in ("RequestFulfilled", "RequestRejected"):
        return _answered(office, caller, event)
    ids = events.published(event)
    cure = "fetch it with wattprint pact fetch"
    log.info("pact: %s published %s; %s", caller.name, _some(ids), cure)
    return f"published: {_some(ids)}"


def _requested(office: Office, caller: Caller, event: events.Event) -> str:
    """The answer waits in the outbox; who cannot be answered is told so at once."""
    partner = office.pact.partner(caller.name)
    if partner is None or not partner.url:
        raise Refusal(403, f"{caller.name} has no server here that could be answered: ask for one")
    criteria = events.wanted(event)
    seen = partial(office.pact.may_see, caller.name)
    offers = office.catalogue.offers(office.catalogue.count(seen), seen=seen)
    found = [offer.document for offer in offers if criteria.take(offer.document)]
    nothing = Error("NotFound", "no footprint is offered that fits the request")
    data = events.Fulfilled(event.id, found) if found else events.Rejected(event.id, nothing)
    source = f"{office.pact.base}/3/events"
    body = events.made(data, office.new_id(), source, office.now_ms())
    new = office.outbox.answer(partner.name, event.source, event.id, body, office.now_ms())
    return f"request {event.id}: {len(found)} fit{'' if new else ', answered before'}"


def _answered(office: Office, caller: Caller, event: events.Event) -> str:
    """An answer to what we asked this company; whatever else it sends is not kept."""
    request = events.request_of(event)
    is_open = office.outbox.is_open(caller.name, request)
    if is_open is None:
        raise BadData(f"data.requestEventId: {request!a:.90} is nothing we asked {caller.name}")
    if not is_open:
        return f"request {request}: answered before"
    told = _filed(office, caller, event) if event.kind == "RequestFulfilled" else _no(caller, event)
    office.outbox.answered(request, office.now_ms())
    return f"request {request}: {told}"


def _filed(office: Office, caller: Caller, event: events.Event) -> str:
    """As what is fetched is."""
    folder, now_ms = documents.Folder(office.received), office.now_ms()
    found = events.footprints(event)
    kept = [folder.file(each, event.source, now_ms) for each in found]
    log.info("pact: %s sent %d footprints, kept in %s", caller.name, len(kept), office.received)
    return f"kept {_some([each.sha256 for each in kept])}"


def _no(caller: Caller, event: events.Event) -> str:
    error = events.rejection(event)
    told = f"{error.code!a:.90}: {error.message!a:.300}"
    log.warning("pact: %s has nothing for us: %s", caller.name, told)
    return f"rejected: {error.code!a:.90}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return ", ".join(names[:_TOLD]) + more
