"""JSON: one object with the rows as the API shows them.

~~~toml
[exporter]
kind = "json"
indent = 2          # 0: all on one line
~~~
"""

import msgspec

from calc_stream.exporters import Export
from calc_stream.footprints.declaration import Declaration, Product

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
        document["withdrawn"] = {
            row.id: export.withdrawn[row.id]
            for row in export.footprints
            if row.id in export.withdrawn
        }
        document["declaration"] = _declared(export)
    text = msgspec.json.encode(document)
    return msgspec.json.format(text, indent=settings.indent) + b"\n"


def _declared(export: Export) -> Declaration | None:
    """Of the products that are in it: what others are made of is not told along. What documents say
    is filled in, and where they lie here is nobody's business."""
    if export.declaration is None:
        return None
    named = {row.product for row in export.footprints}
    products = [_stated(each) for each in export.declaration.product if each.id in named]
    return msgspec.structs.replace(export.declaration, product=tuple(products))


def _stated(product: Product) -> Product:
    inputs = [msgspec.structs.replace(each, document=None) for each in product.input]
    return msgspec.structs.replace(product, input=tuple(inputs))
