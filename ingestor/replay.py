"""Offer again what is in quarantine. An item leaves it only for where its bytes then stand.

A broker's acknowledgement says nothing: a message counts once the journal has it. The running
ingestor judges it anew; what it refuses again, or does not answer, stays where it is.
"""

import asyncio
import hashlib
from contextlib import closing

from ingestor import events
from ingestor.config import Plan
from ingestor.quarantine import Item, Quarantine
from ingestor.sinks import LineSink
from ingestor.streams import segment_key
from wire import topics
from wire.errors import BadData, ConfigError, TransientError
from wire.journal import Reader, open_reader
from wire.messages import Heartbeat, ProductionEvent
from wire.mqtt import Client
from wire.segment import read_header

_WAIT_S = 15.0
_LOOK_EVERY_S = 0.2
_UNANSWERED = f"stays: the ingestor did not answer in {_WAIT_S:.0f} s"


def replay(plan: Plan, kept: Quarantine, items: list[Item]) -> int:
    """Offer `items` again and print what became of each; 1 if any stays in quarantine."""
    messages = [item for item in items if not item.origin.startswith("sink:")]
    fates = {
        item.id: _replay_line(plan, kept, item) for item in items if item.origin.startswith("sink:")
    }
    if messages:
        with closing(open_reader(plan.config.journal)) as journal:
            fates |= asyncio.run(_replay_messages(plan, kept, journal, messages))
    for item in items:
        print(f"{item.id}\t{fates[item.id] or 'taken, and out of quarantine'}")
    stay = sum(bool(why) for why in fates.values())
    print(f"{len(items) - stay} taken, {stay} stay in quarantine")
    return 1 if stay else 0


def in_journal(journal: Reader, item: Item) -> bool:
    """Whether the journal has these very bytes as a segment, or what they say as an event."""
    try:
        if item.origin.endswith("/seg"):
            header, _, _ = read_header(item.data)
            key = segment_key(header.gateway, header.stream, header.seq)
            known = journal.hash_of(header.site, "segment", key)
            return known == hashlib.sha256(item.data).hexdigest()
        told = events.read_message(item.data)
        if isinstance(told, Heartbeat):
            return False
        site, _ = topics.parse_event(item.origin)
        return _has_event(journal, site, told)
    except BadData:
        return False


def _has_event(journal: Reader, site: str, event: ProductionEvent) -> bool:
    record = journal.find(site, "event", event.id)
    return record is not None and events.same(events.read_event(record.data), event)


def _replay_line(plan: Plan, kept: Quarantine, item: Item) -> str:
    """Why it stays; "" once the database has it."""
    name = item.origin.removeprefix("sink:")
    configured = next((each for each in plan.sinks if each.name == name), None)
    if configured is None:
        raise ConfigError(f"sinks: there is no sink {name!r}, whose lines item {item.id} holds")
    with closing(configured.open(plan.config.state)) as sink:
        if not isinstance(sink, LineSink):
            raise ConfigError(f"sink {name} takes no lines")
        if rejected := sink.write_lines(item.data):
            return f"refused again: {rejected[0].reason}"
    kept.remove(item.id)
    return ""


async def _replay_messages(
    plan: Plan, kept: Quarantine, journal: Reader, items: list[Item]
) -> dict[int, str]:
    """Why each stays; "" for those that stand in the journal."""
    fates = {item.id: _fate(kept, journal, item) for item in items}
    waiting = [item for item in items if fates[item.id]]
    if not waiting:
        return fates
    client = Client(plan.config.broker, f"{plan.config.client_id}-replay")
    async with client.running():
        try:
            async with asyncio.timeout(_WAIT_S):
                await client.connected.wait()
        except TimeoutError as exc:
            raise TransientError(f"no connection to the broker at {plan.config.broker}") from exc
        for item in waiting:
            await client.publish(item.origin, item.data)
        for _ in range(int(_WAIT_S / _LOOK_EVERY_S)):
            await asyncio.sleep(_LOOK_EVERY_S)
            fates |= {item.id: _fate(kept, journal, item) for item in waiting}
            waiting = [item for item in waiting if fates[item.id] == _UNANSWERED]
            if not waiting:
                break
    return fates


def _fate(kept: Quarantine, journal: Reader, item: Item) -> str:
    """Let go of an item the journal has; else why it stays."""
    if in_journal(journal, item):
        kept.remove(item.id)
        return ""
    now = kept.get(item.id)
    if now is not None and now.times > item.times:
        return f"refused again: {now.reason}"
    return _UNANSWERED
