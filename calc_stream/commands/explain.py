"""`calc-stream explain`: from a batch's footprint back to meters, readings and sealed segments."""

import argparse
from itertools import takewhile
from pathlib import Path

import msgspec

from calc_stream.commands.export import site_of
from calc_stream.core import SiteState
from calc_stream.core.decimals import instant
from calc_stream.evidence.trail import Trail, trail, widened
from calc_stream.ledger.rows import BatchRow
from calc_stream.ledger.store import Store, open_store
from wire.errors import ConfigError
from wire.journal import open_reader

EXAMPLES = """examples:
  calc-stream explain B-0007 --ledger calc --journal journal.db
  calc-stream explain B-0007 --ledger calc --journal journal.db --revision 1 --json
"""


class Explanation(msgspec.Struct, frozen=True):
    """The row, and what it stands on."""

    row: BatchRow
    trail: Trail


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    parser.add_argument("batch", metavar="BATCH")
    parser.add_argument("--ledger", type=Path, required=True, metavar="DIR")
    parser.add_argument("--journal", type=Path, required=True, metavar="FILE")
    parser.add_argument("--site", help="needed where the ledger holds several")
    parser.add_argument("--revision", type=int, help="instead of the batch as it stands")
    parser.add_argument("--json", action="store_true", help="as JSON instead of a tree")


def run(args: argparse.Namespace) -> int:
    """Prints the explanation. Raises ConfigError, or TransientError without a journal."""
    found = explain(args)
    print(msgspec.json.encode(found).decode() if args.json else tree(found))
    return 0


def explain(args: argparse.Namespace) -> Explanation:
    """What the arguments ask for."""
    store = open_store(args.ledger)
    site = site_of(store, args.ledger, args.site)
    row = _row(store, site, args.batch, args.revision)
    state = SiteState.from_bytes(store.state(site)[1])
    if state.model is None or state.frontier_ms is None:
        raise ConfigError(f"{args.ledger}: nothing is posted for {site} yet")
    reader = open_reader(args.journal)
    begin_ms = row.started_ms if row.started_ms is not None else state.frontier_ms
    span = widened(state, (begin_ms, max(begin_ms, row.ended_ms or state.frontier_ms)))
    upto = store.state(site)[0] if row.state == "live" else row.offset
    records = takewhile(lambda record: record.offset <= upto, reader.walk(site))
    return Explanation(row, trail(records, state.model, row.batch, row.nodes, span))


def _row(store: Store, site: str, batch: str, revision: int | None) -> BatchRow:
    rows = store.rows(site) if revision is None else store.revisions(site, batch)
    for row in rows:
        if row.batch == batch and revision in (None, row.revision):
            return row
    which = f"revision {revision} of batch" if revision is not None else "batch"
    raise ConfigError(f"explain: the ledger has no {which} {batch!r} of site {site}")


def tree(found: Explanation) -> str:
    """The explanation for a person."""
    row, below = found.row, found.trail
    kg = "unknown" if row.kg_co2e is None else f"{row.kg_co2e} kg CO2e"
    per = "" if row.kg_co2e_per_unit is None else f", {row.kg_co2e_per_unit} per {row.unit}"
    lines = [
        f"batch {row.batch} ({row.product or 'no product told'}), {row.state}, "
        f"revision {row.revision}, journal offset {row.offset}",
        f"├─ {kg}{per}; method {row.method}; factors {', '.join(row.factors) or 'none'}",
        f"│  factor set {row.factor_set or 'none'}; model {row.model}",
        f"├─ {row.energy_kwh} kWh; measured share {row.measured_share}",
    ]
    for source, amount in row.by_source.items():
        came = row.inherited.get(source)
        note = f" (of it with input batches: {came})" if came else ""
        lines.append(f"│  ├─ {source}: {amount} {row.units[source]}{note}")
    lines.append(f"├─ {len(below.events)} events name it")
    lines += [f"│  ├─ offset {offset}: event {key}" for offset, key, _ in below.events]
    lines.append(f"└─ {len(below.meters)} meters on the way to {', '.join(row.nodes) or 'no node'}")
    for meter in below.meters:
        where = f"{meter.start} → {meter.end}"
        lines.append(f"   ├─ {meter.meter} ({where}): {meter.readings} readings")
        for part in meter.segments:
            times = f"{instant(part.first_ms)} … {instant(part.last_ms)}"
            lines.append(
                f"   │  ├─ offset {part.offset}: segment {part.key}, {part.readings} readings, "
                f"{times}, sha256 {part.hash[:16]}…"
            )
    return "\n".join(lines)
