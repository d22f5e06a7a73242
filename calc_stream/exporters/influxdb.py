"""Line protocol for InfluxDB and what reads it: closed batches as points, for charts beside readings.

~~~toml
[exporter]
kind = "influxdb"
~~~

`batch` has the figures, `batch_source` the energy by source in the source's unit, `batch_basis` the
texts it stands on: strings never share a measurement with numbers. A point's time is the batch's end,
in ms. The tag `rev` keeps revisions apart: a point is never written over with another value, and
readers take the highest. `unaccounted` is what is in none of a batch's four parts; it is 0. Numbers are
doubles here, the exact ones stay in the ledger. Products have the end of their last batch as time.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from calc_stream.exporters import Export
from calc_stream.ledger.rows import BatchRow, ProductRow

MEDIA_TYPE = "text/plain; charset=utf-8"
TAKES = ("batches", "products")
_ESCAPE = str.maketrans({",": "\\,", " ": "\\ ", "=": "\\=", "\n": "\\ "})
_FIGURES = (
    *("energy_kwh", "kg_co2e", "good", "scrap", "kwh_per_unit", "kg_co2e_per_unit"),
    *("measured_share", "interpolated_share"),
)
_PARTS = ("value_adding", "overhead", "allocated", "inherited")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing to set."""


def write(export: Export, settings: Settings) -> bytes:  # noqa: ARG001  nothing to set
    """The lines, after a comment that says what they are."""
    lines = [f"# {export.what} of {export.site} at offset {export.offset}"]
    for row in export.rows:
        if isinstance(row, BatchRow):
            lines += _batch(row)
        elif isinstance(row, ProductRow):
            lines += _product(row)
    return ("\n".join(lines) + "\n").encode()


def _batch(row: BatchRow) -> Iterable[str]:
    tags = {"site": row.site, "batch": row.batch, "product": row.product, "rev": row.revision}
    t_ms = row.ended_ms if row.ended_ms is not None else row.started_ms or 0
    yield _line("batch", tags, _figures(row), t_ms)
    for source, amount in row.by_source.items():
        parts = {part: Decimal(getattr(row, part).get(source, "0")) for part in _PARTS}
        amounts = {"amount": Decimal(amount), **parts}
        amounts["unaccounted"] = amounts["amount"] - sum(parts.values())
        of_source = {**tags, "source": source, "unit": row.units.get(source)}
        yield _line("batch_source", of_source, {k: _number(v) for k, v in amounts.items()}, t_ms)
    told = {"state": row.state, "factor_set": row.factor_set, "model": row.model}
    yield _line("batch_basis", tags, _texts(row, told), t_ms)


def _product(row: ProductRow) -> Iterable[str]:
    tags = {"site": row.site, "product": row.product, "rev": row.revision, "basis": row.basis[:16]}
    t_ms = row.last_ended_ms or 0
    yield _line("product", tags, {**_figures(row), "batches": _number(row.batches)}, t_ms)
    told = {"factor_set": " ".join(row.factor_sets), "model": " ".join(row.models)}
    yield _line("product_basis", tags, _texts(row, told), t_ms)


def _figures(row: BatchRow | ProductRow) -> dict[str, str]:
    """What there is: a figure that is not known has no field."""
    found = {name: getattr(row, name) for name in _FIGURES}
    return {name: _number(value) for name, value in found.items() if value is not None}


def _texts(row: BatchRow | ProductRow, told: Mapping[str, str | None]) -> dict[str, str]:
    own = {
        "method": row.method,
        "factor_status": row.factor_status,
        "offset": str(row.offset),
        "revision": str(row.revision),
    }
    return {name: _quoted(text) for name, text in {**told, **own}.items() if text}


def _number(value: object) -> str:
    return repr(float(str(value)))


def _line(
    measurement: str, tags: Mapping[str, object], fields: Mapping[str, str], t_ms: int
) -> str:
    named = ",".join(
        f"{key}={str(value).translate(_ESCAPE)}"
        for key, value in tags.items()
        if value not in (None, "")
    )
    told = ",".join(f"{key}={value}" for key, value in fields.items())
    return f"{measurement},{named} {told} {t_ms}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'
