"""Pure: lines as a table of cells, for forms that hold no tables in cells."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from calc_stream.core.decimals import instant

# Shown by source, or not at all: the JSON form has all of it.
_LEFT_OUT = frozenset(
    {
        *("by_source", "units", "value_adding", "overhead", "allocated", "inherited"),
        *("columns", "by_period", "bought", "bought_kg_co2e", "unknown_lots", "spread"),
    }
)
_OF_SOURCE = "by_source/"
# Spreadsheets set for Chinese or Japanese take the wide ones, too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d+)?)?", re.ASCII)  # a dash alone, too


def table(
    line_type: type[msgspec.Struct], lines: Sequence[msgspec.Struct]
) -> tuple[list[str], list[dict[str, Any]]]:
    """Names of columns, and a row of values a line; energy has a column a source, in its own unit."""
    rows = [_flat(msgspec.to_builtins(line)) for line in lines]
    columns = [field for field in line_type.__struct_fields__ if field not in _LEFT_OUT]
    at = columns.index("energy_kwh") + 1
    columns[at:at] = sorted({key for row in rows for key in row if key.startswith(_OF_SOURCE)})
    return columns, rows


def of_source(column: str) -> str:
    """The source with its unit, of a column that is a source's; "" of any other."""
    return column.removeprefix(_OF_SOURCE) if column.startswith(_OF_SOURCE) else ""


def text(column: str, value: object) -> str:
    """A cell as text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and column.endswith("_ms"):
        return instant(value)
    return "; ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def harmless(said: str) -> str:
    """A text no spreadsheet takes for a formula; a number stays a number."""
    return f"'{said}" if said.startswith(_FORMULA) and not _NUMBER.fullmatch(said) else said


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    units: Mapping[str, str] = row.get("units", {})
    for source, amount in row.pop("by_source", {}).items():
        row[f"{_OF_SOURCE}{source}_{units[source]}"] = amount
    return row
