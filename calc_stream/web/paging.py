"""Lists in parts: an opaque `after`, and the next part's address in the Link header."""

import base64
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import Query, Request

from calc_stream.web.problems import bad_data

T = TypeVar("T")
MOST_ROWS = 1000
MOST_MS = 2**53

Limit = Annotated[int, Query(ge=1, le=MOST_ROWS)]
After = Annotated[str, Query(max_length=600, description="`next` of the part before")]
Instant = Annotated[int | None, Query(ge=0, le=MOST_MS)]


def cursor(*place: Any) -> str:
    """A place in a list as one word."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).rstrip(b"=").decode()


def place(after: str, type_: type[T]) -> T | None:
    """What `cursor` made a word of; None for the beginning. Raises Problem."""
    if not after:
        return None
    try:
        data = base64.b64decode(after + "=" * (-len(after) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(data, type=type_)
    except ValueError as exc:
        raise bad_data("after: is no `next` of this list") from exc


def link(request: Request, following: str | None) -> dict[str, str]:
    """The header that leads to the next part. Relative: a proxy may have put a prefix before it."""
    if following is None:
        return {}
    query = request.url.include_query_params(after=following).query
    return {"Link": f'<?{query}>; rel="next"'}
