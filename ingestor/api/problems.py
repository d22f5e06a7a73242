"""Answers that are errors: RFC 9457 problem documents, whatever went wrong."""

from collections.abc import Sequence
from http import HTTPStatus

import msgspec
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

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


def bad_data(detail: str, faults: Sequence[Fault] = ()) -> Problem:
    """What was sent will never be taken."""
    return Problem(422, detail, faults)


def not_now(exc: TransientError) -> Problem:
    """The same request may be good later."""
    return Problem(503, str(exc), headers=retry_after(exc.retry_after_s or 5))


def retry_after(seconds: float) -> dict[str, str]:
    """Whole seconds, at least one."""
    return {"Retry-After": str(max(1, round(seconds + 0.499)))}


def install(app: FastAPI) -> None:
    """Whatever is raised becomes a problem document."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _wrong_parameters)
    app.add_exception_handler(404, _not_found)
    app.add_exception_handler(405, _not_found)
    app.add_exception_handler(TransientError, _later)
    app.add_exception_handler(500, _broken)


async def _problem(_request: Request, exc: Exception) -> Response:
    if not isinstance(exc, Problem):
        raise exc
    return _answer(exc)


async def _later(_request: Request, exc: Exception) -> Response:
    if not isinstance(exc, TransientError):
        raise exc
    return _answer(not_now(exc))


async def _wrong_parameters(_request: Request, exc: Exception) -> Response:
    if not isinstance(exc, RequestValidationError):
        raise exc
    faults = [Fault(str(each["loc"][-1]), str(each["msg"])) for each in exc.errors()]
    first = f"{faults[0].where}: {faults[0].problem}"
    return _answer(bad_data(first, faults))


async def _not_found(request: Request, exc: Exception) -> Response:
    status = getattr(exc, "status_code", 404)
    where = f"{request.method} {request.url.path} is not to be had here"
    headers = {"Allow": ", ".join(_methods(request))} if status == 405 else None
    return _answer(Problem(status, where, headers=headers))


def _methods(request: Request) -> list[str]:
    """What may be done here, whichever file's routes these are."""
    routers: Sequence[APIRouter] = request.app.state.routers
    routes = (route for router in routers for route in router.routes)
    here = (
        route.methods or set()
        for route in routes
        if isinstance(route, APIRoute) and route.path_regex.fullmatch(request.url.path)
    )
    return sorted(set().union(*here))


async def _broken(_request: Request, _exc: Exception) -> Response:
    """A bug: the log has its traceback, the caller an answer in the usual form."""
    return _answer(Problem(500, "the log says more"))


def _answer(problem: Problem) -> Response:
    body = msgspec.json.encode(problem.details)
    return Response(body, problem.details.status, problem.headers, MEDIA_TYPE)
