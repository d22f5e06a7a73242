"""What came in a request: its body, never more of it than may be, nor later."""

import asyncio

from fastapi import Request

from calc_stream.web.problems import Problem

_WITHIN_S = 60.0


async def body_of(request: Request, most_bytes: int, within_s: float = _WITHIN_S) -> bytes:
    """Raises Problem before more than `most_bytes` are kept, or when it takes longer than that."""
    body = bytearray()
    try:
        async with asyncio.timeout(within_s):
            async for piece in request.stream():
                body += piece
                if len(body) > most_bytes:
                    raise Problem(413, f"a body is at most {most_bytes} bytes")
    except TimeoutError as exc:
        raise Problem(408, f"the body was not there after {within_s:g} s") from exc
    return bytes(body)
