"""`wattprint whatif`: a batch or a month by other factors, another policy, method or model.

The same records are computed twice and shown line beside line. Nothing is written anywhere.
"""

import argparse
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec

from calc_stream.commands.cases import (
    add_records,
    by_method,
    case_of,
    month_of,
    newest,
    with_models,
)
from calc_stream.config import read_text
from calc_stream.core import SiteModel, Versions, parse_model
from calc_stream.core.plant import SETUPS, SPREADS
from calc_stream.core.windows import Windows
from calc_stream.evidence.case import Case
from calc_stream.evidence.compared import Line, compared, of_accounts, of_batch
from calc_stream.factors import load, load_method
from wire.errors import ConfigError

EXAMPLES = """examples:
  wattprint whatif B-0007 --factor grid=cn-cq-grid             of the demo, running or stopped
  wattprint whatif --month 2026-11 --as-method cbam --config calc.toml --json
  wattprint whatif B1 --policy setup=pool --method gbt24067 \\
      --model model.toml --events events.jsonl --readings readings.jsonl
  wattprint whatif --month 2026-11 --as-method pact3 --policy spread=machine_hours \\
      --policy window=day
  wattprint whatif B1 --as-model rewired.toml --method pact3 --factors our-factors \\
      --model model.toml --events events.jsonl --readings readings.jsonl
"""
_POLICY = ("setup", "setup_max_s", "idle", "spread", "window")


class Side(msgspec.Struct, frozen=True):
    """By what one side was computed."""

    method: str
    factor_set: str
    sources: dict[str, str | None]
    policy: dict[str, str]


class Answer(msgspec.Struct, frozen=True):
    """`about`: the batch, or the month."""

    site: str
    about: str
    before: Side
    after: Side
    lines: list[Line]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    parser.add_argument("batch", metavar="BATCH", nargs="?", help="the batch's id")
    parser.add_argument("--month", metavar="YYYY-MM", help="every account in this month instead")
    change = parser.add_argument_group("what is to be different (one of them at least)")
    change.add_argument("--factor", action="append", default=[], metavar="SOURCE=NAME",
                        help="another factor, series or entry for a source")  # fmt: skip
    change.add_argument("--policy", action="append", default=[], metavar="KEY=VALUE",
                        help=f"another policy: {', '.join(_POLICY)}")  # fmt: skip
    change.add_argument("--as-method", metavar="ID", help="another method profile")
    change.add_argument("--as-model", type=Path, metavar="FILE", help="another site model")
    change.add_argument("--as-factors", type=Path, metavar="DIR", help="other own factor files")
    add_records(parser)
    parser.add_argument("--method", metavar="ID", help="the method before the change")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")


def run(args: argparse.Namespace) -> int:
    """Prints the comparison. Raises ConfigError or BadData."""
    found = whatif(args)
    print(msgspec.json.encode(found).decode() if args.json else "\n".join(_table(found)))
    return 0


def whatif(args: argparse.Namespace) -> Answer:
    """Both sides, computed from the same records."""
    if (args.batch is None) == (args.month is None):
        raise ConfigError("whatif: name a batch, or a month with --month 2026-11")
    if not (args.factor or args.policy or args.as_method or args.as_model or args.as_factors):
        raise ConfigError("whatif: say what is to be different: --factor, --policy, --as-method …")
    method = None if args.method is None else load_method(args.method)
    before, after = case_of(args, method, lambda versions: _rewired(versions, args))
    before, after = by_method(before), _changed(after, args)
    if args.batch is not None:
        sides = of_batch(before, args.batch), of_batch(after, args.batch)
    else:
        first, last = month_of(args.month, before, "whatif")
        sides = of_accounts(before, first, last), of_accounts(after, first, last)
    about = args.batch if args.batch is not None else args.month
    return Answer(before.versions.site, about, _side(before), _side(after), compared(*sides))


def _rewired(versions: Versions, args: argparse.Namespace) -> Versions:
    """With the other model in the place of the one that came into force at the same time."""
    if args.as_model is None:
        return versions
    return versions.with_(parse_model(read_text(args.as_model), str(args.as_model)))


def _changed(case: Case, args: argparse.Namespace) -> Case:
    """The other side. Raises ConfigError naming the option."""
    if args.as_factors is not None:
        case = replace(case, factors=load(args.as_factors))
    if args.as_method is not None:
        case = replace(case, method=load_method(args.as_method))
    policy = dict(_pairs("--policy", args.policy, _POLICY))
    # A method may want pools to be spread; by what and over which window only the site can say.
    case = by_method(with_models(case, partial(_spread, policy)))
    for source, factor in _pairs("--factor", args.factor, case.versions.sources):
        if factor not in case.factors.names():
            raise ConfigError(f"whatif: --factor: there is no factor, series or entry {factor!r}")
        case = with_models(case, partial(_by_factor, source, factor))
    return with_models(case, partial(_by_policy, policy))


def _by_factor(source: str, factor: str, model: SiteModel) -> SiteModel:
    if source not in model.sources:
        return model
    sources = {**model.sources, source: replace(model.sources[source], factor=factor)}
    return replace(model, sources=sources)


def _by_policy(wanted: Mapping[str, str], model: SiteModel) -> SiteModel:
    """With another policy for set-up and idle time. Raises ConfigError."""
    policy = model.policy
    if (seconds := wanted.get("setup_max_s")) is not None:
        if not seconds.isdecimal():
            raise ConfigError(f"whatif: --policy: setup_max_s takes whole seconds, not {seconds!r}")
        policy = replace(policy, setup_max_s=int(seconds))
    policy = replace(
        policy,
        setup=_one_of("setup", wanted, SETUPS, policy.setup),
        idle=_one_of("idle", wanted, ("pool",), policy.idle),
    )
    return replace(model, policy=policy)


def _spread(wanted: Mapping[str, str], model: SiteModel) -> SiteModel:
    """With pools spread otherwise. Raises ConfigError."""
    spread = _one_of("spread", wanted, SPREADS, model.policy.spread)
    window = _one_of("window", wanted, ("day", "month"), "")
    windows = Windows(model.timezone, monthly=window == "month") if window else model.policy.windows
    if spread == "none":
        if window:
            raise ConfigError('whatif: --policy: window means nothing while spread is "none"')
        windows = None
    elif windows is None:
        cure = "add --policy window=day, or month"
        raise ConfigError(f"whatif: --policy: spread: the model names no window: {cure}")
    return replace(model, policy=replace(model.policy, spread=spread, windows=windows))


def _one_of(key: str, wanted: Mapping[str, str], known: Sequence[str], default: str) -> str:
    value = wanted.get(key, default)
    if value not in known and value != default:
        raise ConfigError(f"whatif: --policy: {key} takes {' or '.join(known)}, not {value!r}")
    return value


def _pairs(option: str, said: list[str], known: Collection[str]) -> Iterator[tuple[str, str]]:
    for text in said:
        name, _, value = text.partition("=")
        if name not in known or not value:
            names = ", ".join(sorted(known))
            raise ConfigError(f"whatif: {option}: {text!r} is not NAME=VALUE with one of {names}")
        yield name, value


def _side(case: Case) -> Side:
    model = newest(case)
    policy = {key: str(getattr(model.policy, key)) for key in _POLICY if key != "window"}
    if model.policy.windows is not None:
        policy["window"] = _named(model.policy.windows)
    sources = {name: source.factor for name, source in model.sources.items()}
    return Side(case.method.id, case.factors.hash, sources, policy)


def _named(windows: Windows) -> str:
    if windows.monthly:
        return "month"
    return "day" if windows.shifts == (0,) else "shift"


def _table(found: Answer) -> Iterator[str]:
    yield f"{found.about} at {found.site}"
    for key in ("method", "factor_set", "sources", "policy"):
        one, other = getattr(found.before, key), getattr(found.after, key)
        if one != other:
            yield f"  {key}: {_said(one)} -> {_said(other)}"
    rows: list[tuple[str, ...]] = [("", "", "before", "after", "difference", "%")]
    for line in found.lines:
        for unit, change in ((line.unit, line.amount), ("kg", line.kg)):
            cells = (change.before, change.after, change.difference, change.percent)
            rows.append((line.name, unit, *(cell or "unknown" for cell in cells[:3]),
                         cells[3] or "-"))  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, unit, *numbers in rows:
        left = f"{name:{widths[0]}}  {unit:{widths[1]}}"
        right = (cell.rjust(width) for cell, width in zip(numbers, widths[2:], strict=True))
        yield f"{left}  {'  '.join(right)}"


def _said(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {of}" for key, of in value.items())
    return str(value)
