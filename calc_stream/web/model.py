"""The site's network as the model in force draws it, and what may be named in an event."""

from collections.abc import Iterable

import msgspec
from fastapi import APIRouter, Request, Response

from calc_stream.core import SiteModel
from calc_stream.core.decimals import shortest
from calc_stream.site import Site
from calc_stream.web.behind import Behind, as_of, json
from calc_stream.web.described import describe, of
from calc_stream.web.flows import along
from calc_stream.web.guard import needs
from calc_stream.web.problems import not_now
from calc_stream.web.snapshot import OPEN
from wire.messages import STATES


class CarrierKnown(msgspec.Struct, frozen=True):
    """`kwh_per_unit`: a decimal string, None where the carrier tells none."""

    unit: str
    kwh_per_unit: str | None


class Place(msgspec.Struct, frozen=True):
    """`kind`: source, bus, utility, store, node or export."""

    id: str
    kind: str
    carrier: str | None = None
    line: str | None = None
    overhead: bool = False


class EdgeKnown(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    from_: str
    to: str
    meter: str | None
    carrier: str
    unit: str


class Model(msgspec.Struct, frozen=True):
    """`hash`: of its text, as rows and journal name it."""

    site: str
    timezone: str
    hash: str | None
    offset: int
    valid_from_ms: int | None
    carriers: dict[str, CarrierKnown]
    places: list[Place]
    edges: list[EdgeKnown]


class SiteKnown(msgspec.Struct, frozen=True):
    """`state`: waiting (for a journal, or a model in it) or running."""

    site: str
    timezone: str | None
    state: str


class Sites(msgspec.Struct, frozen=True):
    sites: list[SiteKnown]


class Vocabulary(msgspec.Struct, frozen=True):
    """What an event may name: nodes, registers, products and units told before, open batches."""

    nodes: list[str]
    meters: list[str]
    products: list[str]
    batches_open: list[str]
    units: list[str]
    states: list[str]


_MODEL = Model(
    *("cq-wheel", "Asia/Shanghai", "60ab…", 4711, None),
    {"electricity": CarrierKnown("kWh", "1")},
    [Place("grid", "source", "electricity"), Place("main", "bus", "electricity")],
    [EdgeKnown("grid", "main", "m-main", "electricity", "kWh")],
)
_WORDS = Vocabulary(
    *(["press-1"], ["m-press-1"], ["wheel-18"], ["B-0007"], ["piece"]), list(STATES)
)


def routes(behind: Behind) -> APIRouter:
    router = APIRouter(tags=["model"], dependencies=[needs("viewer")])

    @router.get("/v1/model", **describe(of(Model, _MODEL), problems=(304, 503)))
    def model(request: Request) -> Response:
        """Places and edges of the version in force where the postings end."""
        found = behind.ask(_model)
        if found is None:
            raise not_now("the journal holds no model yet", 5)
        return as_of(request, found.offset, found)

    running = Sites([SiteKnown("cq-wheel", "Asia/Shanghai", "running")])

    @router.get("/v1/sites", **describe(of(Sites, running)))
    def sites() -> Response:
        """The sites of this calculator."""
        with behind.engine.lock:
            site = behind.engine.site
            model = site.state.model if site else None
        known = SiteKnown(
            behind.site, model.timezone if model else None, "running" if model else "waiting"
        )
        return json(Sites([known]))

    @router.get("/v1/vocabulary", **describe(of(Vocabulary, _WORDS), problems=(503,)))
    def vocabulary() -> Response:
        """Names to choose from when an event is told by hand."""
        return json(behind.ask(_vocabulary))

    return router


def _model(site: Site) -> Model | None:
    model, basis = site.state.model, site.basis
    if model is None:
        return None
    carriers = {
        name: CarrierKnown(c.unit, shortest(c.kwh_per_unit) if c.kwh_per_unit else None)
        for name, c in model.carriers.items()
    }
    hash_ = basis.model_hash(site.state.frontier_ms or 0) if basis else None
    head = (model.site, model.timezone, hash_, site.offset, model.valid_from_ms)
    return Model(*head, carriers, list(_places(model)), list(_edges(model)))


def _places(model: SiteModel) -> Iterable[Place]:
    for source in model.sources.values():
        yield Place(source.name, "source", source.carrier)
    for bus in model.buses.values():
        yield Place(bus.name, "bus", bus.carrier)
    for utility in model.utilities:
        yield Place(utility, "utility")
    for store in model.stores.values():
        yield Place(store.name, "store", store.carrier)
    for node in model.nodes.values():
        yield Place(node.name, "node", None, node.line, node.overhead)
    for export in model.exports:
        yield Place(export, "export")


def _edges(model: SiteModel) -> Iterable[EdgeKnown]:
    for meter in model.meters:
        unit = model.carriers[meter.carrier].unit
        yield EdgeKnown(meter.start, meter.end, meter.id, meter.carrier, unit)
    for link in model.links:
        carrier = along(model, link)
        yield EdgeKnown(link.start, link.end, None, carrier, model.carriers[carrier].unit)


def _vocabulary(site: Site) -> Vocabulary:
    model, rows = site.state.model, site.book.rows.values()
    batches = site.state.batches.values()
    return Vocabulary(
        sorted(model.nodes) if model else [],
        [meter.id for meter in model.meters] if model else [],
        sorted({row.product for row in rows if row.product is not None}),
        sorted(row.batch for row in rows if row.state in OPEN),
        sorted({batch.unit for batch in batches if batch.unit is not None}),
        list(STATES),
    )
