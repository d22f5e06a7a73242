"""Excel workbook for people: one sheet of numbers, beside it the same lines exactly as text.

~~~toml
[exporter]
kind = "xlsx"
lang = "both"       # headers: en, zh or both
~~~

Needs XlsxWriter: `pip install 'wattprint[xlsx]'`. A sheet's numbers are doubles of 15 digits; the
sheet of exact values holds the decimal strings they come from. Times are UTC. Energy by source gets
a column for each source, named with its unit. What a sheet cannot hold stands in the JSON form.
"""

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec

from calc_stream.datasets.labels import label
from calc_stream.datasets.line import is_number
from calc_stream.datasets.table import of_source, table, text
from calc_stream.exporters import Export
from wire.errors import ConfigError

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
TAKES = ("batches", "products", "footprints")
_TITLES = {
    "batches": ("Batches", "批次"),
    "products": ("Products", "产品"),
    "footprints": ("Footprints", "碳足迹"),
}
_EXACT = ("Exact values", "精确值")
# The file says when it was made; equal results are to be equal bytes.
_NO_TIME = datetime(2000, 1, 1)  # noqa: DTZ001  the library wants it without a zone
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the file is written."""

    lang: Literal["en", "zh", "both"] = "both"


def write(export: Export, settings: Settings) -> bytes:
    """The file. Raises ConfigError without XlsxWriter, and for a text no cell can hold."""
    try:
        import xlsxwriter
    except ImportError as exc:
        cure = "needs XlsxWriter: pip install 'wattprint[xlsx]'"
        raise ConfigError(f"format xlsx: {cure}") from exc
    columns, rows = table(export.line_type, export.lines())
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    book.set_properties({"created": _NO_TIME, "title": f"{export.site}, offset {export.offset}"})
    for exact, words in ((False, _TITLES[export.what]), (True, _EXACT)):
        title = words[settings.lang == "zh"] if settings.lang != "both" else " ".join(words)
        _fill(book, book.add_worksheet(title), columns, rows, exact, settings.lang)
    book.close()
    return out.getvalue()


def _fill(
    book: Any,
    sheet: Any,
    columns: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    exact: bool,
    lang: str,
) -> None:
    """Texts are never formulas: `write_string` takes them as they are."""
    head = book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
    when = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    sheet.freeze_panes(1, columns.index("product") + 1)
    sheet.set_column(0, len(columns) - 1, 16)
    for x, name in enumerate(columns):
        sheet.write_string(0, x, of_source(name) or label(name, lang), head)
    for y, row in enumerate(rows, 1):
        for x, name in enumerate(columns):
            value = row.get(name)
            if value is None or value == "":
                continue
            if name.endswith("_ms") and not exact:
                moment = (_EPOCH + timedelta(milliseconds=value)).replace(tzinfo=None)
                failed = sheet.write_datetime(y, x, moment, when)
            elif isinstance(value, bool):
                failed = sheet.write_boolean(y, x, value)
            elif isinstance(value, int) and not name.endswith("_ms"):
                failed = sheet.write_number(y, x, value)
            elif (is_number(name) or of_source(name)) and not exact:
                failed = sheet.write_number(y, x, float(value))
            else:
                failed = sheet.write_string(y, x, text(name, value))
            if failed:
                problem = f"row {y}, {name}: is more than a sheet or its cell can hold"
                raise ConfigError(f"format xlsx: {problem}; take csv or json")
