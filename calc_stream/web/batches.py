"""Batches: the list, one, what was stated of it; as files."""

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Header, Query, Request, Response

from calc_stream import exporters
from calc_stream.exporters import Export
from calc_stream.ledger.rows import CLOSED, BatchRow
from calc_stream.site import Site
from calc_stream.web.behind import Behind, as_of, json
from calc_stream.web.described import binary, describe, either, of, text
from calc_stream.web.guard import needs
from calc_stream.web.paging import After, Instant, Limit, cursor, link, place
from calc_stream.web.problems import Problem, unknown
from calc_stream.web.snapshot import BatchNow, place_of, shown
from wire.errors import ConfigError

State = Literal["live", "provisional", "closed", "settled", "restated"]
Format = Literal["csv", "json", "parquet"]
_MEDIA = {"text/csv": "csv", "application/vnd.apache.parquet": "parquet"}
EXAMPLE = BatchNow(
    **msgspec.structs.asdict(
        BatchRow(
            site="cq-wheel",
            batch="B-0007",
            product="wheel-18",
            state="settled",
            settled=True,
            nodes=("press-1",),
            started_ms=1_795_651_200_000,
            ended_ms=1_795_653_000_000,
            energy_kwh="64.000000",
            by_source={"grid": "64.000000"},
            units={"grid": "kWh"},
            kg_co2e="36.972800",
            good="100",
            unit="piece",
            kwh_per_unit="0.64",
            kg_co2e_per_unit="0.369728",
            method="gbt24067",
            offset=4711,
            revision=1,
        )
    )
)


class Batches(msgspec.Struct, frozen=True):
    """A part of the list; `next`: what to ask `after` for the rest."""

    offset: int
    batches: list[BatchNow]
    next: str | None


class BatchesFile(msgspec.Struct, frozen=True):
    """With `format=json`: closed batches as they are on disk."""

    format: int
    site: str
    what: str
    offset: int
    batches: list[BatchRow]


class Revisions(msgspec.Struct, frozen=True):
    """All that was stated of a batch, the first one first."""

    batch: str
    revisions: list[BatchRow]


class Filter(msgspec.Struct, frozen=True):
    """Which batches; `state` closed means closed, settled or restated."""

    state: str | None = None
    product: str | None = None
    node: str | None = None
    batch: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    q: str | None = None

    def takes(self, row: BatchRow) -> bool:
        wanted = CLOSED if self.state == "closed" else {self.state}
        return (
            (self.state is None or row.state in wanted)
            and self.product in (None, row.product)
            and self.batch in (None, row.batch)
            and (self.node is None or self.node in row.nodes)
            and (self.from_ms is None or row.ended_ms is None or row.ended_ms >= self.from_ms)
            and (self.to_ms is None or (row.started_ms or 0) < self.to_ms)
            and (self.q is None or _says(row, self.q.casefold()))
        )


def routes(behind: Behind) -> APIRouter:
    router = APIRouter(tags=["batches"], dependencies=[needs("viewer")])
    stated = of(BatchesFile, BatchesFile(1, "cq-wheel", "batches", 4711, [EXAMPLE]))
    page = either(of(Batches, Batches(4711, [EXAMPLE], None)), stated)
    files = (text("batch,product\r\n", "text/csv"), binary(_parquet()))

    @router.get("/v1/batches", **describe(page, *files, problems=(304, 406, 503)))
    def batches(
        request: Request,
        state: State | None = None,
        product: str | None = None,
        node: str | None = None,
        batch: str | None = None,
        from_ms: Instant = None,
        to_ms: Instant = None,
        q: Annotated[str | None, Query(max_length=200)] = None,
        limit: Limit = 100,
        after: After = "",
        format: Format | None = None,  # noqa: A002  the API's word
        accept: Annotated[str, Header()] = "",
    ) -> Response:
        """Those that are open first, then the newest. `from_ms` and `to_ms`: that were running then;
        `q`: part of an id or product. `format`, or `Accept`, gives a file: the closed ones as they
        are on disk."""
        wanted = Filter(state, product, node, batch, from_ms, to_ms, q)
        if kind := asked_for(format, accept):
            gathered = exporters.gather(behind.store, behind.site, "batches", product)
            rows = [row for row in gathered.rows if isinstance(row, BatchRow) and wanted.takes(row)]
            return file_of(Export("batches", behind.site, gathered.offset, rows), kind)
        begin = place(after, tuple[bool, int, str])

        def ask(site: Site) -> Batches:
            over = behind.charts.over(site)
            return _part(site, filter(wanted.takes, site.book.rows.values()), over, limit, begin)

        found = behind.ask(ask)
        return as_of(request, found.offset, found, link(request, found.next))

    @router.get(
        "/v1/batches/{batch:path}/revisions",
        **describe(of(Revisions, Revisions("B-0007", [EXAMPLE])), problems=(404, 503)),
    )
    def revisions(batch: str) -> Response:
        """Every figure that was ever stated of a batch, as it was stated."""
        if not behind.ask(lambda site: batch in site.book.rows):
            raise unknown("batch", batch)
        return json(Revisions(batch, behind.store.revisions(behind.site, batch)))

    return router


def one(behind: Behind) -> APIRouter:
    """`/v1/batches/{id}`, apart: an id may hold a slash, so its route comes after all longer ones."""
    router = APIRouter(tags=["batches"], dependencies=[needs("viewer")])

    @router.get(
        "/v1/batches/{batch:path}", **describe(of(BatchNow, EXAMPLE), problems=(304, 404, 503))
    )
    def row(request: Request, batch: str) -> Response:
        """A batch as it stands."""

        def ask(site: Site) -> BatchNow | None:
            found = site.book.rows.get(batch)
            return None if found is None else shown(found, behind.charts.over(site))

        found = behind.ask(ask)
        if found is None:
            raise unknown("batch", batch)
        return as_of(request, behind.ask(lambda site: site.offset), found)

    return router


def asked_for(format_: str | None, accept: str) -> str | None:
    """Which file, None for the API's own JSON. Raises Problem for what there is not."""
    if format_ is not None:
        return format_
    kinds = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    for kind in filter(None, kinds):
        if kind in _MEDIA:
            return _MEDIA[kind]
        if kind in ("*/*", "application/*", "application/json"):
            return None
    if not any(kinds):
        return None
    raise Problem(406, "Accept: there is application/json, " + ", ".join(_MEDIA))


def file_of(export: Export, kind: str) -> Response:
    exporter = exporters.find(kind)
    try:
        data = exporter.write(export, exporter.Settings())
    except ConfigError as exc:
        raise Problem(406, str(exc)) from exc
    name = f"{export.site}-{export.what}-{export.offset}.{kind}"
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(data, media_type=exporter.MEDIA_TYPE, headers=disposition)


def _part(
    site: Site,
    rows: Iterable[BatchRow],
    over: frozenset[str],
    limit: int,
    begin: tuple[bool, int, str] | None,
) -> Batches:
    left = [row for row in rows if begin is None or place_of(row) > begin]
    left.sort(key=place_of)
    part = left[:limit]
    following = cursor(*place_of(part[-1])) if len(left) > limit else None
    return Batches(site.offset, [shown(row, over) for row in part], following)


def _says(row: BatchRow, q: str) -> bool:
    return q in row.batch.casefold() or q in (row.product or "").casefold()


def _parquet() -> str:
    return str(exporters.find("parquet").MEDIA_TYPE)
