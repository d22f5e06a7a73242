"""Answers that are errors, as PACT has them: a code and a message."""

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from calc_stream.pact.model import Error
from calc_stream.web.behind import json
from calc_stream.web.problems import Problem
from wire.errors import BadData, TransientError

_CODES = {401: "TokenExpired", 403: "AccessDenied", 404: "NotFound", 501: "NotImplemented"}


class Refusal(Exception):
    """`status` gives the code."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def install(app: FastAPI) -> None:
    """Whatever is raised becomes such an answer."""
    app.add_exception_handler(Refusal, _refusal)
    app.add_exception_handler(BadData, _bad)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(TransientError, _transient)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(500, _broken)


def answer(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    code = "InternalError" if status >= 500 and status != 501 else _CODES.get(status, "BadRequest")
    return json(Error(code, message), status, headers)


async def _refusal(_request: Request, exc: Exception) -> Response:
    return answer(getattr(exc, "status", 500), str(exc))


async def _bad(_request: Request, exc: Exception) -> Response:
    return answer(400, str(exc))


async def _problem(_request: Request, exc: Exception) -> Response:
    """Of parts this door shares with the calculator's."""
    if not isinstance(exc, Problem):
        raise exc
    return answer(exc.details.status, exc.details.detail, exc.headers)


async def _transient(_request: Request, exc: Exception) -> Response:
    return answer(503, str(exc), {"Retry-After": "5"})


async def _http(request: Request, exc: Exception) -> Response:
    """What the framework itself refuses."""
    if not isinstance(exc, HTTPException):
        raise exc
    told = f"{exc.detail}: {request.method} {request.url.path}"
    return answer(exc.status_code, told, dict(exc.headers or {}))


async def _broken(_request: Request, _exc: Exception) -> Response:
    return answer(500, "the log says more")
