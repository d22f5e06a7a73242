"""OpenAPI from the structs that really travel: what a route takes and answers, with an example.

`@router.get(path, **describe(of(Status, EXAMPLE)))`. FastAPI knows pydantic only, so the schemas
come from msgspec and are moved to their place when the document is made.
"""

from dataclasses import dataclass
from typing import Any

import msgspec
from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi

from wire.problem import MEDIA_TYPE, ProblemDetails

_TITLES = {
    304: "as you know it: If-None-Match names the journal offset of now",
    401: "no key, or one that is not known",
    403: "the key has not the role this needs",
    404: "there is no such thing",
    406: "not available in this form",
    409: "not as things stand: it contradicts what was told before, or is not to be had yet",
    413: "too big",
    415: "a content type that is not taken here",
    422: "it will never be taken as it is",
    429: "too many requests; Retry-After says when",
    502: "the ingestor refused what it should take",
    503: "not now; Retry-After says when",
}
_COMPONENTS = "#/components/schemas/"


@dataclass(frozen=True)
class Content:
    """A body: its schema and an example."""

    schema: dict[str, Any]
    example: Any
    media_type: str = "application/json"


def of(type_: Any, example: Any) -> Content:
    """JSON of a msgspec type."""
    return Content(msgspec.json.schema(type_), msgspec.to_builtins(example))


def either(*contents: Content) -> Content:
    """One of several forms of one media type; the example is the first one's."""
    schemas = [content.schema for content in contents]
    return Content({"anyOf": schemas}, contents[0].example, contents[0].media_type)


def text(example: str, media_type: str) -> Content:
    """Anything that is not JSON."""
    return Content({"type": "string"}, example, media_type)


def binary(media_type: str) -> Content:
    """A file."""
    return Content({"type": "string", "format": "binary"}, None, media_type)


def describe(
    *answers: Content,
    takes: tuple[Content, ...] = (),
    status: int = 200,
    also: dict[int, Content] | None = None,
    problems: tuple[int, ...] = (),
    is_open: bool = False,
) -> dict[str, Any]:
    """What a route's decorator is told: its answers, the bodies it takes, how it may refuse."""
    refusals = {*problems, 422} if is_open else {*problems, 401, 403, 422, 429}
    responses: dict[int | str, Any] = {each: _refusal(each) for each in sorted(refusals)}
    responses[status] = _answer(answers)
    for code, content in (also or {}).items():
        responses[code] = _answer((content,))
    told: dict[str, Any] = {
        "status_code": status,
        "responses": responses,
        "response_class": Response,
    }
    if takes:
        told["openapi_extra"] = {"requestBody": {"required": True, "content": _contents(takes)}}
    return told


def document(app: FastAPI) -> dict[str, Any]:
    """The whole OpenAPI document."""
    made = get_openapi(title=app.title, version=app.version, routes=app.routes)
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    made["paths"] = _lifted(made["paths"], schemas)
    return made


def _answer(contents: tuple[Content, ...]) -> dict[str, Any]:
    told: dict[str, Any] = {"description": "as asked"}
    return {**told, "content": _contents(contents)} if contents else told


def _refusal(code: int) -> dict[str, Any]:
    if code < 400:
        return {"description": _TITLES[code]}
    schema = msgspec.json.schema(ProblemDetails)
    return {"description": _TITLES[code], "content": {MEDIA_TYPE: {"schema": schema}}}


def _contents(contents: tuple[Content, ...]) -> dict[str, Any]:
    return {
        each.media_type: {"schema": each.schema}
        | ({} if each.example is None else {"example": each.example})
        for each in contents
    }


def _lifted(part: Any, schemas: dict[str, Any]) -> Any:
    """The same with every `$defs` moved into `schemas`, and every reference to it after it."""
    if isinstance(part, list):
        return [_lifted(each, schemas) for each in part]
    if not isinstance(part, dict):
        return part
    for name, schema in part.pop("$defs", {}).items():
        its = _lifted(schema, schemas)
        if schemas.setdefault(name, its) != its:
            raise ValueError(f"two structs are called {name}: rename one")
    lifted = {key: _lifted(value, schemas) for key, value in part.items()}
    if isinstance(where := lifted.get("$ref"), str):
        lifted["$ref"] = where.replace("#/$defs/", _COMPONENTS)
    return lifted
