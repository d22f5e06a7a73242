"""The HTTP door of the calculator: page, live stream, results. Reading only.

GET /                                the page              GET /static/…
GET /v1/live                         server-sent snapshots GET /v1/snapshot      the newest one
GET /v1/batches                      ?state= &product= &limit= &after= &format=csv|json
GET /v1/batches/{id}                 as it stands          …/revisions           all that was stated
GET /v1/products/{id}/factors        ?format=csv|json      GET /v1/meters
GET /v1/results, /v1/status          posted quanta; how far                      GET /health

`format` (or `Accept: text/csv`) gives an export: closed batches only, as they are on disk. Errors
are RFC 9457 problem documents.
"""

from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import msgspec
from fastapi import FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from calc_stream import exporters
from calc_stream.engines.embedded import Engine
from calc_stream.ledger.store import Store
from calc_stream.site import Site
from calc_stream.web import answers
from calc_stream.web.live import Live
from calc_stream.web.snapshot import meters_now, shown_batches
from calc_stream.web.view import View

STATIC = Path(__file__).parent / "static"
MOST_ROWS = 1000
# The page needs nothing from elsewhere, and nothing from elsewhere may run in it.
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


class _Fresh(StaticFiles):
    """Asked for anew each time: after an upgrade no browser mixes old modules with new ones."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


def build(
    engine: Engine, store: Store, live: Live, view: View, now_ms: Callable[[], int]
) -> FastAPI:
    """The application. `store` is a reader of its own; handlers without `async` run on threads."""
    app = FastAPI(title="wattprint calculator", openapi_url=None, docs_url=None, redoc_url=None)
    app.add_exception_handler(HTTPException, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    _pages(app, live)
    _batches(app, engine, store)

    @app.get("/v1/meters")
    def meters() -> Response:
        return _json({"meters": _ask(engine, lambda site: meters_now(site, view, now_ms()))})

    @app.get("/v1/results")
    def results() -> Response:
        return _json(_ask(engine, answers.results))

    @app.get("/v1/status")
    def status() -> Response:
        return _json(_ask(engine, answers.status))

    return app


def _pages(app: FastAPI, live: Live) -> None:
    app.mount("/static", _Fresh(directory=STATIC, check_dir=False), name="static")

    @app.get("/")
    async def page() -> Response:
        return FileResponse(STATIC / "index.html", headers=_HEADERS)

    @app.get("/health")
    async def health() -> Response:
        return _json({"status": "ok"})

    @app.get("/v1/live")
    async def stream() -> Response:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(live.follow(), media_type="text/event-stream", headers=headers)

    @app.get("/v1/snapshot")
    async def snapshot() -> Response:
        if live.newest is None:
            raise _not_ready()
        return Response(live.newest, media_type="application/json")


def _batches(app: FastAPI, engine: Engine, store: Store) -> None:
    @app.get("/v1/batches")
    def batches(
        state: str | None = None,
        product: str | None = None,
        limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 100,
        after: str = "",
        format: str | None = None,  # noqa: A002  the API's word
        accept: Annotated[str, Header()] = "",
    ) -> Response:
        if wanted := _format(format, accept):
            return _export(store, engine, "batches", product, wanted)

        def ask(site: Site) -> answers.Batches | None:
            rows = shown_batches(site.book.rows, None)
            return answers.page_of(site, rows, state, product, limit, after)

        found = _ask(engine, ask)
        if found is None:
            raise HTTPException(422, f"after: there is no batch {after!r} in this list")
        return _json(found)

    @app.get("/v1/batches/{batch:path}/revisions")
    def revisions(batch: str) -> Response:
        if _ask(engine, lambda site: batch not in site.book.rows):
            raise HTTPException(404, f"there is no batch {batch!r}")
        site = engine.rules.site
        return _json({"batch": batch, "revisions": store.revisions(site, batch)})

    @app.get("/v1/batches/{batch:path}")
    def one(batch: str) -> Response:
        row = _ask(engine, lambda site: site.book.rows.get(batch))
        if row is None:
            raise HTTPException(404, f"there is no batch {batch!r}")
        return _json(row)

    @app.get("/v1/products/{product:path}/factors")
    def factors(
        product: str,
        format: str | None = None,  # noqa: A002  the API's word
        accept: Annotated[str, Header()] = "",
    ) -> Response:
        if wanted := _format(format, accept):
            return _export(store, engine, "products", product, wanted)
        export = exporters.gather(store, engine.rules.site, "products", product)
        if not export.rows and not _ask(engine, lambda site: _makes(site, product)):
            raise HTTPException(404, f"there is no product {product!r}")
        return _json({"product": product, "offset": export.offset, "factors": export.rows})


def _makes(site: Site, product: str) -> bool:
    return any(row.product == product for row in site.book.rows.values())


def _ask(engine: Engine, question: Callable[[Site], Any]) -> Any:
    """An answer from the site while it stands still."""
    with engine.lock:
        if engine.site is None:
            raise _not_ready()
        return question(engine.site)


def _format(asked: str | None, accept: str) -> str | None:
    return asked or ("csv" if "text/csv" in accept else None)


def _export(store: Store, engine: Engine, what: str, product: str | None, kind: str) -> Response:
    if kind not in ("csv", "json"):
        raise HTTPException(422, "format: must be csv or json")
    exporter = exporters.find(kind)
    export = exporters.gather(store, engine.rules.site, what, product)
    name = f"{engine.rules.site}-{what}-{export.offset}.{kind}"
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(
        exporter.write(export, exporter.Settings()),
        media_type=exporter.MEDIA_TYPE,
        headers=disposition,
    )


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _not_ready() -> HTTPException:
    return HTTPException(503, "the journal has not been opened yet", {"Retry-After": "1"})


async def _problem(_request: Request, exc: Exception) -> Response:
    """Also what the framework itself refuses: unknown paths, wrong methods."""
    assert isinstance(exc, HTTPException)  # noqa: S101  registered for it alone
    title = HTTPStatus(exc.status_code).phrase
    body = {"type": "about:blank", "title": title, "status": exc.status_code, "detail": exc.detail}
    return Response(
        msgspec.json.encode(body),
        exc.status_code,
        headers=dict(exc.headers or {}),
        media_type="application/problem+json",
    )


async def _invalid(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RequestValidationError)  # noqa: S101  registered for it alone
    told = "; ".join(f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in exc.errors())
    return await _problem(request, HTTPException(422, told))
