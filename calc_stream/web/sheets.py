"""Events as they were sent to the page's API: JSON, or a table with a line of keys first."""

import csv
import io
from dataclasses import dataclass

import msgspec

from calc_stream.web.problems import bad_data
from wire.messages import ProductionEvent
from wire.problem import Fault

CSV = "text/csv"
_KEYS = {field.encode_name for field in msgspec.structs.fields(ProductionEvent)}


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
        raise bad_data("events: is not UTF-8 text; save it as «CSV UTF-8»") from exc
    head = sheet.partition("\n")[0]
    reader = csv.reader(io.StringIO(sheet), delimiter=max(",;\t", key=head.count), strict=True)
    try:
        keys = [key.strip() for key in next(reader, [])]
        strange = [key for key in keys if key not in _KEYS or keys.count(key) > 1]
        if strange or not keys:
            known = ", ".join(sorted(_KEYS))
            raise bad_data(
                f"line 1: {', '.join(strange) or 'nothing'} is no column; known: {known}"
            )
        told = [(reader.line_num, _document(keys, cells)) for cells in reader if any(cells)]
    except csv.Error as exc:
        raise bad_data(f"line {reader.line_num}: {exc}") from exc
    return _lines(told)


def _document(keys: list[str], cells: list[str]) -> dict[str, str | int]:
    told: dict[str, str | int] = {}
    for at, cell in enumerate(cells):
        if text := cell.strip():
            key = keys[at] if at < len(keys) else f"column {at + 1}"
            told[key] = int(text) if key == "n" and text.isascii() and text.isdigit() else text
    return told


def _lines(told: list[tuple[int, object]] | list[tuple[int, dict[str, str | int]]]) -> list[Line]:
    found: list[Line] = []
    faults: list[Fault] = []
    for number, document in told:
        try:
            found.append(Line(number, msgspec.convert(document, ProductionEvent)))
        except msgspec.ValidationError as exc:
            faults.append(Fault(f"line {number}", str(exc)))
    if faults:
        raise bad_data(f"{faults[0].where}: {faults[0].problem}", faults)
    return found
