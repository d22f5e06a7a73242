"""A page of readings as JSON, CSV or Parquet, whichever is asked for."""

import io
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import orjson

from ingestor.api.described import Content, text
from ingestor.readings import Page, Question, Told

_PARQUET = "application/vnd.apache.parquet"
_FIGURES = ("value", "read_ms", "mean", "min", "max", "readings")
_TIMES = ("read_ms",)
_ROW = "2026-11-26T02:00:00.000Z,active_energy_import,kWh,good,12345.678\n"
CSV = text(f"time,quantity,unit,quality,value\n{_ROW}", "text/csv")
PARQUET = Content({"type": "string", "format": "binary"}, "", _PARQUET)
REFUSAL = f"Accept: application/json, text/csv or {_PARQUET} (wants pip install wattprint[parquet])"

Write = Callable[[Question, Page], tuple[bytes, str]]


def writer(accept: str) -> Write | None:
    """The first form of `accept` there is; JSON where nothing is asked for."""
    forms = {"application/json": _json, "text/csv": _csv, _PARQUET: _parquet}
    for form in accept.split(",") if accept else ["*/*"]:
        name = form.partition(";")[0].strip().lower()
        if name == _PARQUET and not _has_pyarrow():
            continue
        if name in forms:
            return forms[name]
        if name in ("*/*", "application/*"):
            return _json
    return None


def _json(asked: Question, page: Page) -> tuple[bytes, str]:
    series = [
        {
            "quantity": each.quantity,
            "unit": each.unit,
            "quality": each.quality,
            "t_ms": each.t_ms,
            **each.figures,
        }
        for each in page.told
    ]
    answer = {
        "site": asked.site,
        "meter": asked.meter,
        "series": series,
        "next_ms": page.next_ms,
    }
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), "application/json"


def _csv(asked: Question, page: Page) -> tuple[bytes, str]:
    """One line a reading or step. Of a number there are as many digits as name the double it is."""
    names = _names(asked)
    lines = [",".join(("time", "quantity", "unit", "quality", *names))]
    for told in page.told:
        middle = f",{told.quantity},{told.unit},{told.quality},"
        columns = [_texts(told, name) for name in names]
        times = _time_texts(told.t_ms)
        lines += [t + middle + ",".join(row) for t, *row in zip(times, *columns, strict=True)]
    return ("\n".join(lines) + "\n").encode(), "text/csv; charset=utf-8"


def _names(asked: Question) -> tuple[str, ...]:
    return _FIGURES if asked.step_ms else _FIGURES[:1]


def _texts(told: Told, name: str) -> list[str]:
    figure = told.figures.get(name)
    if figure is None:
        return [""] * len(told.t_ms)
    if name in _TIMES:
        return _time_texts(figure)
    whole: str = orjson.dumps(figure, option=orjson.OPT_SERIALIZE_NUMPY).decode()
    return whole[1:-1].split(",")


def _time_texts(t_ms: Any) -> list[str]:
    texts: list[str] = np.datetime_as_string(t_ms.astype("datetime64[ms]"), timezone="UTC").tolist()
    return texts


def _has_pyarrow() -> bool:
    return find_spec("pyarrow") is not None


def _parquet(asked: Question, page: Page) -> tuple[bytes, str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def column(name: str) -> Any:
        parts = [each.figures.get(name, np.full(len(each.t_ms), np.nan)) for each in page.told]
        whole = np.concatenate([np.empty(0), *parts]).astype(np.float64)
        made = pa.array(whole, from_pandas=True)
        if name in _TIMES:
            return made.cast(pa.int64()).cast(pa.timestamp("ms", tz="UTC"))
        return made.cast(pa.int64()) if name == "readings" else made

    def words(word: Callable[[Told], str]) -> Any:
        told = [text for each in page.told for text in [word(each)] * len(each.t_ms)]
        return pa.array(told, pa.string()).dictionary_encode()

    times = np.concatenate([np.empty(0, np.int64), *(each.t_ms for each in page.told)])
    table = pa.table(
        {
            "time": pa.array(times).cast(pa.timestamp("ms", tz="UTC")),
            "quantity": words(lambda each: each.quantity),
            "unit": words(lambda each: each.unit),
            "quality": words(lambda each: each.quality),
            **{name: column(name) for name in _names(asked)},
        },
        metadata={"site": asked.site, "meter": asked.meter},
    )
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd")
    return out.getvalue(), _PARQUET
