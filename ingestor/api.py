"""The HTTP door: events, models and factors in; journal, readings and status out.

Errors are RFC 9457 problem documents. A 201 means the records are on disk.
"""

import hmac
import logging
import tomllib
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any, Protocol

import msgspec
import orjson
import uvicorn
from fastapi import Depends, FastAPI, Request, Response

from ingestor.events import Conflict
from ingestor.intake import Placed, Post
from ingestor.sinks.embedded import Series
from wire.errors import BadData, TransientError
from wire.journal import Record

log = logging.getLogger(__name__)

_MOST_EVENTS = 1000
_MOST_RECORDS = 1000
_MOST_ANSWER_BYTES = 32 * 1024 * 1024
_MOST_SPAN_MS = 31 * 86_400_000


class Stored(Protocol):
    """What can be read back. Called off the loop."""

    def status(self) -> dict[str, Any]: ...

    def records(self, site: str, after: int, limit: int) -> list[Record]: ...

    def readings(self, site: str, meter: str, from_ms: int, to_ms: int) -> list[Series]: ...


Submit = Callable[[Post], Awaitable[list[Placed]]]
OffLoop = Callable[..., Awaitable[Any]]


class Problem(Exception):
    """An answer that is an error: status, and what to do about it."""

    def __init__(self, status: int, title: str, detail: str, retry_after_s: float = 0) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail = status, title, detail
        self.retry_after_s = retry_after_s


def build(
    submit: Submit, stored: Stored, off_loop: OffLoop, token: str, most_body_bytes: int
) -> FastAPI:
    """The application. `off_loop` runs blocking work on a thread."""
    app = FastAPI(title="wattprint ingestor", openapi_url=None, docs_url=None, redoc_url=None)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(404, _not_found)
    app.add_exception_handler(405, _not_found)
    app.add_exception_handler(500, _broken)

    def trusted(request: Request) -> None:
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {token}".encode()):
            raise Problem(401, "no access", "send the header Authorization: Bearer <token>")

    guard = [Depends(trusted)]

    @app.get("/health")
    async def health() -> Response:
        return _json({"status": "ok"})

    @app.get("/v1/status", dependencies=guard)
    async def status() -> Response:
        return _json(await off_loop(stored.status))

    @app.post("/v1/{site}/events", dependencies=guard)
    async def events(site: str, request: Request) -> Response:
        documents = _events(await _body(request, most_body_bytes))
        placed = await _submit(submit, Post(site, "event", documents))
        return _json([{"id": each.key, "offset": each.offset} for each in placed], 201)

    @app.put("/v1/{site}/model", dependencies=guard)
    async def model(site: str, request: Request) -> Response:
        body = await _body(request, most_body_bytes)
        _check_model(site, body)
        return _document(await _submit(submit, Post(site, "model", (body,))))

    @app.put("/v1/{site}/factors", dependencies=guard)
    async def factors(site: str, request: Request) -> Response:
        body = await _body(request, most_body_bytes)
        try:
            msgspec.json.decode(body, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise Problem(422, "bad data", f"factors: {exc}") from exc
        return _document(await _submit(submit, Post(site, "factor", (body,))))

    @app.get("/v1/journal/{site}", dependencies=guard)
    async def journal(site: str, request: Request) -> Response:
        begin, limit = _whole(request, "from", 1), _whole(request, "limit", 100)
        if begin < 1 or not 1 <= limit <= _MOST_RECORDS:
            raise Problem(422, "bad data", f"from counts from 1, limit goes to {_MOST_RECORDS}")
        try:
            records = await off_loop(stored.records, site, begin - 1, limit)
        except TransientError as exc:  # a cold file that is not there: it says which
            raise Problem(503, "not now", str(exc), exc.retry_after_s or 5) from exc
        return _json({"records": _fitting(records)})

    @app.get("/v1/{site}/readings", dependencies=guard)
    async def readings(site: str, request: Request) -> Response:
        meter = request.query_params.get("meter", "")
        from_ms, to_ms = _whole(request, "from_ms"), _whole(request, "to_ms")
        if not meter or not 0 <= to_ms - from_ms <= _MOST_SPAN_MS:
            problem = "wants meter, from_ms and to_ms, at most 31 days apart"
            raise Problem(422, "bad data", problem)
        series = await off_loop(stored.readings, site, meter, from_ms, to_ms)
        answer = {"site": site, "meter": meter, "series": [_shown(each) for each in series]}
        body = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
        return Response(body, media_type="application/json")

    return app


class Server(uvicorn.Server):
    """uvicorn inside a process that has its own signal handlers."""

    def capture_signals(self) -> Any:
        return nullcontext()


def server(app: FastAPI) -> Server:
    """Serve with `await server.serve([socket])`; stop with `server.should_exit = True`."""
    return Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=3,
        )
    )


async def _submit(submit: Submit, post: Post) -> list[Placed]:
    try:
        return await submit(post)
    except Conflict as exc:
        raise Problem(409, "conflict", str(exc)) from exc
    except BadData as exc:
        status = 404 if "is not configured here" in str(exc) else 422
        raise Problem(status, "bad data", str(exc)) from exc
    except TransientError as exc:
        raise Problem(503, "not now", str(exc), exc.retry_after_s or 5) from exc


async def _body(request: Request, most: int) -> bytes:
    """The request's body, read no further than `most` bytes."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise Problem(413, "too big", f"a body is at most {most} bytes")
    return bytes(body)


def _events(body: bytes) -> tuple[bytes, ...]:
    try:
        told = msgspec.json.decode(body, type=msgspec.Raw)
        if not bytes(told).lstrip().startswith(b"["):
            return (body,)
        documents = msgspec.json.decode(body, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise Problem(422, "bad data", f"events: {exc}") from exc
    if not 1 <= len(documents) <= _MOST_EVENTS:
        raise Problem(422, "bad data", f"a list holds 1 to {_MOST_EVENTS} events")
    return tuple(bytes(document) for document in documents)


def _check_model(site: str, body: bytes) -> None:
    """Only what decides where it belongs; whether it makes sense is the calculator's to say."""
    try:
        told = tomllib.loads(body.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise Problem(422, "bad data", f"model: is not TOML: {exc}") from exc
    if told.get("site") != site:
        raise Problem(422, "bad data", f"model: site: is {told.get('site')!r}, not {site!r}")


def _document(placed: list[Placed]) -> Response:
    document = placed[0]
    answer = {"offset": document.offset, "hash": document.hash}
    return _json(answer, 201 if document.new else 200)


def _whole(request: Request, key: str, default: int | None = None) -> int:
    text = request.query_params.get(key)
    if text is None and default is not None:
        return default
    if text is None or len(text) > 18 or not text.isascii() or not text.isdigit():
        raise Problem(422, "bad data", f"{key}: is a whole number")
    return int(text)


def _fitting(records: list[Record]) -> list[Record]:
    """As many as fit one answer, at least one."""
    size = 0
    fitting: list[Record] = []
    for record in records:
        size += len(record.data)
        if fitting and size > _MOST_ANSWER_BYTES:
            break
        fitting.append(record)
    return fitting


def _shown(series: Series) -> dict[str, Any]:
    return {
        "quality": series.quality,
        "exponents": series.exponents,
        "t_ms": series.t_ms,
        "values": series.values,
    }


def _json(answer: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(answer), status, media_type="application/json")


async def _problem(_request: Request, exc: Exception) -> Response:
    if not isinstance(exc, Problem):
        raise exc
    return _problem_answer(exc)


async def _not_found(request: Request, exc: Exception) -> Response:
    status = getattr(exc, "status_code", 404)
    return _problem_answer(Problem(status, "no such place", f"{request.method} {request.url.path}"))


async def _broken(_request: Request, _exc: Exception) -> Response:
    """A bug: the log has its traceback, the caller an answer in the usual form."""
    return _problem_answer(Problem(500, "internal error", "the log says more"))


def _problem_answer(problem: Problem) -> Response:
    body = {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
    }
    headers = {"Retry-After": f"{problem.retry_after_s:.0f}"} if problem.retry_after_s else None
    media_type = "application/problem+json"
    return Response(msgspec.json.encode(body), problem.status, headers, media_type)
