"""Answers that are errors: RFC 9457 problem documents, whatever went wrong."""

from collections.abc import Sequence
from http import HTTPStatus

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from wire.errors import TransientError
from wire.problem import MEDIA_TYPE, Fault, ProblemDetails


class Problem(Exception):
    """An answer that is an error: status, and what to do about it."""

    def __init__(
        self,
        status: int,
        detail: str,
        faults: Sequence[Fault] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.details = ProblemDetails(HTTPStatus(status).phrase, status, detail, faults)
        self.headers = headers


def unknown(what: str, name: str) -> Problem:
    return Problem(404, f"there is no {what} {name!r}")


def bad_data(detail: str, faults: Sequence[Fault] = ()) -> Problem:
    """What was asked or sent will never be good."""
    return Problem(422, detail, faults)


def not_now(detail: str, seconds: float = 1, faults: Sequence[Fault] = ()) -> Problem:
    """The same request may be good later."""
    return Problem(503, detail, faults, _after(seconds))


def too_often(name: str, seconds: float) -> Problem:
    """Somebody is in too much of a hurry."""
    return Problem(429, f"{name} asks too often", headers=_after(seconds))


def _after(seconds: float) -> dict[str, str]:
    """Whole seconds, at least one."""
    return {"Retry-After": str(max(1, round(seconds + 0.499)))}


def install(app: FastAPI) -> None:
    """Whatever is raised becomes a problem document."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(TransientError, _transient)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(500, _broken)


def answer(problem: Problem) -> Response:
    body = msgspec.json.encode(problem.details)
    return Response(body, problem.details.status, problem.headers, MEDIA_TYPE)


async def _problem(_request: Request, exc: Exception) -> Response:
    if not isinstance(exc, Problem):
        raise exc
    return answer(exc)


async def _transient(_request: Request, exc: Exception) -> Response:
    """A disk or another process did not do its part this time."""
    return answer(not_now(str(exc), getattr(exc, "retry_after_s", None) or 5))


async def _invalid(_request: Request, exc: Exception) -> Response:
    if not isinstance(exc, RequestValidationError):
        raise exc
    faults = [Fault(".".join(map(str, e["loc"][1:])), str(e["msg"])) for e in exc.errors()]
    return answer(bad_data("; ".join(f"{f.where}: {f.problem}" for f in faults), faults))


async def _refused(request: Request, exc: Exception) -> Response:
    """What the framework itself refuses: unknown paths, wrong methods."""
    if not isinstance(exc, HTTPException):
        raise exc
    where = f"{exc.detail}: {request.method} {request.url.path}"
    headers = dict(exc.headers or {})
    if exc.status_code == 405:
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    return answer(Problem(exc.status_code, where, headers=headers))


def _methods(request: Request) -> set[str]:
    """Of every route at this place: the framework names those of the first one only."""
    found: set[str] = set()
    for route in request.app.state.routes:
        if route.matches(request.scope)[0] != Match.NONE:
            found |= getattr(route, "methods", None) or set()
    return found


async def _broken(_request: Request, _exc: Exception) -> Response:
    """A bug: the log has its traceback, the caller an answer in the usual form."""
    return answer(Problem(500, "the log says more"))
