"""What a person types beside `run`: look into the journal, the quarantine and the sinks."""

import argparse
import json
import sys
from contextlib import closing

import msgspec

from ingestor import reconcile, replay
from ingestor.config import Plan
from ingestor.keys import Keys
from ingestor.quarantine import Item, Quarantine
from ingestor.service import open_cursors, open_quarantine
from ingestor.sinks import Configured
from ingestor.standing import Standing
from ingestor.streams import RefusedSegment
from wire.errors import BadData, ConfigError
from wire.journal import Reader, Record, open_reader, verify_chain
from wire.segment import open_segment


def verify_journal(plan: Plan) -> int:
    """Walk every site's chain, and every segment's signature and place in its stream."""
    with closing(open_reader(plan.config.journal)) as journal:
        for site in journal.sites():
            keys = Keys()
            keys.add(journal.of_kind(site, "key"))
            offset, head = verify_chain(journal.walk(site))
            segments = _verify_segments(journal, site, keys)
            print(f"{site}: {offset} records, {segments} segments, all good; chain ends {head}")
    return 0


def show_journal(plan: Plan, site: str | None, after: int, limit: int) -> int:
    """Print records without their data, one JSON object a line; `site` may be left out if alone."""
    with closing(open_reader(plan.config.journal)) as journal:
        sites = journal.sites()
        if site not in sites and (site or len(sites) != 1):
            known = ", ".join(sites) or "no site yet"
            raise ConfigError(f"--site: name one of those the journal has: {known}")
        for record in journal.read(site or sites[0], after, limit):
            told = msgspec.to_builtins(record)
            told["data"] = len(record.data)
            print(json.dumps(told))
    return 0


def quarantine(plan: Plan, arguments: argparse.Namespace) -> int:
    """`quarantine list | show ID | replay [ID …]`."""
    with closing(open_quarantine(plan)) as kept:
        match arguments.action:
            case "list":
                for item in kept.items():
                    print(f"{item.id}\t{item.times} times\t{item.origin}\t{item.reason}")
            case "show":
                sys.stdout.buffer.write(_item(kept, arguments.id[0]).data)
            case _:
                items = [_item(kept, number) for number in arguments.id] or kept.items()
                return replay.replay(plan, kept, items)
    return 0


def rewind(plan: Plan, offset: int, sink: str | None, site: str | None) -> int:
    """Project again from `offset`; a running ingestor notices by itself."""
    with closing(open_reader(plan.config.journal)) as journal:
        sites = [site] if site else journal.sites()
    with closing(open_cursors(plan)) as cursors:
        for configured in _chosen(plan, sink):
            for each in sites:
                cursors.rewind(configured.name, each, offset)
                print(f"{configured.name}: {each} is projected again from offset {offset}")
    return 0


def compare(plan: Plan, sink: str | None, site: str | None) -> int:
    """Count on both sides; exit 1 and one line for each difference."""
    differ = False
    reader = open_reader(plan.config.journal)
    with closing(reader) as journal, closing(open_cursors(plan)) as cursors:
        for configured in _chosen(plan, sink):
            with closing(configured.open(plan.config.state)) as opened:
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
    if differ:
        print("to repair: ingestor project --from 0", file=sys.stderr)
    return 1 if differ else 0


def _verify_segments(journal: Reader, site: str, keys: Keys) -> int:
    """How many segments. Raises BadData at the first that is not in its place or not signed."""
    standing = Standing(site)
    for record in journal.walk(site):
        if record.kind == "segment":
            _verify_segment(journal, record, standing, keys)
        standing.absorb(record)
    return standing.segments


def _verify_segment(journal: Reader, record: Record, standing: Standing, keys: Keys) -> None:
    segment = open_segment(record.data)
    header = segment.header
    keys.check(header, segment.signature, segment.signed)
    before = standing.stream(header.gateway, header.stream)
    if header.seq <= before.upto:
        _verify_once_refused(journal, record)
    elif (header.seq, header.prev) != (before.upto + 1, before.head):
        raise BadData(f"{record.site}: record {record.offset} does not continue its stream")


def _verify_once_refused(journal: Reader, record: Record) -> None:
    """Out of its turn stands only what was refused first, byte for byte."""
    refused = journal.find(record.site, "correction", record.key)
    if refused is None or refused.offset > record.offset:
        raise BadData(f"{record.site}: record {record.offset} stands twice in its stream")
    if msgspec.json.decode(refused.data, type=RefusedSegment).hash != record.hash:
        raise BadData(f"{record.site}: record {record.offset} is not the segment refused before")


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
