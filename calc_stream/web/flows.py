"""How energy ran from sources through the plant to accounts, for the page's Sankey diagram."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
from fastapi import APIRouter, Response

from calc_stream.core import Postings, SiteModel, Versions
from calc_stream.core.decimals import fixed
from calc_stream.core.plant import Link, Meter
from calc_stream.core.series import Span
from calc_stream.evidence.flows import EdgeFlow, edge_flows, received
from calc_stream.ledger.figures import texts
from calc_stream.site import Site
from calc_stream.web.behind import Behind, json
from calc_stream.web.described import describe, of
from calc_stream.web.guard import needs
from calc_stream.web.paging import Instant
from calc_stream.web.problems import bad_data

_MOST_MS = 32 * 86_400_000


class Flow(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """An edge of the model. `amount`: as its meter counted, None without one; `by_source`: what it
    was of, in each source's unit; what a store gave is of `store:<name>`."""

    from_: str
    to: str
    meter: str | None
    carrier: str
    unit: str
    amount: str | None
    by_source: dict[str, str]


class Use(msgspec.Struct, frozen=True):
    """What an account got at a node, or a bus or export itself."""

    node: str
    account: str
    by_source: dict[str, str]


class Flows(msgspec.Struct, frozen=True):
    """Of whole intervals between the two instants, up to what is posted."""

    from_ms: int
    to_ms: int
    offset: int
    edges: list[Flow] = []
    uses: list[Use] = []
    units: dict[str, str] = {}


@dataclass
class _Known:
    """The newest answer: a page asks again every few seconds, and slots pass every minute."""

    key: tuple[object, ...] = ()
    pages: Sequence[Postings] = ()  # those in the key: while they are kept, no others get their ids
    flows: Flows | None = None


_EXAMPLE = Flows(
    *(1_795_651_200_000, 1_795_653_000_000, 4711),
    [Flow("grid", "main", "m-main", "electricity", "kWh", "64.000000", {"grid": "64.000000"})],
    [Use("press-1", "batch:B-0007", {"grid": "64.000000"})],
    {"grid": "kWh"},
)


def routes(behind: Behind) -> APIRouter:
    router = APIRouter(tags=["model"], dependencies=[needs("viewer")])
    known = _Known()

    @router.get("/v1/flows", **describe(of(Flows, _EXAMPLE), problems=(503,)))
    def flows(from_ms: Instant = None, to_ms: Instant = None) -> Response:
        """Edges and uses of a time of at most 32 days; of the site's day so far if nothing is asked
        for. Of one version of the model: the one in force where the time ends."""
        if from_ms is not None and to_ms is not None and not 0 < to_ms - from_ms <= _MOST_MS:
            raise bad_data("to_ms: is after from_ms, at most 32 days")
        now_ms = behind.now_ms()
        return json(behind.ask(lambda site: _flows(site, from_ms, to_ms, now_ms, known)))

    return router


def _flows(site: Site, from_ms: int | None, to_ms: int | None, now_ms: int, known: _Known) -> Flows:
    state, versions, model = site.state, site.state.versions, site.state.model
    posted = state.posted
    if posted is None or versions is None or model is None:
        return Flows(from_ms or now_ms, to_ms or now_ms, site.offset)
    end_ms = min(posted[1], posted[1] if to_ms is None else to_ms)
    begin_ms = _day_began(end_ms, model.timezone) if from_ms is None else from_ms
    span = _whole_slots(versions, max(begin_ms, posted[0], end_ms - _MOST_MS), end_ms, posted)
    if span[0] >= span[1]:
        return Flows(*span, site.offset)
    # Postings of a time may change long after it: by a late reading, a restatement.
    pages = [page for t, page in state.pages.items() if t < span[1]]
    key = (*span, *map(id, pages))
    if known.flows is None or known.key != key:
        known.key, known.pages, known.flows = key, pages, _made(site, versions, span)
    return known.flows


def _made(site: Site, versions: Versions, span: Span) -> Flows:
    state = site.state
    reign, part = list(versions.within(span))[-1]
    times = state.edges(reign, part)
    edges = [
        _flow(reign.model, versions, flow)
        for flow in edge_flows(reign.model, state.readings, times)
    ]
    uses = [
        Use(account.node or account.name.partition(":")[2], account.name, texts(versions, sums))
        for account, sums in sorted(received(state.pages.values(), part).items())
    ]
    units = {source: versions.carrier_of(source).unit for source in versions.sources}
    return Flows(*part, site.offset, edges, uses, units)


def _flow(model: SiteModel, versions: Versions, flow: EdgeFlow) -> Flow:
    edge, amount = flow.edge, None
    meter = edge.id if isinstance(edge, Meter) else None
    carrier = model.carriers[edge.carrier if isinstance(edge, Meter) else along(model, edge)]
    if flow.quanta is not None:
        amount = fixed(flow.quanta, carrier.quanta_per_unit, carrier.digits)
    by_source = {}
    for source, thousandths in sorted(flow.content.items()):
        store = versions.stores.get(source.removeprefix("store:"))
        own = store or versions.carrier_of(source)
        by_source[source] = fixed(round(thousandths / 1000), own.quanta_per_unit, own.digits)
    return Flow(edge.start, edge.end, meter, carrier.name, carrier.unit, amount, by_source)


def along(model: SiteModel, link: Link) -> str:
    """The carrier of an edge without a meter: of the bus at one of its ends."""
    for place in (link.start, link.end):
        if place in model.buses:
            return model.buses[place].carrier
    feeding = [meter for meter in model.meters if meter.end == link.start]
    return feeding[0].carrier if feeding else next(iter(model.carriers))


def _whole_slots(versions: Versions, begin_ms: int, end_ms: int, posted: Span) -> Span:
    """From slot to slot, or to an end of what is posted."""
    slot_ms = versions.reign_at(end_ms).model.slot_ms
    first = begin_ms if begin_ms == posted[0] else -(-begin_ms // slot_ms) * slot_ms
    last = end_ms if end_ms == posted[1] else end_ms // slot_ms * slot_ms
    return first, max(first, last)


def _day_began(t_ms: int, timezone: str) -> int:
    zone = ZoneInfo(timezone)
    moment = datetime.fromtimestamp(0, zone) + timedelta(milliseconds=t_ms)
    return round(datetime(moment.year, moment.month, moment.day, tzinfo=zone).timestamp() * 1000)
