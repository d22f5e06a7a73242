"""Products: their factors, and how the factor of their batches varies."""

from collections.abc import Iterable
from typing import Annotated

import msgspec
from fastapi import APIRouter, Header, Request, Response

from calc_stream import exporters
from calc_stream.ledger.limits import Limits, limits_of
from calc_stream.ledger.rows import CLOSED, BatchRow, ProductRow
from calc_stream.site import Site
from calc_stream.web.batches import Format, asked_for, file_of
from calc_stream.web.behind import Behind, as_of, json
from calc_stream.web.described import binary, describe, either, of, text
from calc_stream.web.guard import needs
from calc_stream.web.paging import Limit
from calc_stream.web.problems import unknown


class Product(msgspec.Struct, frozen=True):
    """A product of which batches are known; `last_ended_ms`: of those that closed."""

    product: str
    unit: str | None
    batches: int
    last_ended_ms: int | None


class Products(msgspec.Struct, frozen=True):
    offset: int
    products: list[Product]


class Point(msgspec.Struct, frozen=True):
    """One batch of the control chart; `u95` in kg CO2e per unit, None where it is not known, or is still
    worked out (`due`)."""

    batch: str
    ended_ms: int | None
    kg_co2e_per_unit: str
    u95: str | None
    due: bool
    incomplete: bool
    revision: int
    state: str
    over_limit: bool


class Factors(msgspec.Struct, frozen=True):
    """`factors`: one a unit and method, weighted by good quantity. `limits`: of the next batch, what
    raises `over_limit`. `points`: closed batches, the newest last."""

    product: str
    offset: int
    factors: list[ProductRow]
    limits: Limits | None
    points: list[Point]


class ProductsFile(msgspec.Struct, frozen=True):
    """With `format=json`: factors as they are on disk."""

    format: int
    site: str
    what: str
    offset: int
    products: list[ProductRow]


_ROW = ProductRow(
    site="cq-wheel",
    product="wheel-18",
    unit="piece",
    batches=2,
    good="200",
    scrap="3",
    energy_kwh="128",
    kg_co2e="73.9456",
    kwh_per_unit="0.64",
    kg_co2e_per_unit="0.369728",
    measured_share="1",
    interpolated_share="0",
    incomplete_batches=0,
    settled_batches=2,
    factor_status="verified",
    unknown_sources=(),
    method="gbt24067",
    factor_sets=("9f86…",),
    models=("60ab…",),
    first_started_ms=1_795_651_200_000,
    last_ended_ms=1_795_653_000_000,
    offset=4711,
    revision=1,
    basis="d082…",
)
_POINT = Point("B-0007", 1_795_653_000_000, "0.369728", "0.0042", False, False, 1, "settled", False)
_FACTORS = Factors("wheel-18", 4711, [_ROW], Limits("0.3697", "0.3512", "0.3882", 20), [_POINT])


def routes(behind: Behind) -> APIRouter:
    router = APIRouter(tags=["products"], dependencies=[needs("viewer")])
    known = Product("wheel-18", "piece", 2, 1_795_653_000_000)

    @router.get(
        "/v1/products", **describe(of(Products, Products(4711, [known])), problems=(304, 503))
    )
    def products(request: Request) -> Response:
        """Every product a batch was told of."""
        found = behind.ask(lambda site: Products(site.offset, _products(site.book.rows.values())))
        return as_of(request, found.offset, found)

    stated = of(ProductsFile, ProductsFile(1, "cq-wheel", "products", 4711, [_ROW]))
    files = (text("product,unit\r\n", "text/csv"), binary("application/vnd.apache.parquet"))

    @router.get(
        "/v1/products/{product:path}/factors",
        **describe(either(of(Factors, _FACTORS), stated), *files, problems=(404, 406, 503)),
    )
    def factors(
        product: str,
        format: Format | None = None,  # noqa: A002  the API's word
        limit: Limit = 100,
        accept: Annotated[str, Header()] = "",
    ) -> Response:
        """A product's factor from its closed batches as they are on disk, and how these vary."""
        if not behind.ask(lambda site: _makes(site, product)):
            raise unknown("product", product)
        export = exporters.gather(behind.store, behind.site, "products", product)
        if kind := asked_for(format, accept):
            return file_of(export, kind)
        latest, over = behind.ask(lambda site: _closed(site, product, behind.charts.over(site)))
        points = [_point(row, behind, over) for row in latest[-limit:]]
        rows = [row for row in export.rows if isinstance(row, ProductRow)]
        return json(Factors(product, export.offset, rows, limits_of(latest), points))

    return router


def _makes(site: Site, product: str) -> bool:
    return any(row.product == product for row in site.book.rows.values())


def _closed(
    site: Site, product: str, over: frozenset[str]
) -> tuple[list[BatchRow], frozenset[str]]:
    """The newest revisions that have a figure, the first to end first; in the unit and method of the
    newest."""
    mine = (row for row in site.book.latest.values() if row.product == product)
    rows = [row for row in mine if row.kg_co2e_per_unit is not None]
    rows.sort(key=lambda row: (row.ended_ms or 0, row.batch))
    ways = {(row.unit, row.method) for row in rows[-1:]}
    return [row for row in rows if (row.unit, row.method) in ways], over


def _point(row: BatchRow, behind: Behind, over: frozenset[str]) -> Point:
    head = (row.batch, row.ended_ms, row.kg_co2e_per_unit or "")
    sure = (behind.doubts.of(row), behind.doubts.is_due(row))
    return Point(*head, *sure, row.incomplete, row.revision, row.state, row.batch in over)


def _products(rows: Iterable[BatchRow]) -> list[Product]:
    groups: dict[str, list[BatchRow]] = {}
    for row in rows:
        if row.product is not None:
            groups.setdefault(row.product, []).append(row)
    return [_product(name, group) for name, group in sorted(groups.items())]


def _product(name: str, rows: list[BatchRow]) -> Product:
    newest = max(rows, key=lambda row: (row.unit is not None, row.ended_ms or 0))
    ended = [row.ended_ms for row in rows if row.state in CLOSED and row.ended_ms is not None]
    return Product(name, newest.unit, len(rows), max(ended, default=None))
