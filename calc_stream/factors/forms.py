"""The form of a factor file: what a publisher or a site writes, before it is judged.

~~~toml
format = 1
[documents.contract-7]             # what was published, and how to find the same bytes again
publisher = "Utility"
title = "Contract 7, annex 2"
dated = "2026-01-01"
url = "https://www.example.org/7"  # optional, as is sha256
[[factors]]
id = "our-pv-2026"
series = "our-pv"                  # rows of a series succeed each other
value = "0.041"
unit = "kgCO2e/kWh"
kind = "product_footprint"         # or inventory: kgCO2
stage = "life_cycle"               # direct, generation, upstream, td
region = "CN-CQ"
data_year = 2026
valid_from = 2026-01-01T00:00:00+08:00
document = "contract-7"
status = "verified"                # read in that document; secondary: somebody's transcription
[entries]                          # what a source names to get several stages, or both kinds
our-roof = ["our-pv", "cn-td-footprint", "cn-grid-co2"]
~~~

A fuel's row shows its `parts` beside `value`; `[[tables]]` hold rows that differ by year and region
only, `[[hourly]]` a value an hour, `[[instruments]]` contracts (see instruments.py).
"""

from datetime import datetime
from typing import Literal

import msgspec

from calc_stream.factors.parts import Parts
from calc_stream.factors.row import Kind, Stage, Status


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was published: title, date (as far as known: 2025-10-23, 2025-10, 2025), and how to find the same bytes again."""

    publisher: str
    title: str
    dated: str
    url: str = ""
    sha256: str = ""


class _Common(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    unit: str
    kind: Kind
    stage: Stage
    u95: str = ""
    primary: bool = False


class RowForm(_Common, frozen=True, kw_only=True):
    """One [[factors]] table."""

    id: str
    series: str
    value: str
    region: str
    data_year: int
    valid_from: datetime
    document: str
    status: Status
    valid_to: datetime | None = None
    parts: Parts | None = None


class HourlyForm(_Common, frozen=True, kw_only=True):
    """One [[hourly]] table: `values` from `valid_from` on, an hour each."""

    id: str
    series: str
    region: str
    data_year: int
    valid_from: datetime
    document: str
    status: Status
    values: list[str]


class Edition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one document says of all rows of a table."""

    data_year: int
    valid_from: datetime
    document: str
    status: Status
    valid_to: datetime | None = None


class TableRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A series with a value an edition, "" where that document says nothing of it.

    `item`: under which name or number the documents list it.
    """

    series: str
    region: str
    values: list[str]
    item: str = ""


class TableForm(_Common, frozen=True, kw_only=True):
    """One [[tables]] table; an id is the series with the edition's year."""

    editions: list[Edition]
    rows: list[TableRow]


class InstrumentForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One [[instruments]] table; see `instruments.Instrument`."""

    id: str
    type: Literal["ppa", "certificates", "residual_mix"]
    source: str
    factor: str
    valid_from: datetime
    valid_to: datetime
    document: str
    unit: str = "kWh"
    match: Literal["hour", "period"] = "hour"
    volumes: list[str] = []
    certificates: list[str] = []
    certificate_volume: str = ""


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One publisher's file."""

    format: int
    documents: dict[str, Document]
    factors: list[RowForm] = []
    tables: list[TableForm] = []
    hourly: list[HourlyForm] = []
    entries: dict[str, list[str]] = {}
    instruments: list[InstrumentForm] = []
