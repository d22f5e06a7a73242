"""Pure: files of many documents, taken apart into rows that know what a person calls them.

JSON (one, or a list), JSON lines, and CSV with a first line of keys: commas, semicolons or tabs
between them, UTF-8, an empty cell says nothing.
"""

import csv
import io
from collections.abc import Collection
from dataclasses import dataclass

import msgspec

from wire.errors import BadData

JSON, JSON_LINES, CSV = "application/json", "application/jsonl", "text/csv"
_BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True)
class Row:
    """One document as JSON; `where` is its line, or its place in a list."""

    where: str
    data: bytes


def read_json(data: bytes) -> list[Row]:
    """One document, or a list of them. Raises BadData."""
    try:
        told = bytes(msgspec.json.decode(data, type=msgspec.Raw))
        if not told.lstrip().startswith(b"["):
            return [Row("", told)]
        documents = msgspec.json.decode(data, type=list[msgspec.Raw])
    except _BROKEN as exc:
        raise BadData(f"is not JSON: {exc}") from exc
    return [Row(f"[{at}]", bytes(each)) for at, each in enumerate(documents)]


def read_json_lines(data: bytes) -> list[Row]:
    """One document a line, blank lines left out."""
    lines = enumerate(data.split(b"\n"), 1)
    return [Row(f"line {number}", line) for number, line in lines if line.strip()]


def read_csv(data: bytes, keys: Collection[str], whole: Collection[str] = ()) -> list[Row]:
    """One document a line; cells under the keys in `whole` are numbers. Raises BadData."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise BadData("is not UTF-8 text; save it as «CSV UTF-8»") from exc
    head = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter=max(",;\t", key=head.count), strict=True)
    try:
        names = [name.strip() for name in next(reader, [])]
        _check_head(names, keys)
        return [
            Row(f"line {reader.line_num}", _document(names, cells, whole))
            for cells in reader
            if any(cell.strip() for cell in cells)
        ]
    except csv.Error as exc:
        raise BadData(f"line {reader.line_num}: {exc}") from exc


def _check_head(names: list[str], keys: Collection[str]) -> None:
    for name in names:
        if name not in keys:
            raise BadData(f"line 1: {name!r} is no column; known: {', '.join(keys)}")
        if names.count(name) > 1:
            raise BadData(f"line 1: {name!r} stands there twice")


def _document(names: list[str], cells: list[str], whole: Collection[str]) -> bytes:
    """As JSON. A cell too many has no key: it is told as one that nobody knows."""
    told: dict[str, str | int] = {}
    for at, cell in enumerate(cells):
        name = names[at] if at < len(names) else f"column {at + 1}"
        if text := cell.strip():
            is_whole = name in whole and text.isascii() and text.isdigit() and len(text) < 19
            told[name] = int(text) if is_whole else text
    return msgspec.json.encode(told)
