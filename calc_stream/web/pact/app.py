"""The application for other companies.

POST /auth/token                          GET /.well-known/…     openid.py, web/session.py
GET  /3/footprints  /3/footprints/{id}                           lists.py
POST /3/events                                                   inbox.py
GET  /extension-….schema.json                                    openid.py
"""

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from calc_stream.web import session
from calc_stream.web.audit import Audited
from calc_stream.web.pact import inbox, lists, openid, refusals
from calc_stream.web.pact.admission import over_tls
from calc_stream.web.pact.office import Office

_LEAST_BYTES = 1024


def build(office: Office) -> FastAPI:
    """The application."""
    app = FastAPI(
        title="PACT v3", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    refusals.install(app)
    app.middleware("http")(over_tls(office))
    app.add_middleware(GZipMiddleware, minimum_size=_LEAST_BYTES, compresslevel=5)
    app.add_middleware(Audited, office.audit, office.now_ms)
    for router in (
        *(openid.routes(office), session.token_door(office.guard)),
        *(lists.routes(office), inbox.routes(office)),
    ):
        app.include_router(router)
    return app
