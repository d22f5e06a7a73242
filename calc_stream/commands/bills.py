"""`wattprint bills`: what suppliers billed or delivered, against what the site's own meters counted."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from calc_stream.commands.explain import add_places, places
from calc_stream.commands.export import site_of
from calc_stream.core import SiteState, Versions
from calc_stream.core.decimals import fixed, parse_fraction, parse_instant, significant
from calc_stream.core.registers import flows_between
from calc_stream.ledger.store import open_store
from calc_stream.statements import Statements, statement_of
from wire.errors import BadData, ConfigError
from wire.journal import Record, open_reader
from wire.statements import Statement
from wire.units import UnitError, convert

EXAMPLES = """examples:
  wattprint bills --config calc.toml
  wattprint bills --config calc.toml --month 2026-10 --json
"""


class Comparison(msgspec.Struct, frozen=True):
    """A source over a time, in its carrier's unit: what papers say, and what its meters counted.

    `month`: the month of the site's clock that the time is, or its first day where it is another one.
    `difference`: metered less billed, `percent` of what was billed. `unread`: meters that were not
    read over the whole time, so that `metered` is too little.
    """

    month: str
    source: str
    unit: str
    billed: str
    metered: str
    difference: str
    percent: str | None
    documents: list[str]
    unread: list[str]


class Unfit(msgspec.Struct, frozen=True):
    """A paper that can be compared with nothing, and why."""

    month: str
    paper: Statement
    why: str

    def __str__(self) -> str:
        its = f"{self.paper.type} {self.paper.id!r} ({self.paper.document})"
        return f"{self.month}  {its}: {self.why}; void it, and tell it better"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    parser.add_argument("--month", metavar="YYYY-MM", help="this month only")
    add_places(parser)
    parser.add_argument("--json", action="store_true", help="one JSON array instead of a table")


def run(args: argparse.Namespace) -> int:
    """Prints the comparison; 1 where a paper can be compared with nothing. Raises ConfigError."""
    every, left_out = bills(args)
    found = [each for each in every if args.month in (None, each.month)]
    unfit = [each for each in left_out if args.month in (None, each.month)]
    if args.json:
        print(msgspec.json.encode(found).decode())
    else:
        _print(found)
    if not (found or unfit or args.json):
        print("the journal has no bills or deliveries" + (f" of {args.month}" * bool(args.month)))
    for paper in unfit:
        print(paper, file=sys.stderr)
    return 1 if unfit else 0


def _print(found: list[Comparison]) -> None:
    for each in found:
        percent = "" if each.percent is None else f" ({each.percent} %)"
        print(
            f"{each.month}  {each.source}: billed {each.billed} {each.unit}, metered {each.metered},"
            f" difference {each.difference}{percent}; {', '.join(each.documents)}"
        )
        for meter in each.unread:
            print(f"    {meter} was not read over all of this time")


def bills(args: argparse.Namespace) -> tuple[list[Comparison], list[Unfit]]:
    """By month and source."""
    ledger, journal = places(args)
    with closing(open_store(ledger)) as store, closing(open_reader(journal)) as reader:
        site = site_of(store, ledger, args.site)
        state = SiteState.from_bytes(store.state(site)[1])
        if state.versions is None:
            raise ConfigError(f"bills: site {site} has no model yet")
        statements = Statements(reader.of_kind(site, "correction"))
        return compare(state, statements, reader.of_kind(site, "reading"))


def compare(
    state: SiteState, statements: Statements, records: list[Record]
) -> tuple[list[Comparison], list[Unfit]]:
    """Every bill over its own time, every month's deliveries over that month."""
    versions = state.versions
    if versions is None:
        return [], []
    zone = ZoneInfo(versions.reigns[-1].model.timezone)
    groups: dict[tuple[int, int, str], dict[str, Fraction]] = {}
    unfit = []
    for record in records:
        told = statement_of(record)
        if told is None or told.type not in ("bill", "delivery") or statements.is_void(told):
            continue
        span = _time(told, zone)
        try:
            quanta = _quanta(versions, told)
        except BadData as exc:
            unfit.append(Unfit(_month(span, zone), told, str(exc)))
        else:
            papers = groups.setdefault((*span, told.source or ""), {})
            papers[told.document or ""] = papers.get(told.document or "", Fraction(0)) + quanta
    compared = [
        _compared(state, versions, zone, (first, last), source, papers)
        for (first, last, source), papers in sorted(groups.items(), key=lambda item: item[0])
    ]
    return compared, unfit


def _quanta(versions: Versions, told: Statement) -> Fraction:
    """What a paper says, in quanta of the source's carrier. Raises BadData."""
    if told.source not in versions.sources:
        raise BadData(f"source: the model has no {told.source!r}")
    carrier = versions.carrier_of(told.source)
    try:
        rate = convert(told.unit or "", carrier.unit)
    except UnitError as exc:
        raise BadData(f"unit: {exc}, in which the model counts {told.source}") from exc
    return parse_fraction(told.quantity or "") * rate * carrier.quanta_per_unit


def _time(told: Statement, zone: ZoneInfo) -> tuple[int, int]:
    if told.type == "bill":
        return parse_instant(told.from_ or ""), parse_instant(told.to or "")
    day = datetime.fromtimestamp(parse_instant(told.t or "") / 1000, zone)
    first = day.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return _ms(first), _ms(_next_month(first))


def _compared(
    state: SiteState,
    versions: Versions,
    zone: ZoneInfo,
    span: tuple[int, int],
    source: str,
    papers: dict[str, Fraction],
) -> Comparison:
    """`papers`: quanta by document."""
    carrier, billed = versions.carrier_of(source), sum(papers.values(), Fraction(0))
    metered, unread = 0, set()
    for meter, quanta, is_read in _metered(state, versions, source, span):
        metered += quanta
        if not is_read:
            unread.add(meter)
    whole = round(billed)
    shown = carrier.quanta_per_unit, carrier.digits
    return Comparison(
        _month(span, zone),
        source,
        carrier.unit,
        fixed(whole, *shown),
        fixed(metered, *shown),
        fixed(metered - whole, *shown),
        significant((metered - billed) * 100 / billed, 3) if billed else None,
        sorted(papers),
        sorted(unread),
    )


def _metered(
    state: SiteState, versions: Versions, source: str, span: tuple[int, int]
) -> Iterator[tuple[str, int, bool]]:
    """(meter, quanta, whether it was read over all of the time) of each meter of the source."""
    for reign, (first, last) in versions.within(span):
        meters = [meter for meter in reign.model.meters if meter.start == source]
        flows = flows_between(np.array([first, last], np.int64), meters, state.readings)
        for meter in meters if first < last else ():
            reach = state.readings.reach(meter.id)
            is_read = reach is not None and reach[0] <= first and last <= reach[1]
            yield meter.id, int(sum(flows[meter.id].quanta.tolist())), is_read


def _month(span: tuple[int, int], zone: ZoneInfo) -> str:
    first, last = (datetime.fromtimestamp(t_ms / 1000, zone) for t_ms in span)
    is_month = first.day == 1 and (first.hour, first.minute) == (0, 0)
    is_month = is_month and _next_month(first).date() == last.date()
    return first.strftime("%Y-%m") if is_month else first.date().isoformat()


def _next_month(first: datetime) -> datetime:
    year, month = divmod(first.year * 12 + first.month, 12)
    return first.replace(year=year, month=month + 1)


def _ms(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp() * 1000)
