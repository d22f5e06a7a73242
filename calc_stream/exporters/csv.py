"""CSV for spreadsheets (RFC 4180): one line a batch, product or footprint, a header line, UTF-8.

~~~toml
[exporter]
kind = "csv"
delimiter = ","            # or ; | or a tab
byte_order_mark = true     # Excel takes the file for UTF-8 only with it
~~~

Energy by source gets a column for each source, named with its unit (`grid_kWh`). Times are UTC.
A text that a spreadsheet would take for a formula gets an apostrophe before it. Several in a cell stand
with "; " between.
"""

import csv
import io
from typing import Literal

import msgspec

from calc_stream.datasets.table import harmless, of_source, table, text
from calc_stream.exporters import Export

MEDIA_TYPE = "text/csv; charset=utf-8"
TAKES = ("batches", "products", "footprints")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the file is written."""

    delimiter: Literal[",", ";", "\t", "|"] = ","
    byte_order_mark: bool = True


def write(export: Export, settings: Settings) -> bytes:
    """The file."""
    columns, rows = table(export.line_type, export.lines())
    out = io.StringIO()
    sheet = csv.writer(out, delimiter=settings.delimiter, lineterminator="\r\n")
    heads = [of_source(column) or column.removesuffix("_ms") for column in columns]
    sheet.writerow(map(harmless, heads))
    for row in rows:
        sheet.writerow([harmless(text(column, row.get(column))) for column in columns])
    return out.getvalue().encode("utf-8-sig" if settings.byte_order_mark else "utf-8")
