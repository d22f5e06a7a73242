"""`wattprint compute`: the footprint of every batch from three files.

The files are the journal's records in their public form; nothing else is looked at.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

from calc_stream.core import (
    Event,
    Ledger,
    Marks,
    Readings,
    SiteModel,
    Versions,
    canonical,
    compute_result,
    parse_events,
    parse_model,
    parse_readings,
    recompute,
)
from calc_stream.core.accounts import Cell
from calc_stream.core.batches import batches_of
from calc_stream.core.decimals import significant
from calc_stream.core.edges import span_of
from calc_stream.core.events import in_force
from calc_stream.core.result import Result, Weigh
from calc_stream.evidence.balance import overdrawn
from calc_stream.factors import (
    FactorSet,
    Method,
    Rates,
    by_source,
    doubts,
    given_of,
    load,
    load_method,
    marks_of,
)
from wire.config import refuse
from wire.errors import BadData, ConfigError

EXAMPLES = """examples:
  wattprint compute --model model.toml --events events.jsonl --readings readings.jsonl
  wattprint compute --model model.toml --events events.jsonl --readings readings.jsonl --json
  wattprint compute --model old.toml --model from-june.toml --events e.jsonl --readings r.jsonl
"""

_AMOUNTS = ("own", "value_adding", "overhead", "allocated", "inherited")
MOST_SLOTS = 20_000_000  # 38 years of minutes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    parser.add_argument(
        "--model",
        type=Path,
        required=True,
        action="append",
        metavar="FILE",
        help="site model, TOML; again for each version, told apart by their valid_from",
    )
    for name, what in (
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
        help="compute kg CO2e, too, by this method profile (wattprint methods list)",
    )
    parser.add_argument(
        "--parts",
        action="store_true",
        help="tell value-adding, overhead and allocated energy of each batch apart",
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
    factors = load(args.factors) if args.factors is not None or args.method is not None else None
    method = None if args.method is None else load_method(args.method)
    versions = Versions.of(parse_model(_read(path), str(path)) for path in args.model)
    events = parse_events(_read(args.events), str(args.events))
    readings = parse_readings(_read(args.readings), str(args.readings), versions.meters)
    _check_span(versions, readings, args.readings)
    if method is not None:
        models = [reign.model for reign in versions.reigns]
        versions = Versions.of(method_model(model, method) for model in models)
    marks = Marks() if method is None else marks_of(versions, factors)
    ledger = recompute(versions, events, readings, marks=marks)
    for problem in ledger.problems:
        raise BadData(f"{args.events}:{problem.event.line}: {problem.key}: {problem.text}")
    weigh = None
    if factors is not None and method is not None:
        _check_units(events, method)
        weigh = _weigh(ledger, versions, factors, method)
    result = compute_result(ledger, versions, events, weigh, args.parts)
    missing = overdrawn(versions, readings, ledger.span)
    return result | ({"overdrawn": missing} if missing else {})


def _check_units(events: Sequence[Event], method: Method) -> None:
    """Raises ConfigError for a batch the method cannot state kg for one unit of."""
    for name, batch in batches_of(in_force(events)[0])[0].items():
        if not method.takes(batch.unit):
            known = ", ".join(method.declared_units)
            problem = f"{name} is counted in {batch.unit!a}; method {method.id} takes {known}"
            raise ConfigError(f"quantity: batch {problem}")


def _check_span(versions: Versions, readings: Readings, path: Path) -> None:
    """One mistyped year must not make a computation of centuries. Raises BadData."""
    span = span_of(versions, readings)
    slot_ms = min(reign.model.slot_ms for reign in versions.reigns)
    if span is not None and (span[1] - span[0]) // slot_ms > MOST_SLOTS:
        first, last = (datetime.fromtimestamp(t_ms // 1000, UTC).date() for t_ms in span)
        raise BadData(
            f"{path}: t: readings from {first} to {last} are more than {MOST_SLOTS} slots of"
            f" {slot_ms // 1000} s: is a date wrong? If not, raise slot_s"
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
        for key in (*_AMOUNTS, "per_unit", "kg_co2e"):
            said = batch.get(key) or {}
            lines += [f"  {key:<12} {at:<16} {value:>20}" for at, value in said.items()]
        for lot, said in batch.get("bought", {}).items():
            mass = "unknown" if said["kg_co2e"] is None else f"{said['kg_co2e']} kg CO2e"
            lines.append(f"  {'bought':<12} {lot:<16} {said['quantity']:>20}  {mass}")
    for name, own in accounts.items():
        lines.append(name)
        lines += [f"  {'':<12} {source:<16} {value:>20}" for source, value in own.items()]
    for name, store in result.get("stores", {}).items():
        lines.append(f"store {name}  level {store['level']}  shortage {store['shortage']}")
    for bus in result.get("overdrawn", []):
        lines.append(f"overdrawn {bus['bus']}: {bus['residual']}, beyond {bus['limit']}")
    lines += [f"closure {source}: {value}" for source, value in result["closure"].items()]
    return "\n".join(lines)


def method_model(model: SiteModel, method: Method) -> SiteModel:
    """The model with the policy the method demands. Raises ConfigError."""
    method.check(model)
    policy, differences = method.policy_for(model.policy)
    for difference in differences:
        said = f'is "{difference.model}"; method {method.id} demands "{difference.method}"'
        print(f"{model.file}: policy.{difference.key}: {said} and gets it", file=sys.stderr)
    return replace(model, policy=policy)


def _weigh(ledger: Ledger, versions: Versions, factors: FactorSet, method: Method) -> Weigh:
    """From quanta to kg by column; raises ConfigError where a factor is missing."""
    for model in (reign.model for reign in versions.reigns):
        for name, source in model.sources.items():
            if source.factor is None:
                problem = "is missing; a method needs a factor for every source"
                raise refuse(model.file, f"sources.{name}.factor", problem)
    for one in factors.instruments:
        if one.source not in versions.sources:
            problem = f"no source is named {one.source!a} in the model: it covers nothing"
            print(f"instruments.{one.id}.source: {problem}", file=sys.stderr)
    for model in (reign.model for reign in versions.reigns):
        for key, problem in doubts(model, factors, method):
            if key.startswith("stores."):
                print(f"{model.file}: {key}: {problem}", file=sys.stderr)
    rates = Rates(versions, factors, method, given_of(ledger.sums()))
    since_ms = ledger.span[0] if ledger.span else 0

    def weigh(cells: Mapping[Cell, Fraction]) -> dict[str, str]:
        mass = rates.mass(by_source(cells))
        for source in mass.unknown:
            model = next(r.model for r in versions.reigns if source in r.model.sources)
            its = [t_ms for (t_ms, of), quanta in cells.items() if of == source and quanta]
            times = [t_ms for t_ms in its if rates.of(source, t_ms) is None]
            key, problem = rates.lack(source, max(min(times), since_ms))
            if key.startswith("sources."):
                raise refuse(model.file, key, problem)
            raise ConfigError(f"{key}: {problem}")
        columns = sorted(mass.columns.items())
        return {column: significant(kg) for column, kg in columns if kg}

    return weigh


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
