"""`wattprint bundle`: the evidence of a batch's figure, or of a footprint, in one file, for somebody who
trusts nobody."""

import argparse
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from calc_stream import bundling
from calc_stream.bundling import Figure
from calc_stream.commands.explain import add_places, places
from calc_stream.commands.export import site_of
from calc_stream.disclosing import root_of
from calc_stream.footprints.shelf import open_shelf
from calc_stream.ledger.rows import BatchRow
from calc_stream.ledger.store import Store, open_store
from wire.config import refuse
from wire.errors import ConfigError
from wire.journal import open_reader

EXAMPLES = """examples:
  wattprint bundle B-0007 --config calc.toml --out B-0007.zip
  wattprint bundle B-0007 --config calc.toml --revision 1 --out first.zip
  wattprint bundle B-0007 --config calc.toml --whole --out B-0007.zip
  wattprint bundle --footprint 3fa85f64-5717-5562-b3fc-2c963f66afa6 --config calc.toml --out wheel.zip
  wattprint verify B-0007.zip --key receipt.key.pub
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    parser.add_argument(
        "batch", nargs="?", metavar="BATCH", help="the batch's id, as the page shows it"
    )
    parser.add_argument("--footprint", metavar="ID", help="of a published footprint instead")
    add_places(parser)
    parser.add_argument(
        "--revision", type=int, metavar="N", help="this revision (default: the last settled one)"
    )
    parser.add_argument(
        "--whole",
        action="store_true",
        help="show the journal from its first record on, so that nothing can have been left out",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="where it goes")


def run(args: argparse.Namespace) -> int:
    """Writes the bundle. Raises ConfigError, or TransientError while it cannot be proved."""
    if (args.batch is None) == (args.footprint is None):
        raise ConfigError("bundle: give a batch, or --footprint")
    ledger, journal = places(args)
    with closing(open_store(ledger)) as store, closing(open_reader(journal)) as reader:
        if args.footprint is None:
            site = site_of(store, ledger, args.site)
            row = settled(store, site, args.batch, args.revision)
            figure, what = Figure((row,)), f"batch {row.batch}, revision {row.revision}"
        else:
            figure = of_footprint(store, ledger, args.footprint)
            site, what = figure.rows[0].site, str(figure)
            if figure.footprint is not None:
                figure = replace(figure, disclosed=root_of(ledger, figure.footprint))
        data = bundling.make(reader, site, figure, args.whole)
    try:
        args.out.write_bytes(data)
    except OSError as exc:
        raise refuse(args.out, "--out", f"cannot be written: {exc.strerror}") from exc
    print(f"{args.out}: {what}, {len(data)} bytes")
    return 0


def of_footprint(store: Store, ledger: Path, id_: str) -> Figure:
    """A published one with the revisions it stands on. Raises ConfigError."""
    with closing(open_shelf(ledger)) as shelf:
        found = shelf.find(id_)
    if found is None:
        raise ConfigError(f"bundle: there is no footprint {id_!r}; see wattprint footprint list")
    return bundling.figure_of(store, found)


def settled(store: Store, site: str, batch: str, revision: int | None) -> BatchRow:
    """The revision that is meant. Raises ConfigError."""
    rows = store.revisions(site, batch)
    if revision is not None:
        rows = [row for row in rows if row.revision == revision]
    if not rows:
        which = f"revision {revision} of batch" if revision is not None else "closed batch"
        raise ConfigError(f"bundle: the ledger has no {which} {batch!r} of site {site}")
    final = [row for row in rows if row.settled]
    if not final:
        raise ConfigError(f"bundle: batch {batch!r} is {rows[-1].state}, not settled yet")
    return final[-1]
