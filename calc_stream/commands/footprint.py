"""`wattprint footprint`: published product factors: list them, show one, publish one by hand."""

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import closing

import msgspec

from calc_stream.commands.explain import add_places, places
from calc_stream.commands.export import site_of
from calc_stream.commands.shelves import published, terms
from calc_stream.core import SiteState
from calc_stream.core.decimals import instant
from calc_stream.footprints.footprint import Footprint
from calc_stream.footprints.period import named_period
from calc_stream.footprints.shelf import open_shelf
from calc_stream.ledger.store import open_store
from calc_stream.publishing import Publisher
from wire.errors import BadData, ConfigError
from wire.journal import open_reader

EXAMPLES = """examples:
  wattprint footprint list                                    of the demo, running or stopped
  wattprint footprint list --product wheel-17 --config calc.toml --json
  wattprint footprint show 5b0f5c1e-62b5-5b8e-9d53-0a1f3c9e7d11 --json
  wattprint footprint publish --period 2026-11 --product wheel-17 --config calc.toml
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The words of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    words = parser.add_subparsers(dest="word", required=True, metavar="WORD")
    for name, what in (
        ("list", "one line a published footprint, superseded ones too"),
        ("show", "one of them, whole"),
        ("publish", "a product's factor of a period, also while that is not over"),
    ):
        word = words.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        word.formatter_class, word.epilog = argparse.RawDescriptionHelpFormatter, EXAMPLES
        if name == "show":
            word.add_argument("id", metavar="ID", help="as `list` shows it; its beginning will do")
        else:
            wanted = name == "publish"
            word.add_argument("--product", metavar="ID", required=wanted, help="of this product")
            word.add_argument(
                "--period", metavar="NAME", required=wanted, help="such as 2026-11 or 2026-11-23"
            )
        add_places(word)
        word.add_argument("--json", action="store_true", help="JSON instead of text")


def run(args: argparse.Namespace) -> int:
    """Prints what was asked. Raises ConfigError, or TransientError without a journal."""
    if args.word == "publish":
        found, new = _publish(args)
        _print(found, args.json, "" if new else f"{found.id} says so already; nothing new\n")
    elif args.word == "show":
        _print(_named(published(args), args.id), args.json)
    else:
        found_all = published(args)
        gone = {id_ for each in found_all for id_ in each.supersedes}
        listed = [each for each in found_all if _is_meant(each, args)]
        if args.json:
            print(msgspec.json.encode({"footprints": listed}).decode())
        else:
            print(
                "\n".join(_line(each, each.id in gone) for each in listed) or "none published yet"
            )
    return 0


def _publish(args: argparse.Namespace) -> tuple[Footprint, bool]:
    ledger, journal = places(args)
    with (
        closing(open_store(ledger)) as store,
        closing(open_reader(journal)) as reader,
        closing(open_shelf(ledger)) as shelf,
    ):
        its = terms(args, site_of(store, ledger, args.site))
        versions = SiteState.from_bytes(store.state(its.site)[1]).versions
        if versions is None:
            raise ConfigError("publish: the ledger has no model yet")
        try:
            period = named_period(args.period, versions.reigns[-1].model.timezone)
        except BadData as exc:
            raise ConfigError(f"--period: {exc}") from exc
        publisher = Publisher(store, shelf, reader, its, lambda: time.time_ns() // 1_000_000)
        return publisher.ask(args.product, period)


def _is_meant(each: Footprint, args: argparse.Namespace) -> bool:
    return args.product in (None, each.product) and args.period in (None, each.period)


def _named(found: Sequence[Footprint], id_: str) -> Footprint:
    """Raises ConfigError."""
    mine = [each for each in found if each.id.startswith(id_)]
    if len(mine) != 1:
        many = "several footprints begin with" if mine else "there is no footprint"
        raise ConfigError(f"footprint: {many} {id_!r}; see `wattprint footprint list`")
    return mine[0]


def _print(found: Footprint, as_json: bool, first: str = "") -> None:
    print(msgspec.json.encode(found).decode() if as_json else first + "\n".join(_card(found)))


def _line(each: Footprint, gone: bool) -> str:
    doubt = f" ± {each.u95.kg_co2e}" if each.u95.kg_co2e else ""
    figure = f"{each.kg_co2e}{doubt} kg CO2e/{each.unit}"
    notes = ", ".join(
        note
        for note in (each.cause, "draft" if each.draft else "", "superseded" if gone else "")
        if note
    )
    return f"{each.id}  {each.period:10}  {each.product}  {figure}  {each.method}  ({notes})"


def _card(each: Footprint) -> Iterator[str]:
    yield _line(each, gone=False)
    yield f"  {'published':14}{instant(each.published_ms)}"
    yield f"  {'period':14}{instant(each.start_ms)} to {instant(each.end_ms)}, {each.timezone}"
    yield f"  {'valid':14}{instant(each.valid_from_ms)} to {instant(each.valid_until_ms)}"
    yield f"  {'batches':14}{len(each.batches)}, good {each.good} {each.unit}, scrap {each.scrap}"
    yield f"  {'energy':14}{each.energy_kwh} kWh, {each.kwh_per_unit} kWh/{each.unit}"
    for column, kg in each.columns.items():
        yield f"  {column:14}{kg} kg"
    for stage, kg in each.stages.items():
        yield f"  {stage:14}{kg} kg" if kg != "0" else f"  {stage:14}0"
    for factor in each.factors:
        yield f"  {'factor':14}{factor.id} {factor.value} {factor.unit} ({factor.status}): {factor.kg} kg"
    for bought in each.upstream:
        yield f"  {'bought':14}{bought.amount} {bought.unit} {bought.name}: {bought.kg_co2e} kg"
    if each.upstream_kg_co2e is not None:
        yield f"  {'upstream':14}{each.upstream_kg_co2e} kg"
    yield f"  {'spread':14}{each.spread.least} to {each.spread.most}, sd {each.spread.sd or '-'}"
    unknown = ", ".join(each.u95.unknown_meters)
    yield f"  {'U95':14}{each.u95.kg_co2e or 'not known'}" + (
        f"; of no class: {unknown}" if unknown else ""
    )
    yield f"  {'primary':14}{each.primary_data_share}; metered {each.measured_activity_share}"
    yield f"  {'allocation':14}{each.allocation}"
    if each.supersedes:
        yield f"  {'supersedes':14}{', '.join(each.supersedes)}"
