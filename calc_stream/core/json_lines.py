"""JSON lines, one record a line, where every refusal names file, line and key."""

import json
from collections.abc import Collection, Iterator
from fractions import Fraction

from calc_stream.core.decimals import parse_decimal, parse_fraction, parse_instant
from wire.errors import BadData
from wire.reasons import Reason, because, shown


class BadLine(BadData):
    """One line that will never be good: which key of it, and why."""

    def __init__(self, message: str, key: str, reason: Reason | str) -> None:
        super().__init__(message)
        self.key, self.reason = key, reason


class Line:
    """One record: typed values out of it, BadData for anything else. JSON null is «not told»."""

    __slots__ = ("name", "number", "values")

    def __init__(self, name: str, number: int, text: str) -> None:
        self.name, self.number = name, number
        try:
            values = json.loads(text, parse_constant=_no_number, object_pairs_hook=_once)
        except (ValueError, RecursionError) as exc:
            raise self.refuse("", f"is not a JSON object: {exc}") from exc
        if not isinstance(values, dict):
            raise self.refuse("", f"is not a JSON object: {shown(values)}")
        self.values: dict[str, object] = {k: v for k, v in values.items() if v is not None}

    def refuse(self, key: str, problem: Reason | str) -> BadLine:
        """The error about one key of this line; "" means the whole line."""
        return refuse_line(self.name, self.number, key, problem)

    def close(self, known: Collection[str], why: Reason | str = "is not a known key") -> None:
        """Unknown keys are errors."""
        for key in self.values.keys() - known:
            raise self.refuse(shown(key)[1:-1], why)

    def text(self, key: str, default: str | None = None) -> str:
        """A text that says something; `default` None means it must be there."""
        value = self.values.get(key, default)
        if value is None:
            raise self.refuse(key, because("missing"))
        if not isinstance(value, str) or not value:
            raise self.refuse(key, f"must be text, not {shown(value)}")
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise self.refuse(key, f"{shown(value)} is not Unicode text")
        return value

    def one_of(self, key: str, choices: Collection[str], default: str | None = None) -> str:
        """A text from a closed list."""
        value = self.text(key, default)
        if value not in choices:
            raise self.refuse(key, because("one_of", choices=", ".join(choices), value=value))
        return value

    def instant(self, key: str) -> int:
        """An instant with a zone, in ms since the epoch."""
        value = self.text(key)
        try:
            return parse_instant(value)
        except ValueError as exc:
            why = because("no_instant", value=value, problem=str(exc))
            raise self.refuse(key, why) from exc

    def decimal(self, key: str) -> tuple[int, int]:
        """A decimal string as (mantissa, exponent)."""
        try:
            return parse_decimal(self.text(key))
        except ValueError as exc:
            raise self.refuse(key, str(exc)) from exc

    def amount(self, key: str, default: str | None = None) -> Fraction:
        """A decimal string that is not below zero."""
        text = self.text(key, default)
        try:
            value = parse_fraction(text)
        except ValueError as exc:
            why = because("no_decimal", value=text, problem=str(exc))
            raise self.refuse(key, why) from exc
        if value < 0:
            raise self.refuse(key, because("below_zero"))
        return value


def read_lines(text: str, name: str) -> Iterator[Line]:
    """The lines that hold something. Raises BadData."""
    for number, line in enumerate(text.split("\n"), 1):
        if line and not line.isspace():
            yield Line(name, number, line)


def refuse_line(name: str, number: int, key: str, problem: Reason | str) -> BadLine:
    """The one-line error `file:line: key: problem`."""
    where = f"{name}:{number}: {key}" if key else f"{name}:{number}"
    return BadLine(f"{where}: {problem}", key, problem)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("it says the same key twice")
    return values


def _no_number(text: str) -> object:
    raise ValueError(f"{text} is not a JSON number")
