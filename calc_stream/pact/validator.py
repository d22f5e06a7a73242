"""Our own strict judge of a ProductFootprint of PACT v3: everything that is wrong with it, at once.

The conformance suite and the published schema let through decimals that are none, sums that do not
hold, ranges and windows; nothing of that passes here (docs/pact.md lists the rules).
"""

import json
import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from calc_stream.pact.kinds import number_of
from calc_stream.pact.rules import RULES
from calc_stream.pact.shapes import FOOTPRINT, Many, Shape
from wire.errors import BadData

MOST_BYTES = 4 * 1024 * 1024
_MOST_DEPTH = 50


class Problem(msgspec.Struct, frozen=True):
    """`pointer`: where, as a JSON pointer (RFC 6901); "" is the document itself."""

    pointer: str
    problem: str
    cure: str

    def __str__(self) -> str:
        where = ascii(self.pointer)[1:-1][:200] or "(document)"
        return f"{where}: {self.problem}; {self.cure}"


def parse(data: bytes, most_bytes: int = MOST_BYTES) -> Any:
    """JSON without a name twice, without NaN. Raises BadData."""
    if len(data) > most_bytes:
        raise BadData(f"is longer than {most_bytes} bytes")
    try:
        found = json.loads(
            data.decode(), object_pairs_hook=_once, parse_float=_finite, parse_constant=_finite
        )
        if _is_deep(found):
            raise BadData(f"is nested deeper than {_MOST_DEPTH}")
        msgspec.json.encode(found)  # half of a surrogate pair is no text
    except (ValueError, RecursionError) as exc:
        raise BadData(f"is no JSON: {exc}") from exc
    return found


def problems(document: object) -> list[Problem]:
    """What is wrong, in the order of the document; none: it is a good one."""
    found = list(_judged(FOOTPRINT, document, "", _later(document)))
    if isinstance(document, dict):
        wrong = {problem.pointer for problem in found}
        for rule in RULES:
            # A rule between values says nothing new of one that is no value at all.
            found += [Problem(*each) for each in rule(document) if each[0] not in wrong]
    return found


def _judged(kind: Any, value: object, at: str, later: bool) -> Iterator[Problem]:
    if isinstance(kind, Shape):
        yield from _object(kind, value, at, later)
    elif isinstance(kind, Many):
        yield from _list(kind, value, at, later)
    elif (fault := kind(value)) is not None:
        cure = "leave the property out" if value is None else fault[1]
        yield Problem(at, fault[0], cure)


def _object(shape: Shape, value: object, at: str, later: bool) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield Problem(at, f"{value!a:.40} is no object", "write it as {…}")
        return
    for name in [name for name in shape.must if name not in value]:
        yield Problem(f"{at}/{name}", "is missing", "it has to be stated")
    for name, inner in value.items():
        where = f"{at}/{name.replace('~', '~0').replace('/', '~1')}"
        kind = shape.must.get(name) or shape.may.get(name)
        if kind is not None:
            yield from _judged(kind, inner, where, later)
        elif not shape.others and not later:
            yield Problem(where, "is no property of PACT 3.0", "put it into an extension")


def _list(many: Many, value: object, at: str, later: bool) -> Iterator[Problem]:
    if not isinstance(value, list) or not value:
        yield Problem(at, f"{value!a:.40} is no list with something in it", "one value or more")
        return
    seen: set[str] = set()
    for place, each in enumerate(value):
        yield from _judged(many.each, each, f"{at}/{place}", later)
        told = json.dumps(each, sort_keys=True)
        if told in seen:
            yield Problem(f"{at}/{place}", "stands there twice", "leave the second one out")
        seen.add(told)


def _later(document: object) -> bool:
    """Of a later minor version, which may have more properties than we know."""
    told = document.get("specVersion") if isinstance(document, dict) else None
    minor = told.split(".")[1:2] if isinstance(told, str) else []
    number = number_of(minor[0]) if minor else None
    return number is not None and number > Decimal(0)


def _is_deep(document: object) -> bool:
    level: list[Any] = [[document]]
    for _ in range(_MOST_DEPTH):
        inner = [each.values() if isinstance(each, dict) else each for each in level]
        level = [one for each in inner for one in each if isinstance(one, dict | list)]
        if not level:
            return False
    return True


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!a} stands twice in one object")
        found[name] = value
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text:.20} is no number of JSON")
    return number
