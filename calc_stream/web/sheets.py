"""Events as they were sent to the page's API: JSON, or a table with a line of keys first."""

import csv
import io
from dataclasses import dataclass
from itertools import islice

import msgspec

from calc_stream.web.problems import bad_data
from wire.messages import ProductionEvent
from wire.problem import Fault

CSV = "text/csv"
_MOST_EVENTS = 10_000
_FIELDS = msgspec.structs.fields(ProductionEvent)
_KEYS = {field.encode_name for field in _FIELDS}
_MUST = [field.encode_name for field in _FIELDS if field.required]


@dataclass(frozen=True)
class Line:
    """An event, and which line of the table or of the list it is, from 1."""

    number: int
    event: ProductionEvent


def read_json(body: bytes) -> list[Line]:
    """One event, or a list. Raises Problem."""
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise bad_data(f"events: {exc}") from exc
    return _lines(list(enumerate(told if isinstance(told, list) else [told], 1)))


def read_csv(body: bytes) -> list[Line]:
    """Commas, semicolons or tabs; an empty cell says nothing. Raises Problem."""
    try:
        sheet = body.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        text = "is not UTF-8 text; save it as «CSV UTF-8»"
        raise bad_data(f"events: {text}", [Fault("events", text, "no_utf8")]) from exc
    head = sheet.partition("\n")[0]
    reader = csv.reader(io.StringIO(sheet), delimiter=max(",;\t", key=head.count), strict=True)
    try:
        keys = [key.strip() for key in next(reader, [])]
        strange = [key for key in keys if key not in _KEYS or keys.count(key) > 1]
        if strange or not keys:
            names, known = ", ".join(strange), ", ".join(sorted(_KEYS))
            text = f"{names or 'nothing'} is no column; known: {known}"
            values = {"line": "1", "names": names or "–", "known": known}
            raise bad_data(f"line 1: {text}", [Fault("line 1", text, "no_column", values)])
        rows = ((reader.line_num, _document(keys, cells)) for cells in reader if any(cells))
        told = list(islice(rows, _MOST_EVENTS + 1))
    except csv.Error as exc:
        raise bad_data(f"line {reader.line_num}: {exc}") from exc
    return _lines(told)


def _why(document: object) -> tuple[str, dict[str, str]]:
    """What a line of a table can be no event for, as a code with values."""
    if not isinstance(document, dict):
        return "", {}
    if missing := [key for key in _MUST if key not in document]:
        return "missing", {"key": missing[0]}
    if strange := [str(key) for key in document if key not in _KEYS]:
        return "no_column", {"names": ", ".join(strange), "known": ", ".join(sorted(_KEYS))}
    return "", {}


def _document(keys: list[str], cells: list[str]) -> dict[str, str | int]:
    told: dict[str, str | int] = {}
    for at, cell in enumerate(cells):
        if text := cell.strip():
            key = keys[at] if at < len(keys) else f"column {at + 1}"
            told[key] = int(text) if key == "n" and text.isascii() and text.isdigit() else text
    return told


def _lines(told: list[tuple[int, object]] | list[tuple[int, dict[str, str | int]]]) -> list[Line]:
    if not 1 <= len(told) <= _MOST_EVENTS:
        there = f"more than {_MOST_EVENTS}" if told else "none"
        raise bad_data(f"events: there are {there}; send 1 to {_MOST_EVENTS} at once")
    found: list[Line] = []
    faults: list[Fault] = []
    for number, document in told:
        try:
            found.append(Line(number, msgspec.convert(document, ProductionEvent)))
        except msgspec.ValidationError as exc:
            code, values = _why(document)
            told_of = {"line": str(number)} | values if code else {}
            faults.append(Fault(f"line {number}", str(exc), code, told_of))
    if faults:
        raise bad_data(f"{faults[0].where}: {faults[0].problem}", faults)
    return found
