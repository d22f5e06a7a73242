"""`wattprint whatif`: a batch or a month by other factors, another policy, method or model.

The same records are computed twice and shown line beside line. Nothing is written anywhere.
"""

import argparse
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import takewhile
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from calc_stream.commands.compute import method_model
from calc_stream.commands.explain import add_places, places
from calc_stream.commands.export import site_of
from calc_stream.config import read_text
from calc_stream.core import (
    SiteModel,
    SiteState,
    Versions,
    parse_events,
    parse_model,
    parse_readings,
)
from calc_stream.core.plant import SETUPS, SPREADS, Policy
from calc_stream.evidence.compared import Case, Line, compared, of_accounts, of_batch
from calc_stream.evidence.told import gather
from calc_stream.factors import load, load_method
from calc_stream.ledger.store import open_store
from calc_stream.statements import Statements
from wire.errors import ConfigError
from wire.journal import open_reader

EXAMPLES = """examples:
  wattprint whatif B-0007 --factor grid=cn-cq-grid             of the demo, running or stopped
  wattprint whatif --month 2026-11 --as-method cbam --config calc.toml --json
  wattprint whatif B1 --policy setup=pool --method gbt24067 \\
      --model model.toml --events events.jsonl --readings readings.jsonl
  wattprint whatif B1 --as-model rewired.toml --method pact3 --factors our-factors \\
      --model model.toml --events events.jsonl --readings readings.jsonl
"""
_FILES = ("model", "events", "readings")
_POLICY = ("setup", "setup_max_s", "idle", "spread")


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
    add_places(parser)
    files = parser.add_argument_group("from files instead of a journal")
    for name in _FILES:
        action = "append" if name == "model" else "store"
        help_ = "as wattprint compute has it"
        files.add_argument(f"--{name}", type=Path, action=action, metavar="FILE", help=help_)
    files.add_argument("--factors", type=Path, metavar="DIR", help="own factor files")
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
    given = [name for name in _FILES if getattr(args, name) is not None]
    if given and len(given) < len(_FILES):
        lacking = " and ".join(f"--{name}" for name in _FILES if name not in given)
        raise ConfigError(f"whatif: {lacking}: is missing beside --{given[0]}")
    before, after = _of_files(args) if given else _of_journal(args)
    before, after = _by_method(before), _changed(_by_method(after), args)
    if args.batch is not None:
        sides = of_batch(before, args.batch), of_batch(after, args.batch)
    else:
        first, last = _month(args.month, _newest(before))
        sides = of_accounts(before, first, last), of_accounts(after, first, last)
    about = args.batch if args.batch is not None else args.month
    return Answer(before.versions.site, about, _side(before), _side(after), compared(*sides))


def _of_files(args: argparse.Namespace) -> tuple[Case, Case]:
    method = load_method(args.method or "gbt24067")
    factors = load(args.factors)

    versions = Versions.of(parse_model(read_text(path), str(path)) for path in args.model)

    def case(versions: Versions) -> Case:
        events = list(parse_events(read_text(args.events), str(args.events)))
        readings = parse_readings(read_text(args.readings), str(args.readings), versions.meters)
        return Case(versions, events, readings, factors, method)

    return case(versions), case(_rewired(versions, args))


def _rewired(versions: Versions, args: argparse.Namespace) -> Versions:
    """With the other model in the place of the one that came into force at the same time."""
    if args.as_model is None:
        return versions
    return versions.with_(parse_model(read_text(args.as_model), str(args.as_model)))


def _of_journal(args: argparse.Namespace) -> tuple[Case, Case]:
    """As everything stands at the ledger's offset."""
    ledger, journal = places(args)
    with closing(open_store(ledger)) as store:
        site = site_of(store, ledger, args.site)
        offset, data, _ = store.state(site)
        stated = next((r.method for r in store.rows(site) if args.batch in (None, r.batch)), None)
    method = load_method(args.method or stated or "gbt24067")
    state = SiteState.from_bytes(data)
    if state.versions is None:
        raise ConfigError(f"whatif: site {site} has no model yet")
    with closing(open_reader(journal)) as reader:
        factors = [r for r in reader.of_kind(site, "factor") if r.offset <= offset]
        if not factors:
            raise ConfigError("whatif: the journal holds no factors of this ledger")
        corrections = reader.of_kind(site, "correction")
        statements = Statements(r for r in corrections if r.offset <= offset)

        def case(versions: Versions) -> Case:
            records = takewhile(lambda r: r.offset <= offset, reader.walk(site))
            told = gather(records, versions, factors[-1], statements)
            known = told.factors or load()
            events = [*told.events.values()]
            return Case(versions, events, told.readings, known, method, state.frontier_ms)

        before = case(state.versions)
        return before, before if args.as_model is None else case(_rewired(state.versions, args))


def _by_method(case: Case) -> Case:
    return _with(case, lambda model: method_model(model, case.method))


def _with(case: Case, change: Callable[[SiteModel], SiteModel]) -> Case:
    """Every version changed alike."""
    models = [change(reign.model) for reign in case.versions.reigns]
    return replace(case, versions=Versions.of(models))


def _newest(case: Case) -> SiteModel:
    return case.versions.reigns[-1].model


def _changed(case: Case, args: argparse.Namespace) -> Case:
    """The other side. Raises ConfigError naming the option."""
    if args.as_factors is not None:
        case = replace(case, factors=load(args.as_factors))
    if args.as_method is not None:
        case = _by_method(replace(case, method=load_method(args.as_method)))
    for source, factor in _pairs("--factor", args.factor, case.versions.sources):
        if factor not in case.factors.names():
            raise ConfigError(f"whatif: --factor: there is no factor, series or entry {factor!r}")
        case = _with(case, partial(_by_factor, source, factor))
    for key, value in _pairs("--policy", args.policy, _POLICY):
        case = _with(case, partial(_by_policy, key, value))
    return case


def _by_factor(source: str, factor: str, model: SiteModel) -> SiteModel:
    if source not in model.sources:
        return model
    sources = {**model.sources, source: replace(model.sources[source], factor=factor)}
    return replace(model, sources=sources)


def _by_policy(key: str, value: str, model: SiteModel) -> SiteModel:
    return replace(model, policy=_policy(model, key, value))


def _policy(model: SiteModel, key: str, value: str) -> Policy:
    if key == "setup_max_s":
        if not value.isdecimal():
            raise ConfigError(f"whatif: --policy: setup_max_s takes whole seconds, not {value!r}")
        return replace(model.policy, setup_max_s=int(value))
    known = {"setup": SETUPS, "idle": ("pool",), "spread": SPREADS}[key]
    if value not in known:
        raise ConfigError(f"whatif: --policy: {key} takes {' or '.join(known)}, not {value!r}")
    if key == "spread" and value == "none":
        return replace(model.policy, spread=value, windows=None)
    if key == "spread" and model.policy.windows is None:
        raise ConfigError("whatif: --policy: spread: the model names no window to spread over")
    return replace(model.policy, **{key: value})  # type: ignore[arg-type]  # texts, both


def _pairs(option: str, said: list[str], known: Collection[str]) -> Iterator[tuple[str, str]]:
    for text in said:
        name, _, value = text.partition("=")
        if name not in known or not value:
            names = ", ".join(sorted(known))
            raise ConfigError(f"whatif: {option}: {text!r} is not NAME=VALUE with one of {names}")
        yield name, value


def _month(text: str, model: SiteModel) -> tuple[int, int]:
    """From its first midnight at the site to the next month's. Raises ConfigError."""
    try:
        first = datetime.strptime(text, "%Y-%m").replace(tzinfo=ZoneInfo(model.timezone))
    except (ValueError, ZoneInfoNotFoundError) as exc:
        raise ConfigError(f"whatif: --month: {text!r} is not a month such as 2026-11") from exc
    last = (first + timedelta(days=32)).replace(day=1)
    return round(first.timestamp()) * 1000, round(last.timestamp()) * 1000


def _side(case: Case) -> Side:
    model = _newest(case)
    policy = {key: str(getattr(model.policy, key)) for key in _POLICY}
    sources = {name: source.factor for name, source in model.sources.items()}
    return Side(case.method.id, case.factors.hash, sources, policy)


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
