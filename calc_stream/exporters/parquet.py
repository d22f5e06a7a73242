"""Apache Parquet for analysis: numbers are decimals, times timestamps, energy by source a map.

~~~toml
[exporter]
kind = "parquet"
compression = "zstd"       # or none, snappy, gzip
~~~

Needs pyarrow: `pip install 'wattprint[parquet]'`. Amounts are decimals of 18 places, rounded half-even
where a figure has more; units stand in the map `units`.
"""

import io
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any, Literal

import msgspec

from calc_stream.datasets.line import is_number
from calc_stream.exporters import Export
from wire.errors import ConfigError

MEDIA_TYPE = "application/vnd.apache.parquet"
TAKES = ("batches", "products", "footprints")
_PLACES = Decimal(1).scaleb(-18)
_EXACT = Context(prec=38, rounding=ROUND_HALF_EVEN)
_MAPS = frozenset(
    {"by_source", "value_adding", "overhead", "allocated", "inherited", "columns", "bought"}
)
# Told in full by the API and the JSON form.
_LEFT_OUT = frozenset({"by_period"})


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the file is written."""

    compression: Literal["zstd", "snappy", "gzip", "none"] = "zstd"


def write(export: Export, settings: Settings) -> bytes:
    """The file. Raises ConfigError without pyarrow."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as exc:
        cure = "needs pyarrow: pip install 'wattprint[parquet]'"
        raise ConfigError(f"format parquet: {cure}") from exc
    fields = [f for f in msgspec.structs.fields(export.line_type) if f.name not in _LEFT_OUT]
    schema = pa.schema([(_column(f.name), _type(pa, f.name, f.type)) for f in fields])
    rows = [msgspec.structs.asdict(row) for row in export.lines()]
    values = [[_value(f.name, row[f.name]) for row in rows] for f in fields]
    about = {"site": export.site, "offset": str(export.offset), "what": export.what}
    table = pa.table(values, schema=schema.with_metadata(about))
    out = io.BytesIO()
    pq.write_table(table, out, compression=settings.compression)
    return out.getvalue()


def _column(name: str) -> str:
    return name.removesuffix("_ms")


def _type(pa: Any, name: str, told: Any) -> Any:
    if is_number(name):
        return pa.decimal128(38, 18)
    if name in _MAPS:
        return pa.map_(pa.string(), pa.decimal128(38, 18))
    if name.endswith("_ms"):
        return pa.timestamp("ms", tz="UTC")
    plain = {int: pa.int64(), bool: pa.bool_(), dict[str, str]: pa.map_(pa.string(), pa.string())}
    return plain.get(told, pa.list_(pa.string()) if told == tuple[str, ...] else pa.string())


def _value(name: str, value: Any) -> Any:
    if is_number(name):
        return None if value is None else _decimal(value)
    if isinstance(value, Mapping):
        numbers = name in _MAPS
        return [(key, _decimal(each) if numbers else each) for key, each in value.items()]
    return value


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text).quantize(_PLACES, context=_EXACT)
    except InvalidOperation as exc:
        problem = f"{text} has more than 20 digits before the point"
        raise ConfigError(f"format parquet: {problem}; take csv or json") from exc
