"""`wattprint export`: closed batches and product factors from a ledger, for accounting."""

import argparse
import sys
from contextlib import closing
from pathlib import Path

from calc_stream import exporters
from calc_stream.ledger.store import Store, open_store
from wire.config import refuse

EXAMPLES = """examples:
  wattprint export --ledger .demo/calc --format csv
  wattprint export --ledger .demo/calc --format json --what products --out factors.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    parser.add_argument(
        "--ledger", type=Path, required=True, metavar="DIR", help="the calculator's state directory"
    )
    parser.add_argument(
        "--format", required=True, metavar="NAME", help="csv, json, or a module's dotted name"
    )
    parser.add_argument(
        "--what",
        choices=exporters.WHAT,
        default="batches",
        help="every closed batch, or the factor of every product (default: batches)",
    )
    parser.add_argument("--site", metavar="ID", help="needed where the ledger holds several")
    parser.add_argument("--product", metavar="ID", help="of this product only")
    parser.add_argument("--out", type=Path, metavar="FILE", help="instead of standard output")


def run(args: argparse.Namespace) -> int:
    """Writes the export. Raises ConfigError."""
    exporter = exporters.find(args.format)
    with closing(open_store(args.ledger)) as store:
        site = site_of(store, args.ledger, args.site)
        export = exporters.gather(store, site, args.what, args.product)
    data = exporter.write(export, exporter.Settings())
    if doubtful := exporters.unverified(export):
        print(
            f"{doubtful} rows stand on factors of second hand (status secondary)", file=sys.stderr
        )
    if args.out is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return 0
    try:
        args.out.write_bytes(data)
    except OSError as exc:
        raise refuse(args.out, "--out", f"cannot be written: {exc.strerror}") from exc
    return 0


def site_of(store: Store, ledger: Path, asked: str | None) -> str:
    """The site that is meant. Raises ConfigError."""
    sites = store.sites()
    if asked is None and len(sites) == 1:
        return sites[0]
    if asked is None or asked not in sites:
        raise refuse(ledger, "--site", f"name one of: {', '.join(sites) or '(none yet)'}")
    return asked
