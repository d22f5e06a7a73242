"""`wattprint compute`: the footprint of every batch from three files.

The files are the journal's records in their public form; nothing else is looked at.
"""

import argparse
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from calc_stream.core import (
    Event,
    Ledger,
    Readings,
    SiteModel,
    canonical,
    compute_result,
    parse_events,
    parse_model,
    parse_readings,
    problems_of,
    recompute,
)
from calc_stream.core.batches import batches_of
from calc_stream.core.decimals import significant
from calc_stream.core.edges import span_of
from calc_stream.core.events import in_force
from calc_stream.core.result import Result
from calc_stream.evidence.weighed import burdens_of, periods_of, rates_for, totals_of
from calc_stream.factors import FactorSet, Method, load, load_method
from wire.config import refuse
from wire.errors import BadData, ConfigError

EXAMPLES = """examples:
  wattprint compute --model model.toml --events events.jsonl --readings readings.jsonl
  wattprint compute --model model.toml --events events.jsonl --readings readings.jsonl --json
"""

MOST_SLOTS = 20_000_000  # 38 years of minutes


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
        help="compute kg CO2e, too, by this method profile (wattprint methods list)",
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
    model = parse_model(_read(args.model), str(args.model))
    events = list(parse_events(_read(args.events), str(args.events)))
    meters = {meter.id for meter in model.meters}
    readings = parse_readings(_read(args.readings), str(args.readings), meters)
    _check_span(model, readings, args.readings)
    if method is not None:
        model = method_model(model, method, args.model)
    ledger = recompute(model, events, readings)
    for problem in problems_of(ledger, events):
        raise BadData(f"{args.events}:{problem.event.line}: {problem.key}: {problem.text}")
    result = compute_result(ledger, model, events)
    if factors is not None and method is not None:
        _weigh(result, ledger, model, events, (factors, method, args.model))
    return result


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


def method_model(model: SiteModel, method: Method, name: Path) -> SiteModel:
    """The model with the policy the method demands. Raises ConfigError."""
    policy, differences = method.policy_for(model.policy)
    for difference in differences:
        said = f'is "{difference.model}"; method {method.id} demands "{difference.method}"'
        if difference.key == "spread":
            raise refuse(name, "policy.spread", f"{said}, which this build cannot do")
        print(f"{name}: policy.{difference.key}: {said} and gets it", file=sys.stderr)
    return replace(model, policy=policy)


def _weigh(
    result: Result,
    ledger: Ledger,
    model: SiteModel,
    events: list[Event],
    grounds: tuple[FactorSet, Method, Path],
) -> None:
    """Every batch's kg by column into the result. Raises ConfigError where a factor is missing."""
    factors, method, name = grounds
    for source, said in model.sources.items():
        if said.factor is None:
            problem = "is missing; a method needs a factor for every source"
            raise refuse(name, f"sources.{source}.factor", problem)
    totals = totals_of(ledger.postings, periods_of(model, factors, ledger.postings))
    rates = rates_for(model, factors, method, totals)
    batches, _ = batches_of(in_force(events)[0])
    for batch, burden in burdens_of(totals, batches).items():
        unit = batches[batch].unit
        if not method.takes(unit):
            known = ", ".join(method.declared_units)
            problem = f"{batch} is counted in {unit!a}; method {method.id} takes {known}"
            raise ConfigError(f"quantity: batch {problem}")
        mass = rates.mass(burden)
        for source in mass.unknown:
            named, kind = model.sources[source].factor, method.factor_kind
            problem = f"no {kind} factor {named!a} for its unit holds over all readings"
            raise refuse(name, f"sources.{source}.factor", problem)
        result["batches"][batch]["kg_co2e"] = {
            column: significant(kg) for column, kg in sorted(mass.columns.items()) if kg
        }


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
