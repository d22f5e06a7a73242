"""`wattprint footprint`: published product factors: list, show, publish and withdraw them by hand."""

import argparse
import getpass
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import msgspec

from calc_stream.commands.explain import add_places, places
from calc_stream.commands.export import site_of
from calc_stream.commands.shelves import Published, ledger_of, published, terms
from calc_stream.core import SiteState
from calc_stream.core.decimals import instant
from calc_stream.footprints.footprint import Footprint, successors
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
  wattprint footprint withdraw 5b0f5c1e --reason "meter m-7 was wired the wrong way round"
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
        ("withdraw", "one of them is not to be used any more; it stays, and says so"),
    ):
        word = words.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        word.formatter_class, word.epilog = argparse.RawDescriptionHelpFormatter, EXAMPLES
        if name in ("show", "withdraw"):
            word.add_argument("id", metavar="ID", help="as `list` shows it; its beginning will do")
            if name == "withdraw":
                word.add_argument(
                    "--reason", required=True, metavar="TEXT", help="why, on one line"
                )
        else:
            wanted = name == "publish"
            word.add_argument("--product", metavar="ID", required=wanted, help="of this product")
            word.add_argument(
                "--period", metavar="NAME", required=wanted, help="such as 2026-11 or 2026-11-23"
            )
        add_places(word)
        word.add_argument("--json", action="store_true", help="JSON instead of text")


def run(
    args: argparse.Namespace, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
) -> int:
    """Prints what was asked. Raises ConfigError, or TransientError without a journal."""
    print(_WORDS[args.word](args, now_ms))
    return 0


def _list(args: argparse.Namespace, _: Callable[[], int]) -> str:
    all_ = published(args)
    listed = [each for each in all_.footprints if _is_meant(each, args)]
    if args.json:
        withdrawn = [all_.withdrawn[each.id] for each in listed if each.id in all_.withdrawn]
        return msgspec.json.encode({"footprints": listed, "withdrawn": withdrawn}).decode()
    return "\n".join(_line(each, all_) for each in listed) or "none published yet"


def _show(args: argparse.Namespace, _: Callable[[], int]) -> str:
    all_ = published(args)
    return _told(_named(all_, args.id), all_, args.json)


def _publish(args: argparse.Namespace, now_ms: Callable[[], int]) -> str:
    found, new = _published(args, now_ms)
    first = "" if new or args.json else f"{found.id} says so already; nothing new\n"
    return first + _told(found, published(args), args.json)


def _withdraw(args: argparse.Namespace, now_ms: Callable[[], int]) -> str:
    meant = _named(published(args), args.id)
    with closing(open_shelf(ledger_of(args))) as shelf:
        try:
            made = shelf.withdraw(meant.id, args.reason, getpass.getuser(), now_ms())
        except BadData as exc:
            raise ConfigError(f"withdraw: {exc}") from exc
    return msgspec.json.encode(made).decode() if args.json else _line(meant, published(args))


_WORDS = {"list": _list, "show": _show, "publish": _publish, "withdraw": _withdraw}


def _published(args: argparse.Namespace, now_ms: Callable[[], int]) -> tuple[Footprint, bool]:
    """The one that stands then, and whether it is new."""
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
        publisher = Publisher(store, shelf, reader, its, now_ms)
        return publisher.ask(args.product, period)


def _is_meant(each: Footprint, args: argparse.Namespace) -> bool:
    return args.product in (None, each.product) and args.period in (None, each.period)


def _named(all_: Published, id_: str) -> Footprint:
    """Raises ConfigError."""
    mine = [each for each in all_.footprints if each.id.startswith(id_)]
    if len(mine) != 1:
        many = "several footprints begin with" if mine else "there is no footprint"
        raise ConfigError(f"footprint: {many} {id_!r}; see `wattprint footprint list`")
    return mine[0]


def _told(found: Footprint, all_: Published, as_json: bool) -> str:
    return msgspec.json.encode(found).decode() if as_json else "\n".join(_card(found, all_))


def _line(each: Footprint, all_: Published) -> str:
    doubt = f" ± {each.u95.kg_co2e}" if each.u95.kg_co2e else ""
    figure = f"{each.kg_co2e}{doubt} kg CO2e/{each.unit}"
    is_old = each.id in successors(all_.footprints)
    told = each.cause, each.draft and "draft", is_old and "superseded", _why_not(each, all_)
    notes = ", ".join(note for note in told if note)
    return f"{each.id}  {each.period:10}  {each.product}  {figure}  {each.method}  ({notes})"


def _why_not(each: Footprint, all_: Published) -> str:
    """ "" unless it was withdrawn."""
    its = all_.withdrawn.get(each.id)
    return f"withdrawn {instant(its.withdrawn.t_ms)[:10]}: {its.withdrawn.reason}" if its else ""


def _card(each: Footprint, all_: Published) -> Iterator[str]:
    yield _line(each, all_)
    yield f"  {'published':14}{instant(each.published_ms)}"
    yield f"  {'period':14}{instant(each.start_ms)} to {instant(each.end_ms)}, {each.timezone}"
    yield f"  {'valid':14}{instant(each.valid_from_ms)} to {instant(each.valid_until_ms)}"
    yield f"  {'batches':14}{len(each.batches)}, good {each.good} {each.unit}, scrap {each.scrap}"
    if each.incomplete:
        yield f"  {'incomplete':14}{', '.join(each.incomplete)}: a meter was silent for part of their time"
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
