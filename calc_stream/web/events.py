"""Production events: all that were told, and more told by hand."""

from collections.abc import Iterable
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from calc_stream.web.behind import Behind, json
from calc_stream.web.bodies import body_of
from calc_stream.web.described import describe, of, text
from calc_stream.web.effects import Effect, Trial, Wrong, effects_of
from calc_stream.web.forward import Placed
from calc_stream.web.guard import needs
from calc_stream.web.paging import After, Limit, cursor, link, place
from calc_stream.web.problems import Problem
from calc_stream.web.sheets import CSV, Line, read_csv, read_json
from calc_stream.web.told import EventTold, by_hand
from wire.callers import Caller
from wire.messages import ProductionEvent
from wire.problem import Fault

_MOST_BYTES = 4 * 1024 * 1024
_EVENT = ProductionEvent(
    *("e1", "2026-11-21T08:00:00.000Z", "start"), node="press-1", batch="B1", product="wheel-18"
)
_TOLD = EventTold(
    **(msgspec.structs.asdict(_EVENT) | {"id": "hand/li.wei/e1"}),
    t_ms=1_795_651_200_000,
    offset=4711,
    by="li.wei",
)
_SHEET = "id,t,type,node,batch,product\ne1,2026-11-21T08:00:00Z,start,press-1,B1,wheel-18\n"


class Events(msgspec.Struct, frozen=True):
    """A part of the list, the newest in the journal first."""

    events: list[EventTold]
    next: str | None


def routes(behind: Behind) -> APIRouter:
    router = APIRouter(tags=["events"])
    example = of(Events, Events([_TOLD], None))

    @router.get("/v1/events", dependencies=[needs("viewer")], **describe(example))
    def events(
        request: Request,
        type: str | None = None,  # noqa: A002  the event's word
        node: str | None = None,
        batch: str | None = None,
        limit: Limit = 100,
        after: After = "",
    ) -> Response:
        """What was told, with its place in the journal, by whom if by hand, and what voided it."""
        begin = place(after, tuple[int])
        told = behind.events.newest(begin[0] if begin else 2**62)
        wanted = [(type, "type"), (node, "node"), (batch, "batch")]
        part = _first(told, [(value, key) for value, key in wanted if value is not None], limit)
        following = cursor(part[limit - 1].offset) if len(part) > limit else None
        return json(Events(part[:limit], following), headers=link(request, following))

    placed = of(list[Placed], [Placed("hand/li.wei/e1", 4711)])
    trial = of(Trial, Trial(1, [], [Effect("B1", "new")]))
    taken = (of(list[ProductionEvent], [_EVENT]), text(_SHEET, CSV))
    refusals = (409, 413, 415, 502, 503)

    @router.post(
        "/v1/events",
        **describe(placed, takes=taken, status=201, also={200: trial}, problems=refusals),
    )
    async def tell(
        request: Request,
        caller: Annotated[Caller, needs("operator")],
        dry_run: Annotated[bool, Query()] = False,
    ) -> Response:
        """Events by hand: all are taken, or none, and each fault is named. They go to the ingestor
        under an id that says who told them, `hand/<name>/<id>`. To undo one, send a `void` of its id.
        With `dry_run` nothing is written; the answer says what would become of batches."""
        kind, body = request.headers.get("content-type", ""), await body_of(request, _MOST_BYTES)
        lines = await run_in_threadpool(_lines, kind, body)
        request.state.told = _in_short(lines, dry_run)
        return await run_in_threadpool(_tell, behind, caller, lines, dry_run)

    return router


def _tell(behind: Behind, caller: Caller, lines: list[Line], dry_run: bool) -> Response:
    told = [Line(line.number, by_hand(line.event, caller.name)) for line in lines]
    if not dry_run:
        return json(_hand_on(behind, told, False), 201)
    wrong, effects = behind.ask(lambda site: effects_of(site, told))
    try:
        _hand_on(behind, told, True)
    except Problem as problem:
        if problem.details.status >= 500:
            raise
        said = {each.line for each in wrong}
        wrong += [each for each in _refused(problem) if each.line not in said]
    wrong.sort(key=lambda each: each.line)
    return json(Trial(0 if wrong else len(told), wrong, effects))


def _hand_on(behind: Behind, told: list[Line], dry_run: bool) -> list[Placed]:
    """Raises Problem as the ingestor has it, by the lines here: it names the documents of a list `[0]`,
    `[1]` …"""
    try:
        return behind.forward.events([line.event for line in told], dry_run)
    except Problem as problem:
        numbers = {f"[{at}]": str(line.number) for at, line in enumerate(told)}
        faults = [_of_line(fault, numbers.get(fault.where)) for fault in problem.details.faults]
        details = problem.details
        raise Problem(details.status, details.detail, faults, problem.headers) from problem


def _of_line(fault: Fault, number: str | None) -> Fault:
    if number is None:
        return fault
    values = {"line": number, **fault.values}
    return Fault(f"line {number}", fault.problem, fault.code, values)


def _refused(problem: Problem) -> list[Wrong]:
    """What the ingestor says, by the lines."""
    found = []
    for fault in problem.details.faults or [Fault("", problem.details.detail)]:
        line, key = int(fault.values.get("line", 0)), fault.values.get("key", "")
        found.append(Wrong(line, key, fault.problem, fault.code, fault.values))
    return found


def _lines(content_type: str, body: bytes) -> list[Line]:
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in ("", "application/json", CSV):
        raise Problem(415, f"send application/json or {CSV}, not {kind}")
    return read_csv(body) if kind == CSV else read_json(body)


def _in_short(lines: list[Line], dry_run: bool) -> str:
    """For the audit log."""
    kinds = sorted({line.event.type for line in lines})
    named = ", ".join(line.event.id for line in lines[:3]) + (" …" if len(lines) > 3 else "")
    return f"{'dry run: ' if dry_run else ''}{len(lines)} events ({', '.join(kinds)}): {named}"


def _first(told: Iterable[EventTold], wanted: list[tuple[str, str]], limit: int) -> list[EventTold]:
    """One more than `limit`, if there are as many."""
    found: list[EventTold] = []
    for event in told:
        if all(getattr(event, key) == value for value, key in wanted):
            found.append(event)
            if len(found) > limit:
                break
    return found
