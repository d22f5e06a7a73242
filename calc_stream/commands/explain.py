"""`wattprint explain`: from a batch's footprint back to factors, meters, registers and segments.

The row is read from the ledger; all below it is computed again from the journal up to the row's
offset, with the model and the factor set the row names.
"""

import argparse
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from itertools import takewhile
from pathlib import Path

import msgspec

from calc_stream.commands.explained import Explanation, MassTrail, SourceTrail, tree
from calc_stream.commands.export import site_of
from calc_stream.config import Config
from calc_stream.core import SiteState
from calc_stream.core.decimals import fixed, parse_fraction, parse_instant, shortest, significant
from calc_stream.core.whole import LIMIT
from calc_stream.evidence.accounts import accounts_trail
from calc_stream.evidence.budget import Budget, budget
from calc_stream.evidence.told import Told, gather, in_force, versions_in_force
from calc_stream.evidence.trail import Trail, finer, trail
from calc_stream.factors import Mass, Method, Rates, load_method
from calc_stream.ledger.rows import CLOSED, BatchRow
from calc_stream.ledger.store import Store, open_store
from calc_stream.statements import Statements
from wire import config
from wire.errors import ConfigError
from wire.journal import Reader, Remote, open_reader
from wire.units import convert

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
    with closing(open_store(ledger)) as store:
        site = site_of(store, ledger, args.site)
        row = _row(store, site, args.batch, args.revision)
        offset, data, _ = store.state(site)
    state = SiteState.from_bytes(data)
    # A figure that is stated stands at its offset; an open one moves on with the ledger.
    upto = row.offset if row.state in CLOSED else offset
    until_ms = state.frontier_ms or 0
    if row.state in CLOSED and row.ended_ms is not None:
        until_ms = row.ended_ms
    with closing(open_reader(journal)) as reader:
        told, method = _told(reader, site, row, upto)
    found = trail(told, row.batch, until_ms)
    rates = None if told.factors is None else Rates(told.versions, told.factors, method)
    sources = list(_sources(row, told, found, rates))
    doubt = _budget(row, told, found, rates)
    accounts = accounts_trail(found.grounds, row.batch) if found.grounds else []
    return Explanation(row, sources, accounts, found.meters, found.events, doubt)


:def places(args: argparse.Namespace) -> tuple[Path, Path | Remote]::
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


def _row(store: Store, site: str, batch: str, revision: int | None) -> BatchRow:
    rows = store.rows(site) if revision is None else store.revisions(site, batch)
    for row in rows:
        if row.batch == batch and revision in (None, row.revision):
            return row
    which = f"revision {revision} of batch" if revision is not None else "batch"
    raise ConfigError(f"explain: the ledger has no {which} {batch!r} of site {site}")


def _told(reader: Reader, site: str, row: BatchRow, upto: int) -> tuple[Told, Method]:
    versions = versions_in_force(reader.of_kind(site, "model"), row.model, upto)
    factors = in_force(reader.of_kind(site, "factor"), row.factor_set, upto)
    corrections = reader.of_kind(site, "correction")
    statements = Statements(record for record in corrections if record.offset <= upto)
    records = takewhile(lambda record: record.offset <= upto, reader.walk(site))
    return gather(records, versions, factors, statements), load_method(row.method)


def _budget(row: BatchRow, told: Told, found: Trail, rates: Rates | None) -> Budget | None:
    """U95 of energy, and of mass where it is known; not of batches with a part of pools."""
    if found.grounds is None or row.allocated:
        return None
    mass: Mass | None = None
    if rates is not None and row.kg_co2e is not None:
        mass = rates.mass({source: _quanta(row, told, source) for source in row.by_period})
    return budget(found.grounds, row.batch, rates, mass)


def _quanta(row: BatchRow, told: Told, source: str) -> dict[int, Fraction]:
    """The amounts of a source by the start of their period."""
    quanta = told.versions.carrier_of(source).quanta_per_unit
    return {
        parse_instant(since) if since else -LIMIT: parse_fraction(amount) * quanta
        for since, amount in row.by_period.get(source, {}).items()
    }


def _sources(row: BatchRow, told: Told, found: Trail, rates: Rates | None) -> Iterator[SourceTrail]:
    for source, amount in row.by_source.items():
        carrier = told.versions.carrier_of(source)
        allocated, came = row.allocated.get(source, "0"), row.inherited.get(source, "0")
        own = parse_fraction(amount) - parse_fraction(allocated) - parse_fraction(came)
        entered = finer(found.entered.get(source, Fraction(0)), carrier)
        yield SourceTrail(
            source,
            carrier.unit,
            amount,
            shortest(own),
            allocated,
            came,
            entered,
            shortest(own - parse_fraction(entered)),
            _besides(told),
            list(_masses(row, told, source, rates)),
        )


def _besides(told: Told) -> tuple[str, ...]:
    """What own energy may hold that came on no way from a source's meter within its interval."""
    campaign = any(r.model.policy.setup == "campaign" for r in told.versions.reigns)
    stored = "what stores gave" if told.versions.stores else ""
    return tuple(filter(None, (stored, "its part of its campaign's set-up" if campaign else "")))


def _masses(row: BatchRow, told: Told, source: str, rates: Rates | None) -> Iterator[MassTrail]:
    """Period by period, what each factor made of it."""
    carrier = told.versions.carrier_of(source)
    for period_ms, quanta in _quanta(row, told, source).items():
        amount = quanta / carrier.quanta_per_unit
        for column, kg, factor in (rates.of(source, period_ms) if rates else None) or ():
            yield MassTrail(
                column,
                rates is not None and rates.counts(column),
                factor,
                fixed(round(quanta), carrier.quanta_per_unit, carrier.digits),
                significant(kg / convert(carrier.unit, factor.per)),
                significant(amount * kg, 15),
            )
