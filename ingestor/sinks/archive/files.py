"""The two forms of an archive file, and how one takes another's place."""

import csv
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from ingestor.blocks import Columns
from ingestor.columns import scaled
from ingestor.sinks.archive.rows import Key, Rows, put_together
from wire.files import give
from wire.quantities import QUANTITIES

# What reading a file raises that somebody else wrote, or changed.
NOT_OURS = (ValueError, KeyError, OverflowError, csv.Error)
_HEAD = ["time", "meter", "quantity", "unit", "quality", "value"]


class Form(Protocol):
    def read(self, path: Path) -> Rows: ...

    def write(self, path: Path, rows: Rows) -> None: ...


def replace(path: Path, form: Form, rows: Rows) -> None:
    """Write beside, sync, rename: whoever opens `path` sees the old file or the new one."""
    if not path.parent.exists():
        path.parent.mkdir(parents=True)
        give(path.parent)
    beside = path.with_name(f".{path.name}.new")
    form.write(beside, rows)
    give(beside)
    for name in (beside, path.parent):
        if name == path.parent:
            beside.replace(path)
        handle = os.open(name, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def has_pyarrow() -> bool:
    return find_spec("pyarrow") is not None


class _Csv(NamedTuple):
    """One line a reading, by meter, quantity, quality and time; every digit that was read."""

    def read(self, path: Path) -> Rows:
        found: dict[Key, list[tuple[int, int]]] = {}
        with path.open(newline="") as file:
            lines = csv.reader(file)
            if (head := next(lines, [])) != _HEAD:
                raise ValueError(f"its first line is {','.join(head)!r}")
            for time, meter, quantity, _, quality, value in lines:
                whole, _, part = value.partition(".")
                key = (meter, quantity, quality, -len(part))
                t_ms = int(np.datetime64(time.removesuffix("Z"), "ms").astype(np.int64))
                found.setdefault(key, []).append((t_ms, int(whole + part)))
        tables: list[Rows] = [{key: np.array(rows, np.int64).T} for key, rows in found.items()]
        return put_together(tables)

    def write(self, path: Path, rows: Rows) -> None:
        with path.open("w", newline="") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(_HEAD)
            for (meter, quantity, quality, exponent), table in rows.items():
                middle = (meter, quantity, _unit(quantity), quality)
                times = np.datetime_as_string(table[0].astype("datetime64[ms]"), timezone="UTC")
                values = _decimals(table[1].tolist(), exponent)
                lines.writerows((t, *middle, v) for t, v in zip(times, values, strict=True))


def _decimals(mantissas: list[int], exponent: int) -> Iterator[str]:
    if exponent >= 0:
        return (str(mantissa * 10**exponent) for mantissa in mantissas)
    places = -exponent
    padded = (f"{mantissa:0{places + 1 + (mantissa < 0)}d}" for mantissa in mantissas)
    return (f"{text[:-places]}.{text[-places:]}" for text in padded)


class _Parquet(NamedTuple):
    """The same columns; a value as a double, and exactly as mantissa * 10**exponent."""

    def read(self, path: Path) -> Rows:
        import pyarrow.parquet as pq

        table = pq.read_table(path)
        named = {name: table.column(name).to_numpy() for name in ("mantissa", "exponent")}
        times = table.column("time").to_numpy().astype("datetime64[ms]").astype(np.int64)
        names = [table.column(name).to_pylist() for name in ("meter", "quantity", "quality")]
        keys = list(zip(*names, named["exponent"].tolist(), strict=True))
        # Rows of a key stand together.
        begins = [at for at, key in enumerate(keys) if not at or key != keys[at - 1]]
        found: list[Rows] = []
        for begin, end in zip(begins, [*begins[1:], len(keys)], strict=True):
            part: Columns = np.stack((times[begin:end], named["mantissa"][begin:end]))
            found.append({keys[begin]: part})
        return put_together(found)

    def write(self, path: Path, rows: Rows) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        def words(at: int) -> Any:
            told = [key[at] for key, table in rows.items() for _ in range(table.shape[1])]
            return pa.array(told, pa.string()).dictionary_encode()

        none = np.empty((2, 0), np.int64)
        whole = np.concatenate([none, *rows.values()], axis=1)
        exponents = np.repeat([key[3] for key in rows], [t.shape[1] for t in rows.values()])
        values = [scaled(table[1], key[3]) for key, table in rows.items()]
        units = [_unit(key[1]) for key, table in rows.items() for _ in range(table.shape[1])]
        columns = {
            "time": pa.array(whole[0]).cast(pa.timestamp("ms", tz="UTC")),
            "meter": words(0),
            "quantity": words(1),
            "unit": pa.array(units, pa.string()).dictionary_encode(),
            "quality": words(2),
            "value": pa.array(np.concatenate([np.empty(0), *values])),
            "mantissa": pa.array(whole[1]),
            "exponent": pa.array(exponents.astype(np.int8)),
        }
        pq.write_table(pa.table(columns), path, compression="zstd")


def _unit(quantity: str) -> str:
    known = QUANTITIES.get(quantity)
    return known.unit if known else ""


FORMS: dict[str, Form] = {"csv": _Csv(), "parquet": _Parquet()}
