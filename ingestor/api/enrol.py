"""Gateways come in here, without a key of the API: a single-use code, or their own signing key.

`GET /enrol/ca` gives whoever has a code what to check against it; `POST /enrol` and `/renew` take a
request signed with both keys of a gateway (`wire/enrolment.py`). A renewal needs no certificate
that still counts: one that has run out is renewed like any other, nobody has to go there.
"""

import base64
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from fastapi import APIRouter, Response
from fastapi import Request as HttpRequest

from ingestor.api.bodies import OffLoop, Submit, body_of, submitted
from ingestor.api.described import describe, of
from ingestor.api.problems import Problem, bad_data, retry_after
from ingestor.authority import CA, Authority
from ingestor.intake import Post
from ingestor.keys import KeyRecord, Keys
from wire.enrolment import Code, Enrolled, Request, Trusted, read
from wire.errors import BadData, ConfigError
from wire.limits import Limits
from wire.signing import PublicKey
from wire.topics import client_id, id_problem

log = logging.getLogger(__name__)

_MOST_BYTES = 4096
_PER_S, _BURST = 1.0, 60  # a gateway asks twice in a season, but a factory may come at once
_REQUEST = Request("cq-wheel", "gw-1", "ed25519:…", "ed25519:…", "base64", "base64", "base64")
_ENROLLED = Enrolled("-----BEGIN CERTIFICATE-----…", "-----BEGIN CERTIFICATE-----…", ["ed25519:…"])


def routes(
    authority: Authority,
    keys: Keys,
    receipt_keys: Callable[[], list[str]],
    days: int,
    submit: Submit,
    off_loop: OffLoop,
    now_ms: Callable[[], int],
    check_taken: Callable[[str], None],
) -> APIRouter:
    """`receipt_keys`: those receipts are, or will be, signed with; `days`: a certificate is good;
    `check_taken` raises BadData for a site that is another ingestor's."""
    router = APIRouter(tags=["enrolment"])
    limits = Limits(_PER_S, _BURST, time.monotonic)

    async def asked(http: HttpRequest) -> Request:
        address = http.client.host if http.client else ""
        if wait_s := limits.wait_s(address):
            headers = retry_after(wait_s)
            raise Problem(429, f"{address} asks too often", headers=headers)
        try:
            request = read(await body_of(http, _MOST_BYTES))
        except BadData as exc:
            raise bad_data(str(exc)) from exc
        for key, name in (("site", request.site), ("gateway", request.gateway)):
            if problem := id_problem(name):
                raise bad_data(f"{key}: {problem}")
        try:
            check_taken(request.site)
        except BadData as exc:
            raise _not_allowed(exc) from exc
        return request

    async def answered(request: Request) -> Response:
        name, tls_key = client_id(request.site, request.gateway), PublicKey.parse(request.tls_key)
        issued = off_loop(authority.issue, name, tls_key.raw, days)
        pem: bytes = await _allowed(issued)
        log.info("%s has a new certificate", name)
        told = Enrolled(pem.decode(), authority.certificate(CA).read_text(), receipt_keys())
        return Response(msgspec.json.encode(told), 201, media_type="application/json")

    @router.get("/enrol/ca", **describe(of(Trusted, Trusted("-----BEGIN…")), is_open=True))
    async def ca() -> Response:
        told = Trusted(authority.certificate(CA).read_text())
        return Response(msgspec.json.encode(told), media_type="application/json")

    takes = of(Request, _REQUEST)
    gives = of(Enrolled, _ENROLLED)
    refusals = (403, 413, 429, 503)

    @router.post("/enrol", **describe(gives, takes, status=201, problems=refusals, is_open=True))
    async def enrol(http: HttpRequest) -> Response:
        request = await asked(http)
        try:
            code = Code(base64.b64decode(request.secret), b"")
        except ValueError as exc:
            raise bad_data("secret: is not base64") from exc
        name = client_id(request.site, request.gateway)
        await _allowed(off_loop(authority.claim, name, code.mark, request.keys))
        told = KeyRecord(request.site, request.gateway, request.key)
        await submitted(submit, Post(request.site, "key", (msgspec.json.encode(told),)))
        return await answered(request)

    @router.post("/renew", **describe(gives, takes, status=201, problems=refusals, is_open=True))
    async def renew(http: HttpRequest) -> Response:
        request = await asked(http)
        try:
            key = PublicKey.parse(request.key)
            keys.check_holder(request.site, request.gateway, key, now_ms())
        except BadData as exc:
            raise _not_allowed(exc) from exc
        return await answered(request)

    return router


async def _allowed(work: Awaitable[Any]) -> Any:
    try:
        return await work
    except BadData as exc:
        raise _not_allowed(exc) from exc
    except ConfigError as exc:
        log.error("%s", exc)
        why = "the authority cannot be used now; the ingestor's log says more"
        raise Problem(503, why, headers=retry_after(60)) from exc


def _not_allowed(exc: BadData) -> Problem:
    log.warning("refused a gateway: %s", exc)
    return Problem(403, str(exc))
