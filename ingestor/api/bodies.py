"""What came in a request: its body, never more of it than may be."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

from fastapi import Path, Request

from ingestor import events, tables
from ingestor.api.problems import Problem, bad_data, not_now
from ingestor.events import Refused
from ingestor.intake import Placed, Post
from ingestor.tables import CSV, JSON, JSON_LINES, Row
from wire.errors import BadData, TransientError
from wire.messages import EventReceipt, Heartbeat
from wire.problem import Fault, coded
from wire.reasons import because

_MOST_ROWS = 10_000

Submit = Callable[[Post], Awaitable[list[Placed]]]
Beat = Callable[[str, Heartbeat], Awaitable[EventReceipt]]
# Runs blocking work on the thread that reads.
OffLoop = Callable[..., Awaitable[Any]]

Site = Annotated[str, Path(pattern="^[a-z0-9_-]{1,64}$", examples=["cq-wheel"])]


async def body_of(request: Request, most_bytes: int) -> bytes:
    """The request's body. Raises Problem before more than `most_bytes` are kept."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most_bytes:
            why = because("too_large", most=str(most_bytes))
            raise Problem(413, str(why), [coded("body", why)])
    return bytes(body)


def rows_of(
    content_type: str,
    body: bytes,
    read_csv: Callable[[bytes], list[Row]],
    read_xml: Callable[[bytes], list[Row]] | None = None,
) -> list[Row]:
    """The documents of a body, by its content type; JSON where nobody says otherwise."""
    kind = content_type.partition(";")[0].strip().lower()
    try:
        if kind == CSV:
            rows = read_csv(body)
        elif kind.endswith(("/xml", "+xml")) and read_xml is not None:
            rows = read_xml(body)
        elif kind in (JSON_LINES, "application/x-ndjson"):
            rows = tables.read_json_lines(body)
        elif kind.startswith("multipart/") or kind.endswith("xml"):
            raise Problem(415, f"send the file itself as {CSV} or {JSON}")
        else:
            rows = tables.read_json(body)
    except BadData as exc:
        raise bad_data(str(exc)) from exc
    if not 1 <= len(rows) <= _MOST_ROWS:
        raise bad_data(f"there are {len(rows)} documents; send 1 to {_MOST_ROWS} at once")
    return rows


async def submitted(submit: Submit, post: Post, rows: Sequence[str] = ("",)) -> list[Placed]:
    """Where the journal has it now. Raises Problem; `rows` names each document in its faults."""
    try:
        return await submit(post)
    except Refused as exc:
        faults = [_fault(rows[each.at], each) for each in exc.faults]
        if all(each.conflict for each in exc.faults):
            raise Problem(409, str(exc), faults) from exc
        raise bad_data(str(exc), faults) from exc
    except BadData as exc:
        raise refused(exc) from exc
    except TransientError as exc:
        raise not_now(exc) from exc


def _fault(where: str, its: events.Fault) -> Fault:
    if its.reason is None:
        return Fault(where, its.problem)
    return Fault(where, its.problem, its.reason.code, {"key": its.key, **its.reason.values})


def refused(exc: BadData) -> Problem:
    """What will never be taken; for a site there is not, nothing is to be had."""
    if "is not configured here" in str(exc):
        return Problem(404, str(exc))
    return bad_data(str(exc))
