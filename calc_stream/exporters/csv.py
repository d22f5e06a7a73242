"""CSV for spreadsheets (RFC 4180): one line a batch, product or footprint, a header line, UTF-8.

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

import msgspec

from calc_stream.datasets.table import of_source, table, text
from calc_stream.exporters import Export

MEDIA_TYPE = "text/csv; charset=utf-8"
TAKES = ("batches", "products", "footprints")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_TEXTS = frozenset(
    {
        *("site", "batch", "product", "unit", "cause", "nodes"),
        *("period", "unknown_meters", "factors", "upstream", "allocation"),
    }
)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the file is written."""

    delimiter: str = ","
    byte_order_mark: bool = True


def write(export: Export, settings: Settings) -> bytes:
    """The file."""
    columns, rows = table(export.line_type, export.lines())
    out = io.StringIO()
    sheet = csv.writer(out, delimiter=settings.delimiter, lineterminator="\r\n")
    sheet.writerow([of_source(column) or column.removesuffix("_ms") for column in columns])
    for row in rows:
        sheet.writerow([_cell(column, row.get(column)) for column in columns])
    return out.getvalue().encode("utf-8-sig" if settings.byte_order_mark else "utf-8")


def _cell(column: str, value: object) -> str:
    said = text(column, value)
    return f"'{said}" if column in _TEXTS and said.startswith(_FORMULA) else said
