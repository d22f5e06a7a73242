"""Readings back from the database: by InfluxQL, and by the export of VictoriaMetrics."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import orjson

from ingestor.columns import Floats, Ints
from ingestor.line_protocol import READING
from ingestor.sinks import Column, joined
from ingestor.sinks.influxdb.server import Server
from wire.errors import TransientError

_DAY_MS = 86_400_000


def selected(
    server: Server, site: str, meter: str, from_ms: int, to_ms: int, quantities: Sequence[str]
) -> list[Column]:
    """A day a query: 3 Core answers none over more than a few."""
    fields = ",".join(f'"{name}"' for name in quantities) or "*"
    parts: list[Column] = []
    for begin in range(from_ms, to_ms, _DAY_MS):
        end = min(begin + _DAY_MS, to_ms)
        where = f"site = {_quoted(site)} AND meter = {_quoted(meter)}"
        window = f"time >= {begin}ms AND time < {end}ms"
        text = f'SELECT {fields} FROM "{READING}" WHERE {where} AND {window} GROUP BY *'
        for series in server.query(text):
            parts += _of_series(series)
    return joined(parts)


def _of_series(series: dict[str, Any]) -> Iterator[Column]:
    """A column for each field of one series; where a row lacks it there is nothing."""
    table: Floats = np.array(series["values"], np.float64)
    quality = series.get("tags", {}).get("quality") or "good"
    times: Ints = table[:, 0].astype(np.int64)
    for at, name in enumerate(series["columns"][1:], 1):
        there = ~np.isnan(table[:, at])
        if there.any():
            yield Column(name, quality, times[there], table[there, at])


def meters(server: Server, site: str) -> set[str]:
    text = f'SHOW TAG VALUES FROM "{READING}" WITH KEY = "meter" WHERE site = {_quoted(site)}'
    return {value for series in server.query(text) for _, value in series["values"]}


def delete(server: Server, site: str, meter: str, from_ms: int, to_ms: int) -> None:
    where = f"site = {_quoted(site)} AND meter = {_quoted(meter)}"
    window = f"time >= {from_ms}ms AND time < {to_ms}ms"
    server.query(f'DELETE FROM "{READING}" WHERE {where} AND {window}', "POST")


def exported(
    server: Server, site: str, meter: str, from_ms: int, to_ms: int, quantities: Sequence[str]
) -> list[Column]:
    """A metric of VictoriaMetrics is a measurement and a field; one line for each."""
    names = "|".join(quantities) or ".+"
    match = _match(server, f"{READING}_({names})", site=site, meter=meter)
    span = {"start": f"{from_ms / 1000:.3f}", "end": f"{(to_ms - 1) / 1000:.3f}"}
    parts = []
    for line in _get(server, "/api/v1/export", {**match, **span}).splitlines():
        told = orjson.loads(line)
        quantity = told["metric"]["__name__"].removeprefix(f"{READING}_")
        times, values = np.array(told["timestamps"], np.int64), np.array(told["values"], np.float64)
        parts.append(Column(quantity, told["metric"].get("quality", "good"), times, values))
    return joined(parts)


def exported_meters(server: Server, site: str) -> set[str]:
    match = {**_match(server, f"{READING}_.+", site=site), "start": "0"}
    return set(orjson.loads(_get(server, "/api/v1/label/meter/values", match))["data"])


def _match(server: Server, name: str, **labels: str) -> dict[str, str]:
    told = {**server.labels, **labels}
    parts = [f'__name__=~"{name}"'] + [f"{key}={_text(value)}" for key, value in told.items()]
    return {"match[]": "{" + ",".join(parts) + "}"}


def _get(server: Server, path: str, fields: dict[str, str]) -> bytes:
    status, _, body = server.request("GET", path, fields)
    if status != 200:
        said = body.decode(errors="replace")[:300]
        raise TransientError(f"{server.url}{path} answered {status}: {said}")
    return body


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _text(text: str) -> str:
    return orjson.dumps(text).decode()
