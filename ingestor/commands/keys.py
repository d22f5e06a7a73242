"""`ingestor keys …`: whose signatures count, and from when on they do not."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ingestor import config, receipts
from ingestor.config import Plan
from ingestor.keys import KeyRecord, Keys
from ingestor.orders import Orders
from wire.errors import ConfigError
from wire.journal import open_reader

EXAMPLES = (
    "wattprint keys list --config ingestor.toml",
    "wattprint keys revoke 5d41402abc4b2a76 --config ingestor.toml       it was stolen: nothing it signs is taken",
    "wattprint keys end 5d41402abc4b2a76 --at 2026-12-01 --config ingestor.toml      its readings until then are",
    "wattprint keys rotate --config ingestor.toml            the receipt key: first tell gateways the next one",
    "ingestor keys rotate --now --config ingestor.toml       then, when they have renewed, sign with it",
)
_WAIT_S = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The words after `keys`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, what: str) -> argparse.ArgumentParser:
        added = actions.add_parser(name, help=what, description=what)
        added.add_argument("--config", type=Path, required=True, metavar="FILE")
        return added

    it = action("list", "print every key, whose it is, and from when until when it counts")
    it.add_argument("--json", action="store_true", help="one JSON object a line")
    for name, what in (
        ("revoke", "take nothing any more that this key signed, for ever"),
        ("end", "take no readings of this key from a time on"),
    ):
        it = action(name, what)
        it.add_argument("key", metavar="KEY", help="its id, as `keys list` prints it")
    it.add_argument("--at", type=_time, required=True, metavar="TIME", help="2026-12-01[T08:00]")
    it = action("rotate", "change the key receipts are signed with, in two steps")
    it.add_argument("--now", action="store_true", help="the second step")


def run(arguments: argparse.Namespace) -> int:
    """Do what was typed. Raises ConfigError."""
    plan = config.load(arguments.config)
    match arguments.action:
        case "list":
            return _list(plan, arguments.json)
        case "rotate":
            return _rotate(plan, arguments.now)
        case "revoke":
            return _order(plan, arguments.key, lambda told: _changed(told, revoked=True))
        case _:
            at_ms = int(arguments.at.timestamp() * 1000)
            return _order(plan, arguments.key, lambda told: _changed(told, until_ms=at_ms))


def known(journal: Path) -> Keys:
    """Every key in the journal. Raises ConfigError and TransientError."""
    keys = Keys()
    with closing(open_reader(journal)) as reader:
        for site in reader.sites():
            keys.add(reader.of_kind(site, "key"))
    return keys


def _list(plan: Plan, as_json: bool) -> int:
    for told in known(plan.config.journal).all():
        if as_json:
            print(msgspec.json.encode({"id": told.id, **msgspec.to_builtins(told)}).decode())
        else:
            print("\t".join(_shown(told)))
    return 0


def _shown(told: KeyRecord) -> Iterator[str]:
    yield told.id
    yield f"{told.site}/{told.gateway}" if told.gateway else f"{told.site}, the ingestor's own"
    if told.revoked:
        yield "revoked"
    elif told.until_ms is not None:
        yield f"for readings before {datetime.fromtimestamp(told.until_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
    else:
        yield "counts"


def _order(plan: Plan, key: str, change: Callable[[KeyRecord], KeyRecord]) -> int:
    """The same key may stand in several sites."""
    found = [told for told in known(plan.config.journal).all() if told.id == key]
    if not found:
        raise ConfigError(f"keys: the journal knows no key {key}; see `keys list`")
    orders = Orders(plan.config.state / "orders")
    waiting = [orders.put(change(told)) for told in found]
    deadline = time.monotonic() + _WAIT_S
    while any(path.exists() for path in waiting) and time.monotonic() < deadline:
        time.sleep(0.1)
    for path in waiting:
        if path.exists():
            print(f"{path}: noted; the ingestor takes it before anything else when it runs")
        elif path.with_suffix(".refused").exists():
            raise ConfigError(f"{path.with_suffix('.refused')}: refused; its log says why")
        else:
            print(f"{key}: the journal has it")
    return 0


def _changed(told: KeyRecord, **fields: object) -> KeyRecord:
    return msgspec.structs.replace(told, **fields)


def _rotate(plan: Plan, now: bool) -> int:
    """First the next key is made, and gateways are told of it as they renew; then it is used."""
    current = plan.config.receipt_key
    coming = receipts.next_key(current)
    if not now:
        public = receipts.load_key(coming).public
        print(f"{public}: gateways learn it with their next certificate; then: keys rotate --now")
        return 0
    if not coming.exists():
        raise ConfigError(f"{coming}: is not there; first: keys rotate, without --now")
    old = current.with_name(f"{current.name}.{receipts.load_key(current).public.id}")
    # At no moment is there none: a start would make one that no gateway knows.
    if not old.exists():
        os.link(current, old)
    coming.rename(current)
    print(f"{receipts.load_key(current).public}: signs from the next start on; the old one: {old}")
    print(
        "restart the ingestor: a gateway that does not know it yet keeps all it has",
        file=sys.stderr,
    )
    return 0


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: 2026-12-01T08:00") from exc
    return found if found.tzinfo else found.replace(tzinfo=UTC)
