"""CSV for spreadsheets (RFC 4180): one line a batch or product, a header line, UTF-8.

~~~toml
[exporter]
kind = "csv"
delimiter = ","
byte_order_mark = true     # Excel takes the file for UTF-8 only with it
~~~

Energy by source gets a column for each source, named with its unit (`grid_kWh`). Times are UTC.
A text that a spreadsheet would take for a formula gets an apostrophe before it.
"""

import csv
import io
from collections.abc import Mapping
from typing import Any

import msgspec

from calc_stream.core.decimals import instant
from calc_stream.exporters import Export
from calc_stream.ledger.rows import BatchRow, ProductRow

MEDIA_TYPE = "text/csv; charset=utf-8"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_TEXTS = frozenset({"site", "batch", "product", "unit", "cause", "nodes"})


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the file is written."""

    delimiter: str = ","
    byte_order_mark: bool = True


def write(export: Export, settings: Settings) -> bytes:
    """The file."""
    rows = [_flat(msgspec.to_builtins(row)) for row in export.rows]
    spread = sorted({key for row in rows for key in row if "/" in key})
    columns = _columns(export)
    at = columns.index("energy_kwh") + 1
    columns[at:at] = spread
    out = io.StringIO()
    sheet = csv.writer(out, delimiter=settings.delimiter, lineterminator="\r\n")
    sheet.writerow([c.removeprefix("by_source/").removesuffix("_ms") for c in columns])
    for row in rows:
        sheet.writerow([_cell(column, row.get(column)) for column in columns])
    return out.getvalue().encode("utf-8-sig" if settings.byte_order_mark else "utf-8")


def _columns(export: Export) -> list[str]:
    fields = (ProductRow if export.what == "products" else BatchRow).__struct_fields__
    # Shown by source, or not at all: a sheet holds no tables in cells.
    left_out = {
        *("by_source", "units", "value_adding", "overhead", "allocated", "inherited"),
        *("columns", "by_period", "bought", "bought_kg_co2e", "unknown_lots", "spread"),
    }
    return [field for field in fields if field not in left_out]


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """A column a source, in the source's own unit."""
    units: Mapping[str, str] = row.get("units", {})
    for source, amount in row.pop("by_source", {}).items():
        row[f"by_source/{source}_{units[source]}"] = amount
    return row


def _cell(column: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and column.endswith("_ms"):
        return instant(value)
    text = " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    if column in _TEXTS and text.startswith(_FORMULA):
        return f"'{text}"
    return text
