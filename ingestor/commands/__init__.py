"""What a person types beside `run`: look into the journal, the quarantine and the sinks."""

import argparse
import sys
from contextlib import closing

import msgspec

from ingestor import reconcile, replay
from ingestor.config import Plan
from ingestor.quarantine import Item, Quarantine
from ingestor.sinks import Configured, Sink
from ingestor.state import now_ms, open_cursors, open_quarantine
from wire.errors import ConfigError
from wire.journal import Reader, open_reader

_DAY_MS = 86_400_000


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
    if offset < 0:
        raise ConfigError(f"--from: {offset}: offsets count from 1; 0 is from the beginning")
    with closing(open_reader(plan.config.journal)) as journal:
        sites = _sites(journal, site)
    with closing(open_cursors(plan)) as cursors:
        for configured in _chosen(plan, sink):
            for each in sites:
                cursors.rewind(configured.name, each, offset)
                at = cursors.get(configured.name, each)
                print(f"{configured.name}: {each} goes on from offset {at}")
    return 0


def compare(plan: Plan, sink: str | None, site: str | None, repair: bool) -> int:
    """Both sides, hour by hour; exit 1 and one line for each difference that stays."""
    differ = False
    reader = open_reader(plan.config.journal)
    with closing(reader) as journal, closing(open_cursors(plan)) as cursors:
        for configured in _chosen(plan, sink):
            with closing(configured.open(plan.config.state)) as opened:
                for each in _sites(journal, site):
                    upto = cursors.get(configured.name, each)
                    found = _compared(journal, opened, each, upto, configured.name)
                    if found.differences and repair:
                        reconcile.repair(journal, opened, each, found.differences)
                        found = _compared(journal, opened, each, upto, configured.name)
                    differ = differ or bool(found.differences)
    if differ and not repair:
        print("to repair: ingestor reconcile --repair", file=sys.stderr)
    return 1 if differ else 0


def _compared(journal: Reader, sink: Sink, site: str, upto: int, name: str) -> reconcile.Comparison:
    kept_ms = sink.retention_days() * _DAY_MS
    # An hour the retention is cutting into is left out with those before it.
    since_ms = now_ms() - kept_ms + reconcile.HOUR_MS if kept_ms else 0
    found = reconcile.compare(journal, sink, site, upto, since_ms)
    behind = journal.head(site)[0] - upto
    print(
        f"{name}: {site}: {found.readings} readings up to offset {upto}"
        f" ({behind} to go), {len(found.differences)} differences"
    )
    for difference in found.differences:
        _print(difference)
    return found


def _item(kept: Quarantine, number: int) -> Item:
    item = kept.get(number)
    if item is None:
        raise ConfigError(f"quarantine: there is no item {number}; see `quarantine list`")
    return item


def _sites(journal: Reader, name: str | None) -> list[str]:
    known = journal.sites()
    if name not in (None, *known):
        raise ConfigError(f"--site: the journal has no site {name!r}; it has: {', '.join(known)}")
    return [name] if name else known


def _chosen(plan: Plan, name: str | None) -> list[Configured]:
    chosen = [each for each in plan.sinks if name in (None, each.name)]
    if not chosen:
        known = ", ".join(each.name for each in plan.sinks)
        raise ConfigError(f"--sink: there is no sink {name!r}; configured: {known}")
    return chosen


def _print(told: object) -> None:
    print(msgspec.json.encode(told).decode())
