"""ILCD data sets in XML, English and Chinese; a process data set for each footprint in force.

~~~toml
[exporter]
kind = "ilcd"
~~~

A zip of the folder ILCD. Needs what is declared of the company: a data set has an owner. The same
data sets as in TIDAS, which is their JSON form.
"""

from typing import Any
from xml.etree.ElementTree import Element, indent, tostring

import msgspec

from calc_stream.datasets.ilcd import data_sets
from calc_stream.evidence.bundle_file import pack
from calc_stream.exporters import Export

MEDIA_TYPE = "application/zip"
TAKES = ("footprints",)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing to set."""


def write(export: Export, settings: Settings) -> bytes:  # noqa: ARG001  nothing to set
    """The package. Raises ConfigError without a declaration."""
    found = data_sets(export.in_force, export.declaration)
    return pack({f"ILCD/{path}.xml": _encoded(table) for path, table in found.items()})


def _encoded(table: dict[str, Any]) -> bytes:
    ((name, content),) = table.items()
    root = _element(name, content)
    indent(root)
    text: bytes = tostring(root, "utf-8", xml_declaration=True)
    return text + b"\n"


def _element(name: str, content: Any) -> Element:
    """Prefixes stand as they are: the root declares them."""
    element = Element(name)
    if not isinstance(content, dict):
        element.text = str(content)
        return element
    for key, value in content.items():
        if key == "#text":
            element.text = value
        elif key.startswith("@"):
            element.set(key[1:], value)
        else:
            each = value if isinstance(value, list) else [value]
            element.extend(_element(key, one) for one in each)
    return element
