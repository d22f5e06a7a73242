"""POST /3/events: requests are answered later, to the partner's own server; answers are kept."""

import asyncio
import logging
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


def routes(office: Office) -> APIRouter:
    router = APIRouter()

    @router.post("/3/events")
    async def event(request: Request, caller: Annotated[Caller, admitted(office)]) -> Response:
        """Taken, and on disk, when this is answered with 200."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != events.MEDIA_TYPE:
            raise BadData(f"send Content-Type: {events.MEDIA_TYPE}")
        found = events.read(await body_of(request, MOST_BYTES))
        request.state.told = await asyncio.to_thread(_taken, office, caller, found)
        return Response(None, 200)

    return router


def _taken(office: Office, caller: Caller, event: events.Event) -> str:
    """What the audit log says of it."""
    if event.kind == "RequestCreated":
        return _requested(office, caller, event)
    if event.kind == "RequestFulfilled":
        kept = [documents.keep(office.received, each) for each in events.footprints(event)]
        log.info("pact: %s sent %d footprints, kept in %s", caller.name, len(kept), office.received)
        return f"kept {', '.join(each.sha256 for each in kept)}"
    if event.kind == "RequestRejected":
        error = events.rejection(event)
        log.warning("pact: %s has nothing for us: %s: %a", caller.name, error.code, error.message)
        return f"rejected: {error.code}"
    ids = events.published(event)
    cure = "fetch it with wattprint pact fetch"
    log.info("pact: %s published %s; %s", caller.name, ", ".join(ids), cure)
    return f"published: {', '.join(ids)}"


def _requested(office: Office, caller: Caller, event: events.Event) -> str:
    """The answer waits in the outbox; who cannot be answered is told so at once."""
    partner = office.pact.partner(caller.name)
    if partner is None or not partner.url:
        raise Refusal(403, f"{caller.name} has no server here that could be answered: ask for one")
    criteria = events.wanted(event)
    found = [
        offer.document
        for offer in office.catalogue.offers(office.catalogue.count())
        if office.pact.may_see(caller.name, offer.product) and criteria.take(offer.document)
    ]
    nothing = Error("NotFound", "no footprint is offered that fits the request")
    data = events.Fulfilled(event.id, found) if found else events.Rejected(event.id, nothing)
    source = f"{office.pact.base}/3/events"
    body = events.made(data, office.new_id(), source, office.now_ms())
    new = office.outbox.answer(partner.name, event.source, event.id, body, office.now_ms())
    return f"request {event.id}: {len(found)} fit{'' if new else ', answered before'}"
