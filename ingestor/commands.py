"""What a person types beside `run`: look into the journal, the quarantine and the sinks."""

import argparse
import asyncio
import json
import sys
from pathlib import Path

import msgspec

from ingestor import reconcile
from ingestor.config import Plan
from ingestor.keys import Keys
from ingestor.quarantine import Item, Quarantine
from ingestor.service import open_cursors, open_quarantine
from ingestor.sinks import Configured, LineSink
from ingestor.standing import Standing
from wire.errors import BadData, ConfigError, TransientError
from wire.journal import Reader, Record, open_reader, verify_chain
from wire.mqtt import Client
from wire.segment import open_segment

_REPLAY_WAIT_S = 15.0


def show_segment(path: Path) -> int:
    """Print a segment's header, tables and events, one JSON object a line."""
    try:
        segment = open_segment(path.read_bytes())
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from exc
    _print(segment.header)
    for table in segment.tables:
        for sample in table.samples():
            _print(sample)
    for event in segment.events:
        _print(event)
    return 0


def verify_journal(plan: Plan) -> int:
    """Walk every site's chain, and every segment's signature and place in its stream."""
    journal = open_reader(plan.config.journal)
    for site in journal.sites():
        keys = Keys()
        keys.add(journal.of_kind(site, "key"))
        offset, head = verify_chain(journal.walk(site))
        segments = _verify_segments(journal, site, keys)
        print(f"{site}: {offset} records, {segments} segments, all good; chain ends {head}")
    return 0


def show_journal(plan: Plan, site: str, after: int, limit: int) -> int:
    """Print records without their data, one JSON object a line."""
    for record in open_reader(plan.config.journal).read(site, after, limit):
        told = msgspec.to_builtins(record)
        told["data"] = len(record.data)
        print(json.dumps(told))
    return 0


def quarantine(plan: Plan, arguments: argparse.Namespace) -> int:
    """`quarantine list | show ID | replay [ID …]`."""
    kept = open_quarantine(plan)
    match arguments.action:
        case "list":
            for item in kept.items():
                print(f"{item.id}\t{item.times} times\t{item.origin}\t{item.reason}")
        case "show":
            sys.stdout.buffer.write(_item(kept, arguments.id[0]).data)
        case _:
            items = [_item(kept, number) for number in arguments.id] or kept.items()
            return _replay(plan, kept, items)
    return 0


def rewind(plan: Plan, offset: int, sink: str | None, site: str | None) -> int:
    """Project again from `offset`; a running ingestor notices by itself."""
    cursors = open_cursors(plan)
    sites = [site] if site else open_reader(plan.config.journal).sites()
    for configured in _chosen(plan, sink):
        for each in sites:
            cursors.rewind(configured.name, each, offset)
            print(f"{configured.name}: {each} is projected again from offset {offset}")
    return 0


def compare(plan: Plan, sink: str | None, site: str | None) -> int:
    """Count on both sides; exit 1 and one line for each difference."""
    journal = open_reader(plan.config.journal)
    cursors = open_cursors(plan)
    differ = False
    for configured in _chosen(plan, sink):
        opened = configured.open(plan.config.state)
        for each in [site] if site else journal.sites():
            upto = cursors.get(configured.name, each)
            found = reconcile.compare(journal, opened, each, upto)
            behind = journal.head(each)[0] - upto
            print(
                f"{configured.name}: {each}: {found.readings} readings up to offset {upto}"
                f" ({behind} to go), {len(found.differences)} differences"
            )
            for difference in found.differences:
                differ = True
                _print(difference)
        opened.close()
    if differ:
        print("to repair: ingestor project --from 0", file=sys.stderr)
    return 1 if differ else 0


def _verify_segments(journal: Reader, site: str, keys: Keys) -> int:
    """How many segments. Raises BadData at the first that is not in its place or not signed."""
    standing = Standing(site)
    for record in journal.walk(site):
        if record.kind == "segment":
            _verify_segment(record, standing, keys)
        standing.absorb(record)
    return standing.segments


def _verify_segment(record: Record, standing: Standing, keys: Keys) -> None:
    segment = open_segment(record.data)
    keys.check(segment)
    header = segment.header
    before = standing.stream(header.gateway, header.stream)
    if (header.seq, header.prev) != (before.upto + 1, before.head):
        raise BadData(f"{record.site}: record {record.offset} does not continue its stream")


def _replay(plan: Plan, kept: Quarantine, items: list[Item]) -> int:
    """Offer items again; what is still no good comes back by itself."""
    messages = [item for item in items if not item.origin.startswith("sink:")]
    failed = 0
    for item in items:
        if item.origin.startswith("sink:"):
            failed += _replay_line(plan, kept, item)
    if messages:
        asyncio.run(_replay_messages(plan, kept, messages))
    print(f"{len(items) - failed} offered again, {failed} still refused")
    return 1 if failed else 0


def _replay_line(plan: Plan, kept: Quarantine, item: Item) -> bool:
    """Whether the database still refuses it."""
    name = item.origin.removeprefix("sink:")
    sink = _chosen(plan, name)[0].open(plan.config.state)
    try:
        if not isinstance(sink, LineSink):
            raise ConfigError(f"sink {name} takes no lines")
        if sink.write_lines(item.data):
            return True
        kept.remove(item.id)
        return False
    finally:
        sink.close()


async def _replay_messages(plan: Plan, kept: Quarantine, items: list[Item]) -> None:
    """Publish them once more; each is let go first, for the ingestor to judge anew."""
    client = Client(plan.config.broker, f"{plan.config.client_id}-replay")
    async with client.running():
        try:
            async with asyncio.timeout(_REPLAY_WAIT_S):
                await client.connected.wait()
        except TimeoutError as exc:
            raise TransientError(f"no connection to the broker at {plan.config.broker}") from exc
        for item in items:
            await client.publish(item.origin, item.data)
            kept.remove(item.id)


def _item(kept: Quarantine, number: int) -> Item:
    item = kept.get(number)
    if item is None:
        raise ConfigError(f"quarantine: there is no item {number}; see `quarantine list`")
    return item


def _chosen(plan: Plan, name: str | None) -> list[Configured]:
    chosen = [each for each in plan.sinks if name in (None, each.name)]
    if not chosen:
        known = ", ".join(each.name for each in plan.sinks)
        raise ConfigError(f"--sink: there is no sink {name!r}; configured: {known}")
    return chosen


def _print(told: object) -> None:
    print(msgspec.json.encode(told).decode())
