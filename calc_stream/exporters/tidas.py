"""TIDAS: the JSON form of ILCD, in English and Chinese; a process data set for each footprint in force.

~~~toml
[exporter]
kind = "tidas"
~~~

A zip of folders, as TianGong's tools take it. Needs what is declared of the company: a data set
has an owner. Classes are the sections of ISIC and CPC, no finer.
"""

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
    return pack({f"{path}.json": _encoded(table) for path, table in found.items()})


def _encoded(table: dict[str, object]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(table), indent=1) + b"\n"
