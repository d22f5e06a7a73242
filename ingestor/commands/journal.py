"""`ingestor journal …`: look into the journal, prove what it says, move old months out of the way."""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ingestor import config, verify
from wire.config import read_secret
from wire.errors import BadData, ConfigError, TransientError
from wire.journal import Reader, heads, open_reader
from wire.journal.freeze import freeze
from wire.signing import PublicKey

_MOST_PROOF = 1024 * 1024
_TELL_EVERY_S = 5.0
EXAMPLES = (
    "ingestor journal verify --config ingestor.toml      0 whole, 1 broken, 2 not looked at to the end",
    "ingestor journal verify --site cq-wheel --from 120001 --config ingestor.toml",
    "ingestor journal show --after 100 --limit 5 --config ingestor.toml",
    "ingestor journal prove 4711 --config ingestor.toml > record.proof",
    "ingestor journal consistency 2026-11-24 2026-11-25 --config ingestor.toml > days.proof",
    "ingestor journal check record.proof --key receipt.key.pub      no journal needed",
    "ingestor journal freeze --before 2026-10 --to /archive --config ingestor.toml",
    "wattprint journal show --site cq-wheel --config ingestor.toml",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The words after `journal`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, what: str, site: str = "") -> argparse.ArgumentParser:
        added = actions.add_parser(name, help=what, description=what)
        if name != "check":
            added.add_argument("--config", type=Path, required=True, metavar="FILE")
        if site:
            added.add_argument("--site", metavar="SITE", help=site)
        return added

    alone = "may be left out if the journal has one site"
    it = action(
        "verify", "walk chains, signatures and tree heads to the first broken link", "default: all"
    )
    it.add_argument(
        "--from", type=_offset, default=1, dest="first", metavar="OFFSET", help="go on from here"
    )
    it = action("show", "print records without their data, one JSON object a line", alone)
    it.add_argument("--after", type=int, default=0, metavar="OFFSET", help="default 0")
    it.add_argument("--limit", type=int, default=100, metavar="N", help="default 100")
    it = action("prove", "that a record stands under a signed tree head, as JSON", alone)
    it.add_argument("offset", type=_offset, metavar="OFFSET")
    it = action("consistency", "that one day's tree head goes on from another's, as JSON", alone)
    it.add_argument("days", nargs=2, metavar="DAY", help="2026-11-25")
    it = action("check", "a proof of either kind, without the journal")
    it.add_argument("proof", metavar="FILE", help="- is stdin")
    it.add_argument(
        "--key", type=Path, required=True, metavar="FILE", help="the ingestor's public key"
    )
    it.add_argument(
        "--data", type=Path, metavar="FILE", help="that this is the proved record's data"
    )
    it = action("freeze", "move the data of old segments, a month a file, out of the journal")
    it.add_argument("--before", type=_month, required=True, metavar="MONTH", help="2026-10")
    it.add_argument("--to", type=Path, required=True, metavar="DIR")


def run(arguments: argparse.Namespace, now_s: Callable[[], float] = time.time) -> int:
    """Do what was typed. Raises ConfigError, BadData and TransientError."""
    if arguments.action == "check":
        return _check(arguments)
    plan = config.load(arguments.config)
    if arguments.action == "freeze":
        return _freeze(plan.config.journal, arguments, datetime.fromtimestamp(now_s(), UTC))
    if arguments.action == "verify":
        try:
            return _verify(plan.config.journal, arguments)
        except TransientError as exc:
            print(f"ingestor: not looked at to the end: {exc}", file=sys.stderr)
            return 2
    with closing(open_reader(plan.config.journal)) as journal:
        site = _site(journal, arguments)
        if arguments.action == "show":
            return _show(journal, site, arguments)
        proof: heads.Inclusion | heads.Consistency
        if arguments.action == "prove":
            proof = _inclusion(journal, site, arguments.offset)
        else:
            proof = _consistency(journal, site, *arguments.days)
    print(msgspec.json.format(msgspec.json.encode(proof)).decode())
    return 0


def _verify(path: Path, arguments: argparse.Namespace) -> int:
    with closing(open_reader(path)) as journal:
        if arguments.site or arguments.first > 1:
            sites = [_site(journal, arguments)]
        else:
            sites = journal.sites()
        return max((_verify_site(journal, site, arguments.first) for site in sites), default=0)


def _verify_site(journal: Reader, site: str, first: int) -> int:
    told = _Progress(site, first)
    try:
        found = verify.verify(journal, site, first, told)
    except KeyboardInterrupt:
        again = f"--site {site} --from {told.offset + 1}"
        print(f"{site}: stopped; good up to record {told.offset}; go on with {again}")
        return 2
    print("\n".join(_told(found)))
    return 1 if found.problem else 0


def _told(found: verify.Found) -> Iterator[str]:
    begun = "" if found.first == 1 else f" from {found.first} on, those before taken on trust"
    counts = f"{found.segments} segments, {found.heads} tree heads"
    if not found.problem:
        yield f"{found.site}: {found.last} records{begun}, {counts}, all good"
        yield f"{found.site}: chain ends {found.chain}"
        return
    yield f"{found.site}: broken at record {found.last + 1}: {found.problem}"
    yield f"{found.site}: {found.last} records{begun}, {counts}, are good before it"


class _Progress:
    """Says on stderr how far it is and how fast, every few seconds."""

    def __init__(self, site: str, first: int) -> None:
        self.offset = first - 1
        self._site, self._first = site, first
        self._began_s = self._told_s = time.monotonic()

    def __call__(self, offset: int) -> None:
        self.offset = offset
        now_s = time.monotonic()
        if now_s - self._told_s >= _TELL_EVERY_S:
            self._told_s = now_s
            rate = (offset - self._first + 1) / (now_s - self._began_s)
            said = f"{self._site}: {offset} records good so far, {rate:.0f}/s"
            print(said, file=sys.stderr, flush=True)


def _show(journal: Reader, site: str, arguments: argparse.Namespace) -> int:
    for record in journal.read(site, arguments.after, arguments.limit):
        print(json.dumps(msgspec.to_builtins(record) | {"data": len(record.data)}))
    return 0


def _inclusion(journal: Reader, site: str, offset: int) -> heads.Inclusion:
    record = journal.outline(site, offset)
    if record is None:
        raise ConfigError(f"prove: the journal of {site} has no record {offset}")
    signed = _heads(journal, site)
    head = next((each for each in signed if each.size >= offset), None)
    if head is None:
        raise TransientError(
            f"record {offset} stands under no tree head yet: one is signed when its UTC day is over"
        )
    before = next((each for each in reversed(signed) if each.size < offset), None)
    leaves = list(journal.leaves(site, before.size if before else 0, head.size))
    path = heads.tree_after(before, leaves).inclusion(offset - 1, head.size)
    return heads.Inclusion(record, tuple(each.hex() for each in path), head)


def _consistency(journal: Reader, site: str, *days: str) -> heads.Consistency:
    signed = {head.day: head for head in _heads(journal, site)}
    for day in days:
        if day not in signed:
            known = f"{min(signed)} to {max(signed)}" if signed else "none yet"
            raise ConfigError(f"consistency: there is no tree head of {day}; there are: {known}")
    old, new = sorted((signed[day] for day in days), key=lambda head: head.size)
    return heads.consistency(old, new, list(journal.leaves(site, old.size, new.size)))


def _heads(journal: Reader, site: str) -> list[heads.TreeHead]:
    return [heads.read_head(record) for record in journal.of_kind(site, heads.KIND)]


def _check(arguments: argparse.Namespace) -> int:
    proof = heads.read_proof(_bytes(arguments.proof))
    try:
        key = PublicKey.parse(read_secret(arguments.key))
    except BadData as exc:
        raise ConfigError(f"--key: {arguments.key}: {exc}") from exc
    heads.check(proof, key)
    if isinstance(proof, heads.Consistency):
        old, new = proof.old, proof.new
        print(f"good: the journal of {new.site} of {new.day}, {new.size} records, begins with that")
        print(f"of {old.day}, {old.size} records; both signed by {key.id}")
        return 0
    record, head = proof.record, proof.head
    if arguments.data is not None:
        if hashlib.sha256(_bytes(str(arguments.data))).hexdigest() != record.hash:
            raise BadData(f"{arguments.data}: is not the data of record {record.offset}")
        print(f"good: {arguments.data} is the data of record {record.offset}")
    print(f"good: record {record.offset}, {record.kind} {record.key}, {record.hash}")
    print(f"is one of the {head.size} of {head.site} on {head.day}, signed by {key.id}")
    return 0


def _freeze(journal: Path, arguments: argparse.Namespace, now: datetime) -> int:
    if arguments.before > now:
        raise ConfigError(
            f"--before: {now:%Y-%m} is not over; the latest that may be frozen before"
        )
    if not journal.exists():
        raise TransientError(f"{journal}: there is no journal yet; the ingestor makes it")
    one = None
    for one in freeze(journal, arguments.before, arguments.to):
        span = f"records {one.first} to {one.last}"
        print(f"{one.site}: {one.month}, {span}: {one.moved} segments moved to {one.path}")
    if one is None:
        print(f"nothing from before {arguments.before:%Y-%m} is left to be moved")
    return 0


def _site(journal: Reader, arguments: argparse.Namespace) -> str:
    site: str | None = arguments.site
    if site is not None and journal.outline(site, 1):
        return site
    sites = journal.sites()
    if site is not None or len(sites) != 1:
        known = ", ".join(sites) or "no site yet"
        raise ConfigError(f"--site: name one of those the journal has: {known}")
    return sites[0]


def _bytes(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read(_MOST_PROOF)
    try:
        return Path(name).read_bytes()
    except OSError as exc:
        raise ConfigError(f"{name}: cannot be read: {exc.strerror}") from exc


def _offset(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: offsets count from 1")
    return int(text)


def _month(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"{text!r} is no month: 2026-10") from exc
