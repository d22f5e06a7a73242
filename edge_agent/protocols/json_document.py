"""JSON documents as meters publish them: exact numbers at JSON Pointers. Pure.

Numbers stay the decimals they are written as: no binary float comes in between.
Source: RFC 8259 (JSON), RFC 6901 (JSON Pointer).
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec

from wire.errors import BadData

MAX_BYTES = 1024 * 1024
_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_DIGITS = 40  # more than any meter writes; a longer number would cost memory, not tell more
_FIRST_MS, _LAST_MS = 946_684_800_000, 7_258_118_400_000  # 2000 and 2200


class Missing(BadData):
    """The document has nothing at that place."""


def parse(data: bytes) -> Any:
    """The document. Raises BadData."""
    if len(data) > MAX_BYTES:
        raise BadData(f"a document of {len(data)} bytes is over the limit of {MAX_BYTES}")
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError) as exc:
        raise BadData(f"not a JSON document: {exc}; it begins {data[:60]!r}") from exc


def at(document: Any, pointer: str) -> Any:
    """What stands at `pointer`. Raises Missing."""
    here = document
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(here, dict) and key in here:
            here = here[key]
        elif isinstance(here, list) and key.isdecimal() and int(key) < len(here):
            here = here[int(key)]
        else:
            raise Missing(f"nothing at {pointer}")
    return here


def number(document: Any, pointers: Sequence[str]) -> Decimal | None:
    """The sum of the numbers at `pointers`; None where one is null. Raises Missing, BadData.

    A number in quotes is a number, as some PLC gateways write them.
    """
    total = Decimal(0)
    for pointer in pointers:
        found = at(document, pointer)
        if found is None:
            return None
        total += _number(found, pointer)
    return total


def text(document: Any, pointer: str) -> str:
    """What stands at `pointer`, as a text. Raises Missing."""
    found = at(document, pointer)
    return found if isinstance(found, str) else str(found)


def time_ms(document: Any, pointer: str, as_: Literal["unix_s", "unix_ms", "iso8601"]) -> int:
    """When the document says it was measured, in UTC ms. Raises Missing, BadData."""
    found = at(document, pointer)
    if as_ == "iso8601":
        t_ms = _moment_ms(found, pointer)
    else:
        t_ms = int(_number(found, pointer) * (1 if as_ == "unix_ms" else 1000))
    if not _FIRST_MS <= t_ms < _LAST_MS:
        raise BadData(f"{pointer}: {found!r} is no time of this age")
    return t_ms


def _moment_ms(found: Any, pointer: str) -> int:
    try:
        moment = datetime.fromisoformat(found)
    except (TypeError, ValueError) as exc:
        raise BadData(f"{pointer}: {found!r} is not an ISO 8601 time") from exc
    if moment.utcoffset() is None:
        raise BadData(f"{pointer}: {found!r} does not say its offset from UTC")
    return round(moment.timestamp() * 1000)


def _number(found: Any, pointer: str) -> Decimal:
    written = found if isinstance(found, str) else str(found)
    if not isinstance(found, (str, int, Decimal)):
        raise BadData(f"{pointer}: {found!r} is not a number")
    try:
        parsed = Decimal(written)
    except ArithmeticError as exc:
        raise BadData(f"{pointer}: {written[:60]!r} is not a number") from exc
    exponent = parsed.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > _DIGITS or len(written) > _DIGITS:
        raise BadData(f"{pointer}: {written[:60]!r} is not a number a meter would write")
    return parsed
