"""The evidence of a batch's figure, or of a footprint, as one file, for somebody who trusts nobody
(`docs/bundle.md`)."""

from contextlib import closing
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Response

from calc_stream import bundling
from calc_stream.bundling import Figure
from calc_stream.disclosing import root_of
from calc_stream.ledger.rows import BatchRow
from calc_stream.web.behind import Behind, file
from calc_stream.web.described import binary, describe
from calc_stream.web.guard import needs
from calc_stream.web.problems import Problem, unknown
from wire.errors import ConfigError
from wire.journal import open_reader

_ZIP = "application/zip"


def routes(behind: Behind) -> APIRouter:
    router = APIRouter(prefix="/v1/batches", tags=["batch"], dependencies=[needs("viewer")])

    @router.get("/{batch:path}/bundle", **describe(binary(_ZIP), problems=(404, 409, 503)))
    def bundle(
        batch: str,
        revision: Annotated[int | None, Query(ge=1, le=2**31)] = None,
        whole: bool = False,
    ) -> Response:
        """What `wattprint bundle` writes and `wattprint verify` judges without any server: of the
        last settled figure, or of `revision`; `whole`: the journal from its first record on. 409
        while there can be none."""
        row = _settled(behind, batch, revision)
        name = f"{batch.replace('/', '-')}-{row.revision}.zip"
        return _made(behind, Figure((row,)), whole, name)

    return router


def of_footprints(behind: Behind) -> APIRouter:
    router = APIRouter(tags=["products"], dependencies=[needs("viewer")])
    told = describe(binary(_ZIP), problems=(404, 409, 503))

    @router.get("/v1/footprints/{footprint}/bundle", **told)
    def bundle(footprint: str, whole: bool = False) -> Response:
        """What `wattprint bundle --footprint` writes: all its batches, with the journal they share once.
        409 while there can be none."""
        found = behind.footprint(footprint)
        try:
            figure = bundling.figure_of(behind.store, found)
            figure = replace(figure, disclosed=root_of(behind.disclosures.state, found))
        except ConfigError as exc:
            raise Problem(409, str(exc)) from exc
        return _made(behind, figure, whole, f"{footprint}.zip")

    return router


def _made(behind: Behind, figure: Figure, whole: bool, name: str) -> Response:
    # It walks the whole journal: one at a time leaves a core to the rest.
    with behind.walking, closing(open_reader(behind.journal)) as reader:
        try:
            data = bundling.make(reader, behind.site, figure, whole)
        except (bundling.NotYet, ConfigError) as exc:
            raise Problem(409, str(exc)) from exc
    return file(data, _ZIP, name)


def _settled(behind: Behind, batch: str, revision: int | None) -> BatchRow:
    """The revision that is meant. Raises Problem."""
    rows = behind.store.revisions(behind.site, batch)
    if revision is not None:
        rows = [row for row in rows if row.revision == revision]
        if not rows:
            raise unknown("revision", f"{revision} of {batch}")
    if not rows and not behind.ask(lambda site: batch in site.book.rows):
        raise unknown("batch", batch)
    final = [row for row in rows if row.settled]
    if not final:
        state = rows[-1].state if rows else "not closed"
        raise Problem(409, f"batch {batch} is {state}: only settled figures have a bundle")
    return final[-1]
