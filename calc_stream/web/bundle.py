"""The evidence of a batch's figure as one file, for somebody who trusts nobody (`docs/bundle.md`)."""

from contextlib import closing
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Response

from calc_stream import bundling
from calc_stream.ledger.rows import BatchRow
from calc_stream.web.behind import Behind
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
        # It walks the whole journal: one at a time leaves a core to the rest.
        with behind.walking, closing(open_reader(behind.journal)) as reader:
            try:
                data = bundling.make(reader, behind.site, row, whole)
            except (bundling.NotYet, ConfigError) as exc:
                raise Problem(409, str(exc)) from exc
        name = quote(f"{batch.replace('/', '-')}-{row.revision}.zip", safe="")
        disposition = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
        return Response(data, media_type=_ZIP, headers=disposition)

    return router


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
