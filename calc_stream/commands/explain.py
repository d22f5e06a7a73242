"""`wattprint explain`: from a batch's footprint back to factors, meters, registers and segments.

The row is read from the ledger; all below it is computed again from the journal up to the row's
offset, with the model and the factor set the row names.
"""

import argparse
from contextlib import closing
from pathlib import Path

import msgspec

from calc_stream import explanation
from calc_stream.commands.explained import tree
from calc_stream.commands.export import site_of
from calc_stream.config import Config
from calc_stream.explanation import Explanation, row_of
from calc_stream.ledger.store import open_store
from wire import config
from wire.errors import ConfigError
from wire.journal import Remote, open_reader

DEMO = Path(".demo/calc.toml")
EXAMPLES = """examples:
  wattprint explain B-0007                             of the demo, running or stopped
  wattprint explain B-0007 --config calc.toml --json
  wattprint explain B-0007 --revision 1                as it was stated first
  wattprint explain B-0007 --ledger calc --journal journal.db
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    parser.add_argument("batch", metavar="BATCH", help="the batch's id, as the page shows it")
    add_places(parser)
    parser.add_argument(
        "--revision", type=int, metavar="N", help="this revision instead of the batch as it stands"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a tree")


def add_places(parser: argparse.ArgumentParser) -> None:
    """Where the ledger and the journal are."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=f"the calculator's configuration (default: {DEMO}, where there is one)",
    )
    parser.add_argument(
        "--ledger", type=Path, metavar="DIR", help="state directory, instead of the configured one"
    )
    parser.add_argument(
        "--journal", type=Path, metavar="FILE", help="journal, instead of the configured one"
    )
    parser.add_argument("--site", metavar="ID", help="needed where the ledger holds several")


def run(args: argparse.Namespace) -> int:
    """Prints the explanation. Raises ConfigError, or TransientError without a journal."""
    found = explain(args)
    print(msgspec.json.encode(found).decode() if args.json else tree(found))
    return 0


def explain(args: argparse.Namespace) -> Explanation:
    """What the arguments ask for."""
    ledger, journal = places(args)
    with closing(open_store(ledger)) as store, closing(open_reader(journal)) as reader:
        site = site_of(store, ledger, args.site)
        row = row_of(store, site, args.batch, args.revision)
        if row is None:
            which = f"revision {args.revision} of batch" if args.revision is not None else "batch"
            raise ConfigError(f"explain: the ledger has no {which} {args.batch!r} of site {site}")
        return explanation.explain(store, reader, site, row)


def places(args: argparse.Namespace) -> tuple[Path, Path | Remote]:
    """(ledger, journal), as told or configured. Raises ConfigError."""
    if args.ledger is not None and args.journal is not None:
        return args.ledger, args.journal
    if args.config is None and not DEMO.exists():
        raise ConfigError(
            f"--config: give the calculator's configuration ({DEMO} is not here), "
            "or --ledger and --journal"
        )
    found = config.load(args.config or DEMO, Config)
    return args.ledger or found.state, args.journal or found.place
