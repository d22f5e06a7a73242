"""The site's model and its factors: documents that replace the one before."""

import tomllib
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from ingestor.api.bodies import Site, Submit, body_of, submitted
from ingestor.api.described import Content, describe, of, text
from ingestor.api.guard import needs
from ingestor.api.problems import bad_data
from ingestor.intake import Post


class PlacedDocument(msgspec.Struct, frozen=True):
    """Where the journal has it, and the SHA-256 of its bytes."""

    offset: int
    hash: str


_EXAMPLE = PlacedDocument(2, "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")
_MODEL = 'format = 1\nsite = "cq-wheel"\ntimezone = "Asia/Shanghai"\nslot_s = 60\n'
_FACTORS = Content({"type": "object"}, {"format": 1})


def routes(submit: Submit, most_body_bytes: int) -> APIRouter:
    router = APIRouter(tags=["documents"], dependencies=[needs("operator")])
    placed = of(PlacedDocument, _EXAMPLE)
    model_body = text(_MODEL, "text/plain")
    known = {200: placed}
    refusals = (404, 413, 503)

    @router.put(
        "/v1/{site}/model",
        **describe(placed, model_body, status=201, also=known, problems=refusals),
    )
    async def model(site: Site, request: Request) -> Response:
        """The model in force from now on. 200: it already was."""
        body = await body_of(request, most_body_bytes)
        _check_model(site, body)
        return await _placed(submit, Post(site, "model", (body,)))

    @router.put(
        "/v1/{site}/factors",
        **describe(placed, _FACTORS, status=201, also=known, problems=refusals),
    )
    async def factors(site: Site, request: Request) -> Response:
        """The factors in force from now on. 200: they already were."""
        body = await body_of(request, most_body_bytes)
        try:
            msgspec.json.decode(body, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise bad_data(f"factors: {exc}") from exc
        return await _placed(submit, Post(site, "factor", (body,)))

    return router


def _check_model(site: str, body: bytes) -> None:
    """Only what decides where it belongs; whether it makes sense is the calculator's to say."""
    try:
        told = tomllib.loads(body.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise bad_data(f"model: is not TOML: {exc}") from exc
    if told.get("site") != site:
        raise bad_data(f"model: site: is {told.get('site')!r}, not {site!r}")


async def _placed(submit: Submit, post: Post) -> Response:
    [document] = await submitted(submit, post)
    answer = msgspec.json.encode(PlacedDocument(document.offset, document.hash))
    return Response(answer, 201 if document.new else 200, media_type="application/json")
