"""`wattprint export`: closed batches, product factors and published footprints, for accounting."""

import argparse
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from calc_stream import exporters
from calc_stream.footprints.shelf import open_shelf
from calc_stream.ledger.store import Store, open_store
from calc_stream.pact.upstream import read_declaration
from wire.config import refuse

EXAMPLES = """examples:
  wattprint export --ledger .demo/calc --format csv
  wattprint export --ledger .demo/calc --format json --what products --out factors.json
  wattprint export --ledger .demo/calc --format xlsx --what footprints --set lang=zh --out f.xlsx
  wattprint export --ledger .demo/calc --format openlca --what footprints \\
    --declaration products.toml --out footprints.zip
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    known = ", ".join(exporters.shipped())
    parser.add_argument(
        "--ledger", type=Path, required=True, metavar="DIR", help="the calculator's state directory"
    )
    parser.add_argument(
        "--format", required=True, metavar="NAME", help=f"{known}, or a module's dotted name"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the format, as its sample [exporter] table names it",
    )
    parser.add_argument(
        "--what",
        choices=exporters.WHAT,
        default="batches",
        help="every closed batch, the factor of every product, or every published footprint"
        " (default: batches)",
    )
    parser.add_argument("--site", metavar="ID", help="needed where the ledger holds several")
    parser.add_argument("--product", metavar="ID", help="of this product only")
    parser.add_argument(
        "--declaration",
        type=Path,
        metavar="FILE",
        help="what is declared of company and products, beside footprints (products.toml)",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="instead of standard output")


def run(args: argparse.Namespace) -> int:
    """Writes the export. Raises ConfigError."""
    exporter = exporters.find(args.format)
    exporters.check(exporter, args.format, args.what)
    settings = exporters.settings(exporter, args.format, args.set)
    declaration = None if args.declaration is None else read_declaration(args.declaration)
    with closing(open_store(args.ledger)) as store:
        site = site_of(store, args.ledger, args.site)
        if args.what == "footprints":
            with closing(open_shelf(args.ledger)) as shelf:
                export = exporters.published(shelf, site, args.product, declaration)
        else:
            gathered = exporters.gather(store, site, args.what, args.product)
            export = replace(gathered, declaration=declaration)
    data = exporter.write(export, settings)
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
