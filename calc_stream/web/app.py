"""The HTTP door of the calculator: page, live stream, results; events and alarms by hand.

GET /                              the page                  GET /static/…  /health
GET /v1/live  /v1/snapshot         the stream                pages.py
GET /v1/batches …/{id} …/revisions                           batches.py
GET …/{id}/ledger …/timeline …/explain …/readings            trail.py
GET …/{id}/bundle                                            bundle.py
GET /v1/products …/{id}/factors                              products.py
GET …/{id}/footprints …/{id}/kpi  /v1/footprints/{id}        footprints.py
GET /v1/footprints/{id}/bundle                               bundle.py
GET /v1/footprints/{id}/export                               forms.py
GET /v1/disclosures                                          disclosures.py
GET /v1/meters …/completeness                                meters.py
GET /v1/model  /v1/sites  /v1/vocabulary                     model.py
GET /v1/flows                                                flows.py
GET /v1/status  /v1/results                                  status.py
GET /v1/events                     POST: by hand             events.py
GET /v1/alarms                     POST …/{id}/acknowledge   alarms.py
GET /v1/me  /v1/audit              POST /v1/session  /auth/token   session.py

One file a concern; each has `routes(behind)`, whose routes begin with `needs(role)` (`guard.py`) and
say in `describe(...)` (`described.py`) what they take and answer. Errors are problem documents.
"""

import msgspec
from fastapi import FastAPI, Response
from starlette.middleware.gzip import GZipMiddleware

from calc_stream.web import (
    alarms,
    batches,
    bundle,
    described,
    disclosures,
    events,
    flows,
    footprints,
    forms,
    meters,
    model,
    pages,
    problems,
    products,
    session,
    status,
    trail,
)
from calc_stream.web.audit import Audited
from calc_stream.web.behind import Behind
from calc_stream.web.guard import Guard

_LEAST_BYTES = 1024


def build(behind: Behind, guard: Guard) -> FastAPI:
    """The application."""
    app = FastAPI(
        title="wattprint calculator", version="1", openapi_url=None, docs_url=None, redoc_url=None
    )
    app.state.guard = guard
    problems.install(app)
    app.add_middleware(GZipMiddleware, minimum_size=_LEAST_BYTES, compresslevel=5)
    app.add_middleware(Audited, behind.audit, behind.now_ms)
    pages.install(app)
    concerns = (
        pages,
        trail,
        bundle,
        batches,
        products,
        footprints,
        forms,
        disclosures,
        meters,
        flows,
        model,
        events,
        alarms,
        status,
    )
    routers = [concern.routes(behind) for concern in concerns]
    routers += [batches.one(behind), bundle.of_footprints(behind), session.routes(behind, guard)]
    routers += [session.doors(guard), session.token_door(guard)]
    for router in routers:
        app.include_router(router)
    app.state.routes = [route for router in routers for route in router.routes] + app.routes
    document = msgspec.json.encode(described.document(app))

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return Response(document, media_type="application/json")

    return app
