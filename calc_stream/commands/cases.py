"""What a command computes anew: the records of files, or of a ledger's journal."""

import argparse
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

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
from calc_stream.evidence.case import Case
from calc_stream.evidence.told import gather
from calc_stream.factors import Method, load, load_method
from calc_stream.ledger.store import open_store
from calc_stream.statements import Statements
from wire.errors import ConfigError
from wire.journal import open_reader

_FILES = ("model", "events", "readings")


def add_records(parser: argparse.ArgumentParser) -> None:
    """Where the records are: a ledger and its journal, or files."""
    add_places(parser)
    files = parser.add_argument_group("from files instead of a journal")
    for name in _FILES:
        action = "append" if name == "model" else "store"
        help_ = "as wattprint compute has it"
        files.add_argument(f"--{name}", type=Path, action=action, metavar="FILE", help=help_)
    files.add_argument("--factors", type=Path, metavar="DIR", help="own factor files")


def case_of(
    args: argparse.Namespace,
    method: Method | None,
    rewired: Callable[[Versions], Versions] = lambda versions: versions,
) -> tuple[Case, Case]:
    """The case of the records, and the same with other versions of the model. `method`: None takes
    the one the ledger was kept by, or gbt24067. Raises ConfigError or BadData."""
    given = [name for name in _FILES if getattr(args, name) is not None]
    if given and len(given) < len(_FILES):
        lacking = " and ".join(f"--{name}" for name in _FILES if name not in given)
        raise ConfigError(f"{args.command}: {lacking}: is missing beside --{given[0]}")
    return _of_files(args, method, rewired) if given else _of_journal(args, method, rewired)


def by_method(case: Case) -> Case:
    """With the policy the method demands."""
    return with_models(case, lambda model: method_model(model, case.method))


def with_models(case: Case, change: Callable[[SiteModel], SiteModel]) -> Case:
    """Every version changed alike."""
    models = [change(reign.model) for reign in case.versions.reigns]
    return replace(case, versions=Versions.of(models))


def newest(case: Case) -> SiteModel:
    """The last version of the model."""
    return case.versions.reigns[-1].model


def month_of(text: str, case: Case, command: str) -> tuple[int, int]:
    """From its first midnight at the site to the next month's, ms. Raises ConfigError."""
    try:
        zone = ZoneInfo(newest(case).timezone)
        first = datetime.strptime(text, "%Y-%m").replace(tzinfo=zone)
        last = (first + timedelta(days=32)).replace(day=1)
    except (ValueError, OverflowError, ZoneInfoNotFoundError) as exc:
        raise ConfigError(f"{command}: --month: {text!r} is not a month such as 2026-11") from exc
    return round(first.timestamp()) * 1000, round(last.timestamp()) * 1000


def _of_files(
    args: argparse.Namespace, method: Method | None, rewired: Callable[[Versions], Versions]
) -> tuple[Case, Case]:
    method = method or load_method("gbt24067")
    factors = load(args.factors)
    versions = Versions.of(parse_model(read_text(path), str(path)) for path in args.model)
    other = rewired(versions)
    events = list(parse_events(read_text(args.events), str(args.events)))
    # A meter that only one of the two has is read for both, and counts for that one.
    meters = versions.meters.keys() | other.meters.keys()
    readings = parse_readings(read_text(args.readings), str(args.readings), meters)
    before = Case(versions, events, readings, factors, method)
    return before, replace(before, versions=other)


def _of_journal(
    args: argparse.Namespace, method: Method | None, rewired: Callable[[Versions], Versions]
) -> tuple[Case, Case]:
    """As everything stands at the ledger's offset."""
    ledger, journal = places(args)
    with closing(open_store(ledger)) as store:
        site = site_of(store, ledger, args.site)
        offset, data, _ = store.state(site)
        batch = getattr(args, "batch", None)
        stated = next((r.method for r in store.rows(site) if batch in (None, r.batch)), None)
    method = method or load_method(stated or "gbt24067")
    state = SiteState.from_bytes(data)
    if state.versions is None:
        raise ConfigError(f"{args.command}: site {site} has no model yet")
    with closing(open_reader(journal)) as reader:
        factors = [r for r in reader.of_kind(site, "factor") if r.offset <= offset]
        if not factors:
            raise ConfigError(f"{args.command}: the journal holds no factors of this ledger")
        corrections = reader.of_kind(site, "correction")
        statements = Statements(r for r in corrections if r.offset <= offset)

        def case(versions: Versions) -> Case:
            records = takewhile(lambda r: r.offset <= offset, reader.walk(site))
            told = gather(records, versions, factors[-1], statements)
            known = told.factors or load()
            events = [*told.events.values()]
            return Case(versions, events, told.readings, known, method, state.frontier_ms)

        # The models as they were written: which policy counts, the method of each side says.
        versions = Versions.of(parse_model(r.model.text, "model") for r in state.versions.reigns)
        before, other = case(versions), rewired(versions)
        return before, before if other is versions else case(other)
