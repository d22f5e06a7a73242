"""`wattprint compute`: the footprint of every batch from three files.

The files are the journal's records in their public form; nothing else is looked at.
"""

import argparse
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from calc_stream.core import (
    Footprint,
    InventoryFactor,
    ProductFactor,
    Readings,
    SiteModel,
    canonical,
    choose_factors,
    compute_result,
    parse_events,
    parse_model,
    parse_readings,
    problems_of,
    recompute,
)
from calc_stream.core.edges import span_of
from calc_stream.core.footprint import Factor
from calc_stream.core.result import Result
from calc_stream.factors.load import load
from calc_stream.factors.method import load_method
from calc_stream.factors.row import Factor as Row
from wire.config import refuse
from wire.errors import BadData, ConfigError

EXAMPLES = """examples:
  wattprint compute --model model.toml --events events.jsonl --readings readings.jsonl
  wattprint compute --model model.toml --events events.jsonl --readings readings.jsonl --json
"""

MOST_SLOTS = 20_000_000  # 38 years of minutes

_KINDS: dict[str, type[Factor]] = {
    "product_footprint": ProductFactor,
    "inventory": InventoryFactor,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    for name, what in (
        ("model", "site model: sources, boards, nodes and the meters between them, TOML"),
        ("events", "production events, one JSON object a line"),
        ("readings", "meter readings, one JSON object a line"),
    ):
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="FILE", help=what)
    parser.add_argument(
        "--factors", type=Path, metavar="DIR", help="own factor files (*.toml) beside those shipped"
    )
    parser.add_argument(
        "--method",
        metavar="ID",
        help="compute kg CO2e, too, by this method profile, such as gbt24067",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")


def run(args: argparse.Namespace) -> int:
    """Prints the result; 0, or 2 with one line on stderr when a file is bad."""
    try:
        result = compute(args)
    except (ConfigError, BadData) as exc:
        print(exc, file=sys.stderr)
        return 2
    if args.json:
        sys.stdout.buffer.write(canonical(result).encode())
        sys.stdout.buffer.flush()
    else:
        print(table(result))
    return 0


def compute(args: argparse.Namespace) -> Result:
    """The result for the files the arguments name. Raises ConfigError or BadData."""
    model = parse_model(_read(args.model), str(args.model))
    events = parse_events(_read(args.events), str(args.events))
    meters = {meter.id for meter in model.meters}
    readings = parse_readings(_read(args.readings), str(args.readings), meters)
    _check_span(model, readings, args.readings)
    footprint = _footprint(model, readings, args)
    ledger = recompute(model, events, readings)
    for problem in problems_of(ledger, events):
        raise BadData(f"{args.events}:{problem.event.line}: {problem.key}: {problem.text}")
    return compute_result(ledger, model, events, footprint)


def _check_span(model: SiteModel, readings: Readings, path: Path) -> None:
    """One mistyped year must not make a computation of centuries. Raises BadData."""
    span = span_of(model, readings)
    if span is not None and (span[1] - span[0]) // model.slot_ms > MOST_SLOTS:
        first, last = (datetime.fromtimestamp(t_ms // 1000, UTC).date() for t_ms in span)
        raise BadData(
            f"{path}: t: readings from {first} to {last} are more than {MOST_SLOTS} slots of"
            f" {model.slot_ms // 1000} s: is a date wrong? If not, raise slot_s"
        )


def table(result: Result) -> str:
    """The result for a person: every batch, then the other accounts, by source."""
    accounts = {name: own for name, own in result["accounts"].items() if name[:6] != "batch:"}
    lines = [
        f"site {result['site']}: {result['intervals']} intervals, {result['ignored']} readings ignored",
        *(f"{key}: {', '.join(result[key])}" for key in ("incomplete", "untraced") if result[key]),
    ]
    for name, batch in result["batches"].items():
        made = f"{batch['good']} {batch['unit'] or ''}".strip()
        lines.append(
            f"batch {name}  {batch['product'] or '-'}  good {made}  scrap {batch['scrap']}"
        )
        for key in ("own", "inherited", "per_unit", "kg_co2e"):
            lines += [
                f"  {key:<10} {at:<16} {value:>20}" for at, value in (batch[key] or {}).items()
            ]
    for name, own in accounts.items():
        lines.append(name)
        lines += [f"  {'':<10} {source:<16} {value:>20}" for source, value in own.items()]
    lines += [f"closure {source}: {value}" for source, value in result["closure"].items()]
    return "\n".join(lines)


def _footprint(model: SiteModel, readings: Readings, args: argparse.Namespace) -> Footprint | None:
    """The factors of the method, when one is named; they must hold over the whole span."""
    if args.method is None and args.factors is None:
        return None
    known, span = load(args.factors), span_of(model, readings)
    if args.method is None:
        return None
    method = load_method(args.method)
    for difference in method.policy_for(model.policy)[1]:
        problem = f'is "{difference.model}"; method {method.id} demands "{difference.method}"'
        raise refuse(args.model, f"policy.{difference.key}", problem)
    chosen: dict[str, Factor] = {}
    for name, source in model.sources.items():
        if source.factor is None or span is None:
            continue
        key = f"sources.{name}.factor"
        first, last = (known.find(source.factor, t_ms) for t_ms in span)
        if first is None or last is None:
            raise refuse(args.model, key, f"no factor {source.factor!a} holds over all readings")
        if first.id != last.id:
            problem = "changes between the first and the last reading: not supported by this build"
            raise refuse(args.model, key, problem)
        chosen[name] = _typed(first)
    if span is None:
        return None
    try:
        return choose_factors(model, chosen, _KINDS[method.factor_kind])
    except ConfigError as exc:
        raise ConfigError(f"{args.model}: {exc}") from exc


def _typed(row: Row) -> Factor:
    """The stored factor as the core's type of its kind."""
    return _KINDS[row.kind](
        id=row.id,
        value=Decimal(row.value),
        unit=row.per,
        kind=row.kind,
        gases=row.gases,
        stage=row.stage,
        region=row.region,
        valid_from_ms=row.valid_from_ms,
        valid_to_ms=row.valid_to_ms,
        publisher=row.publisher,
        document=row.document,
        url=row.url,
        hash=row.hash,
        status=row.status,
    )


def _read(path: Path) -> str:
    """The text of a file. Raises ConfigError."""
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from exc
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8 text") from exc
