"""What a single value of a PACT document may be: each kind gives what is wrong, and the cure."""

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from urllib.parse import urlsplit

from calc_stream.factors.regions import problem_of

# What is wrong and what to do about it; None: nothing.
Fault = tuple[str, str] | None
Kind = Callable[[object], Fault]

_DECIMAL = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# RFC 8141: a namespace of 2 to 32, and a specific string of the characters of a path.
_URN = re.compile(
    r"urn:[a-z0-9][a-z0-9-]{0,30}[a-z0-9]:([a-z0-9._~!$&'()*+,;=:@-]|%[0-9a-f]{2})"
    r"([a-z0-9._~!$&'()*+,;=:@/-]|%[0-9a-f]{2})*([?#][\x21-\x7e]*)?",
    re.IGNORECASE | re.ASCII,  # two signs beyond ASCII count as letters of another size otherwise
)
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z")
_MOST_DIGITS = 100  # so that no sum over them takes long


def number_of(value: object) -> Decimal | None:
    """The amount a decimal string states; None: it is none."""
    if not isinstance(value, str) or len(value) > _MOST_DIGITS or not _DECIMAL.fullmatch(value):
        return None
    return Decimal(value)


def moment_of(value: object) -> datetime | None:
    """The instant; None: it is none, or is not written as ours are."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def decimal(least: str | None = None, most: str | None = None, *, above: str | None = None) -> Kind:
    """A decimal string between two values, both within; `above`: more than this."""

    def fault(value: object) -> Fault:
        number = number_of(value)
        if number is None:
            return f"{value!a:.60} is no plain decimal string", 'write digits in quotes, as "1.25"'
        if least is not None and number < Decimal(least):
            return f"{value} is less than {least}", f"state {least} or more"
        if most is not None and number > Decimal(most):
            return f"{value} is more than {most}", f"state {most} or less"
        if above is not None and number <= Decimal(above):
            return f"{value} is not more than {above}", f"state more than {above}"
        return None

    return fault


def text(value: object) -> Fault:
    """Any text."""
    return None if isinstance(value, str) else (f"{value!a:.60} is no text", "put it in quotes")


def words(value: object) -> Fault:
    """Text with something in it."""
    if isinstance(value, str) and value.strip():
        return None
    return f"{value!a:.60} is no text with something in it", "say what it is, or ask who does"


def flag(value: object) -> Fault:
    """Yes or no."""
    return None if isinstance(value, bool) else (f"{value!a:.60} is no boolean", "true or false")


def moment(value: object) -> Fault:
    """An instant in UTC; an offset's plus arrives as a blank in a query that was not encoded."""
    if moment_of(value) is not None:
        return None
    return f"{value!a:.60} is no instant in UTC", "write it as 2026-11-01T00:00:00Z, with Z"


def uuid(value: object) -> Fault:
    """An id."""
    if isinstance(value, str) and _UUID.fullmatch(value):
        return None
    return f"{value!a:.60} is no UUID", "write 8-4-4-4-12 hexadecimal digits"


def urn(value: object) -> Fault:
    """A name of RFC 8141."""
    if isinstance(value, str) and _URN.fullmatch(value):
        return None
    return f"{value!a:.60} is no URN", "write it as urn:gtin:4012345678901, without blanks"


def uri(value: object) -> Fault:
    """A place others can open."""
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
    except ValueError:
        parts = None
    if parts and parts.scheme and (parts.netloc or parts.path) and " " not in parts.geturl():
        return None
    return f"{value!a:.60} is no absolute URI", "write it with its scheme, as https://…"


def one_of(*known: str) -> Kind:
    """One of these words, written so."""

    def fault(value: object) -> Fault:
        if value in known:
            return None
        return f"{value!a:.60} is not a known word", f"one of {', '.join(known)}"

    return fault


def pattern(regex: str, cure: str) -> Kind:
    """The whole text is so; nothing before, after or beside it."""
    compiled = re.compile(regex, re.ASCII)

    def fault(value: object) -> Fault:
        if isinstance(value, str) and compiled.fullmatch(value):
            return None
        return f"{value!a:.60} is not written so", cure

    return fault


def country(value: object) -> Fault:
    """ISO 3166-1 alpha-2."""
    if isinstance(value, str) and len(value) == 2 and problem_of(value) is None:
        return None
    return f"{value!a:.60} is no country", "two capital letters of ISO 3166-1, as CN"


def subdivision(value: object) -> Fault:
    """ISO 3166-2; the parts of China are known one by one, of others the form."""
    if (
        isinstance(value, str)
        and re.fullmatch(r"[A-Z]{2}-[A-Z0-9]{1,3}", value)
        and problem_of(value) is None
    ):
        return None
    return f"{value!a:.60} is no part of a country", "country and part of ISO 3166-2, as CN-CQ"
