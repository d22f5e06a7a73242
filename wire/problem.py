"""RFC 9457: what an answer that is an error says, of whichever service's HTTP API."""

from collections.abc import Sequence

import msgspec

from wire.reasons import Reason

MEDIA_TYPE = "application/problem+json"


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of several things wrong: a row of a file, a document of a list, a parameter. `code` and
    `values`, where there are any, say the same as `problem`, for those who say it in their own words."""

    where: str
    problem: str
    code: str = ""
    values: dict[str, str] = {}


def coded(where: str, why: Reason) -> Fault:
    """A fault with a code."""
    return Fault(where, str(why), why.code, why.values)


class ProblemDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """`faults` names each thing that is wrong where there can be several."""

    title: str
    status: int
    detail: str
    faults: Sequence[Fault] = ()
    type: str = "about:blank"
