"""Alarms: what stands, what was, and that somebody has seen it."""

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from calc_stream.web.alarm_book import Acknowledgement, AlarmNow
from calc_stream.web.behind import Behind, json
from calc_stream.web.bodies import Reason, reason_of
from calc_stream.web.described import describe, of
from calc_stream.web.guard import needs
from calc_stream.web.paging import MOST_MS, After, Limit, cursor, link, place
from calc_stream.web.problems import Problem
from wire.callers import Caller
from wire.errors import BadData

_EXAMPLE = AlarmNow(
    id="silent-8c1f0a22b7-1795651200000",
    kind="silent",
    about="m-press-1",
    text="m-press-1 is silent: batches close without it, incomplete",
    t_ms=1_795_651_100_000,
    raised_ms=1_795_651_200_000,
    detail={"since": "2026-11-26T00:00:00.000Z"},
    texts={"en": "m-press-1 is silent: batches close without it, incomplete", "zh": "…"},
    acknowledged=Acknowledgement("li.wei", "being exchanged", 1_795_651_300_000),
)


class Alarms(msgspec.Struct, frozen=True):
    alarms: list[AlarmNow]
    next: str | None


def routes(behind: Behind) -> APIRouter:
    router = APIRouter(tags=["alarms"])

    @router.get(
        "/v1/alarms",
        dependencies=[needs("viewer")],
        **describe(of(Alarms, Alarms([_EXAMPLE], None))),
    )
    def alarms(
        request: Request,
        state: Literal["standing", "all"] = "standing",
        limit: Limit = 100,
        after: After = "",
    ) -> Response:
        """Those that stand, the gravest kinds first; or all, the latest first."""
        begin = place(after, tuple[int])
        if state == "standing":
            return json(Alarms(behind.alarms.standing(), None))
        found = behind.alarms.past(begin[0] if begin else MOST_MS, limit)
        following = cursor(found[-1].raised_ms) if len(found) == limit else None
        return json(Alarms(found, following), headers=link(request, following))

    @router.post(
        "/v1/alarms/{alarm}/acknowledge",
        **describe(
            of(AlarmNow, _EXAMPLE),
            takes=(of(Reason, Reason("being exchanged")),),
            problems=(404, 413, 503),
        ),
    )
    async def acknowledge(
        request: Request, alarm: str, caller: Annotated[Caller, needs("operator")]
    ) -> Response:
        """Somebody has seen it, and says why it is so. It stands until its cause is gone."""
        reason = await reason_of(request, "say in a few words why this alarm is so")
        request.state.told = f"{alarm}: {reason}"
        words = (alarm, caller.name, reason, behind.now_ms())
        try:
            told = await run_in_threadpool(behind.alarms.acknowledge, *words)
        except BadData as exc:
            raise Problem(404, str(exc)) from exc
        behind.told([told])
        return json(told)

    return router
