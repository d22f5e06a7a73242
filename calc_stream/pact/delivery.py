"""Our events to partners: answers to their requests, and what is new.

Each partner has a task of its own, so one that is away holds up nobody. What it does not take is
tried again after a time that doubles, for 72 hours, also after a restart.
"""

import asyncio
import logging
from collections.abc import Callable

from calc_stream.pact.catalogue import Catalogue
from calc_stream.pact.client import Host
from calc_stream.pact.events import Published, made
from calc_stream.pact.outbox import GIVE_UP_MS, Outbox, Waiting
from calc_stream.pact.settings import Pact, Partner
from wire.config import read_secret
from wire.errors import BadData, ConfigError, TransientError

log = logging.getLogger(__name__)

_LOOK_S = 0.5
_AT_ONCE = 1000  # ids in one event


async def deliver(partner: Partner, outbox: Outbox, now_ms: Callable[[], int]) -> None:
    """Until cancelled. Raises nothing: what fails is told in the log and tried again."""
    while True:
        try:
            waiting = await asyncio.to_thread(outbox.due, partner.name, now_ms())
            if waiting is not None:
                await asyncio.to_thread(_try, partner, outbox, waiting, now_ms)
                continue
        except TransientError as exc:
            log.error("pact: %s", exc)
        await asyncio.sleep(_LOOK_S)


async def announce(
    pact: Pact,
    catalogue: Catalogue,
    outbox: Outbox,
    now_ms: Callable[[], int],
    new_id: Callable[[], str],
) -> None:
    """What is published or withdrawn to those who want to be told. Until cancelled; raises nothing."""
    while True:
        try:
            await asyncio.to_thread(announce_once, pact, catalogue, outbox, now_ms, new_id)
        except TransientError as exc:
            log.error("pact: %s", exc)
        await asyncio.sleep(_LOOK_S)


def announce_once(
    pact: Pact,
    catalogue: Catalogue,
    outbox: Outbox,
    now_ms: Callable[[], int],
    new_id: Callable[[], str],
) -> None:
    """What is new since the last time; a partner seen first is told of what comes from now on."""
    upto = catalogue.count()
    for partner in pact.partners:
        told = outbox.told(partner.name)
        if not partner.notify or told == upto:
            continue
        offers = [] if told is None else catalogue.offers(upto, told)
        ids = [o.document.id for o in offers if pact.may_see(partner.name, o.product)]
        events = [
            made(Published(ids[at : at + _AT_ONCE]), new_id(), f"{pact.base}/3/events", now_ms())
            for at in range(0, len(ids), _AT_ONCE)
        ]
        outbox.tell(partner.name, upto, events, now_ms())


def _try(partner: Partner, outbox: Outbox, waiting: Waiting, now_ms: Callable[[], int]) -> None:
    number, made_ms, tries, body = waiting
    try:
        secret = read_secret(partner.secret_file) if partner.secret_file else ""
        host = Host(partner.url, partner.client_id, secret, partner.ca_file)
        try:
            host.send(body)
        finally:
            host.close()
    except (TransientError, ConfigError, BadData) as exc:
        if now_ms() - made_ms > GIVE_UP_MS:
            log.error("pact: %s took no event for 72 hours, it is given up: %s", partner.name, exc)
            outbox.done(number)
            return
        if not tries:
            log.warning("pact: %s; trying again for 72 hours", exc)
        outbox.later(number, tries, now_ms())
    else:
        outbox.done(number)
