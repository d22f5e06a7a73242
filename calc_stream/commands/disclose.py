"""`wattprint disclose`: a footprint or a batch's figure for somebody, as much of it as he is to know."""

import argparse
import getpass
import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from calc_stream import bundling
from calc_stream.bundling import Figure
from calc_stream.commands.bundle import of_footprint, settled
from calc_stream.commands.explain import add_places, places
from calc_stream.commands.export import site_of
from calc_stream.core.decimals import instant
from calc_stream.disclosing import TYPES, Disclosure, Log, named, open_discloser
from calc_stream.evidence.bundle import pretty
from calc_stream.evidence.disclosure import read_document
from calc_stream.evidence.levels import FULL, load_levels, shown_at
from calc_stream.ledger.store import open_store
from wire.config import refuse
from wire.errors import ConfigError
from wire.journal import open_reader

EXAMPLES = """examples:
  wattprint disclose 5b0f5c1e-62b5-5b8e-9d53-0a1f3c9e7d11 --level buyer --to "Example Cars" --config calc.toml --out wheel.json
  wattprint disclose --batch B-0007 --level auditor --to "Example Audit" --config calc.toml --out b7.json
  wattprint disclose 5b0f5c1e-62b5-5b8e-9d53-0a1f3c9e7d11 --level full --to "Example Audit" --config calc.toml --out wheel.zip
  wattprint disclose --log --config calc.toml               who got what when
  wattprint verify wheel.json --key ed25519:qk0…            as whoever got it does
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    parser.add_argument("footprint", nargs="?", metavar="FOOTPRINT", help="its id")
    parser.add_argument("--batch", metavar="BATCH", help="a batch's settled figure instead")
    parser.add_argument(
        "--revision", type=int, metavar="N", help="of the batch (default: the last)"
    )
    parser.add_argument(
        "--level",
        metavar="LEVEL",
        help="full (the bundle), auditor, buyer, public, or one of --levels",
    )
    parser.add_argument("--to", metavar="NAME", help="who gets it; it stands in the document")
    parser.add_argument(
        "--levels", type=Path, metavar="FILE", help="other lists than the shipped ones, TOML"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="where it goes")
    parser.add_argument("--log", action="store_true", help="show who got what when")
    parser.add_argument("--json", action="store_true", help="the log as JSON, an object a line")
    add_places(parser)


def run(
    args: argparse.Namespace, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
) -> int:
    """Writes the document, and then into the log. Raises ConfigError."""
    ledger, journal = places(args)
    if args.log:
        for past in Log(ledger).all():
            print(msgspec.json.encode(past).decode() if args.json else _line(past))
        return 0
    if (args.footprint is None) == (args.batch is None):
        raise ConfigError("disclose: give a footprint's id, or --batch; or --log")
    for key in ("level", "to", "out"):
        if getattr(args, key) is None:
            raise ConfigError(f"disclose: --{key} is missing")
    levels = load_levels(TYPES, args.levels)
    discloser = open_discloser(ledger, secrets.token_bytes)
    with closing(open_store(ledger)) as store:
        if args.batch is not None:
            site = site_of(store, ledger, args.site)
            figure = Figure((settled(store, site, args.batch, args.revision),))
        else:
            figure = of_footprint(store, ledger, args.footprint)
    its = figure.footprint or figure.rows[0]
    kind, site, id_ = named(its)
    committed, t_ms = discloser.committed(its), now_ms()
    if args.level == FULL:
        told = Figure(figure.rows, figure.footprint, pretty(committed))
        with closing(open_reader(journal)) as reader:
            data, count = bundling.make(reader, site, told), 0
    else:
        shown = shown_at(levels, kind, args.level)
        data = discloser.document(its, shown, args.level, args.to, t_ms)
        count = len(read_document(data).document.shown)
    entry = Disclosure(
        *(t_ms, kind, site, id_, args.level, args.to, count, getpass.getuser()),
        *(committed.commitment.root, hashlib.sha256(data).hexdigest()),
    )
    Log(ledger).add(entry)  # first: what is out but not in it would be worse
    try:
        args.out.write_bytes(data)
    except OSError as exc:
        raise refuse(args.out, "--out", f"cannot be written: {exc.strerror}") from exc
    print("\n".join(_said(args.out, entry, str(discloser.key.public))))
    return 0


def _said(path: Path, entry: Disclosure, key: str) -> Iterator[str]:
    fields = "all fields and the readings" if entry.level == FULL else f"{entry.fields} fields"
    yield f"{path}: {entry.kind} {entry.id}, {fields}, for {entry.to}"
    yield f"root {entry.root}"
    yield f"signed with {key}: tell {entry.to} this key by another way"


def _line(told: Disclosure) -> str:
    fields = "everything" if told.level == FULL else f"{told.fields} fields"
    when = instant(told.t_ms)
    return f"{when}  {told.to}  {told.kind} {told.id}  {told.level} ({fields})  by {told.by}"
