"""JSON: one object with the rows as the API shows them.

~~~toml
[exporter]
kind = "json"
indent = 2          # 0: all on one line
~~~
"""

import msgspec

from calc_stream.exporters import Export

MEDIA_TYPE = "application/json"
TAKES = ("batches", "products", "footprints")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the file is written."""

    indent: int = 2


def write(export: Export, settings: Settings) -> bytes:
    """The file; amounts are decimal strings, times UTC milliseconds."""
    document = {
        "format": 1,
        "site": export.site,
        "what": export.what,
        "offset": export.offset,
        export.what: export.rows,
    }
    if export.what == "footprints":
        document["superseded"] = [
            row.id for row in export.footprints if row.id in export.superseded
        ]
        document["declaration"] = export.declaration
    text = msgspec.json.encode(document)
    return msgspec.json.format(text, indent=settings.indent) + b"\n"
