"""What came in a request: its body, never more of it than may be, nor later."""

import asyncio
from typing import Annotated

import msgspec
from fastapi import Request

from calc_stream.web.problems import Problem, bad_data
from wire.problem import coded
from wire.reasons import because

_WITHIN_S = 60.0
_MOST_BYTES = 4096
_MOST_TEXT = 500


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why somebody does something."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=_MOST_TEXT)]


async def reason_of(request: Request, cure: str) -> str:
    """On one line. `cure`: what to say. Raises Problem where nothing is said, or what nobody sees."""
    body = await body_of(request, _MOST_BYTES)
    try:
        reason = " ".join(msgspec.json.decode(body, type=Reason).reason.split())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise bad_data(f"reason: {exc}") from exc
    if not reason:
        raise bad_data(f"reason: {cure}")
    if hidden := next((letter for letter in reason if not letter.isprintable()), ""):
        raise bad_data(f"reason: nobody sees U+{ord(hidden):04X} in it: leave it out")
    return reason


async def body_of(request: Request, most_bytes: int, within_s: float = _WITHIN_S) -> bytes:
    """Raises Problem before more than `most_bytes` are kept, or when it takes longer than that."""
    body = bytearray()
    try:
        async with asyncio.timeout(within_s):
            async for piece in request.stream():
                body += piece
                if len(body) > most_bytes:
                    why = because("too_large", most=str(most_bytes))
                    raise Problem(413, str(why), [coded("body", why)])
    except TimeoutError as exc:
        raise Problem(408, f"the body was not there after {within_s:g} s") from exc
    return bytes(body)
