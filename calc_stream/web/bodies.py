"""What came in a request: its body, never more of it than may be."""

from fastapi import Request

from calc_stream.web.problems import Problem


async def body_of(request: Request, most_bytes: int) -> bytes:
    """Raises Problem before more than `most_bytes` are kept."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most_bytes:
            raise Problem(413, f"a body is at most {most_bytes} bytes")
    return bytes(body)
