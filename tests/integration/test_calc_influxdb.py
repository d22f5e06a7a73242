"""Batches in a real InfluxDB 1.x as they close: the calculator's own process, the database's, its kills."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from calc_stream import feed
from calc_stream.ledger.store import open_store
from ingestor.sinks.influxdb.server import Server
from tests import plain_http
from tests.integration import servers
from tests.integration.calculator_process import Calculator
from tests.integration.servers import Process
from tests.integration.test_grafana import BOARDS, asked
from tests.unit.calc_stream_live.plant import SITE, Plant, run_to_end
from wire.errors import TransientError
from wire.influxdb import BadLines

Influx = tuple[Process, str]


@pytest.fixture
def influx(tmp_path: Path) -> Iterator[Influx]:
    with servers.influxdb(tmp_path / "influx") as (process, url):
        plain_http.post(
            f"{url}/query", params={"q": "CREATE DATABASE wattprint"}
        ).raise_for_status()
        yield process, url


def points(url: str, measurement: str = "batch") -> list[dict[str, Any]]:
    server = Server(url, "wattprint", servers.PATIENCE_S)
    with closing(server):
        series = server.query(f'SELECT * FROM "{measurement}"')
    return [
        dict(zip(each["columns"], values, strict=True))
        for each in series
        for values in each["values"]
    ]


def batches(url: str) -> list[tuple[str, str, float]]:
    return sorted((each["batch"], each["rev"], each["energy_kwh"]) for each in points(url))


@pytest.mark.influxdb
def test_batches_are_there_as_they_close_and_again_when_restated(
    tmp_path: Path, influx: Influx
) -> None:
    process, url = influx
    plant, calculator = Plant(tmp_path), Calculator(tmp_path)
    calculator.config.write_text(calculator.config.read_text() + f'[influxdb]\nurl = "{url}"\n')
    process.kill()
    plant.example_4()
    with calculator.running():
        calculator.reach(10)  # nothing waits for a database that is away
        assert calculator.get("/v1/batches/P")["revision"] == 1
        process.start()
        servers.wait_until(lambda: len(batches(url)) == 2, "the batches")
        first = batches(url)
        plant.the_late_reading()
        servers.wait_until(lambda: len(batches(url)) == 4, "the restated ones")
    assert [each for each in batches(url) if each[1] == "1"] == first, "what was told stays"
    stated = [row for name in "PQ" for row in open_store(tmp_path / "calc").revisions(SITE, name)]
    wanted = sorted((row.batch, str(row.revision), float(row.energy_kwh)) for row in stated)
    assert batches(url) == wanted
    (product,) = {(p["product"], p["kg_co2e_per_unit"]) for p in points(url, "product")[-1:]}
    assert product[0] == "wheel"
    assert product[1] > 0


@pytest.mark.influxdb
def test_the_dashboards_queries_answer_with_what_was_fed(tmp_path: Path, influx: Influx) -> None:
    _, url = influx
    plant = Plant(tmp_path)
    plant.example_4()
    run_to_end(plant, tmp_path / "calc")
    with closing(open_store(tmp_path / "calc")) as store:
        assert feed.step(store, SITE, "here", sender(url))
    server = Server(url, "wattprint", servers.PATIENCE_S)
    queries = [t["query"] for panel in BOARDS["batches"]["panels"] for t in panel["targets"]]
    assert len(queries) > 3
    for query in queries:
        assert server.query(asked(query)), query


@pytest.mark.influxdb
def test_what_was_written_but_not_noted_is_written_again_and_changes_nothing(
    tmp_path: Path, influx: Influx
) -> None:
    _, url = influx
    plant = Plant(tmp_path)
    plant.example_4()
    run_to_end(plant, tmp_path / "calc")
    with closing(open_store(tmp_path / "calc")) as store:
        assert feed.step(store, SITE, "here", sender(url))
        assert not feed.step(store, SITE, "here", sender(url))
        before = points(url), points(url, "batch_source"), points(url, "product")
        with closing(sqlite3.connect(tmp_path / "calc" / "ledger.db")) as db, db:
            db.execute("DELETE FROM cursor")
        assert feed.step(store, SITE, "here", sender(url))
        assert (points(url), points(url, "batch_source"), points(url, "product")) == before


def test_only_what_the_database_has_is_noted_and_a_bad_line_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plant = Plant(tmp_path)
    plant.example_4()
    run_to_end(plant, tmp_path / "calc")
    taken: list[bytes] = []

    def away(_lines: bytes) -> None:
        raise TransientError("away")

    def choosy(lines: bytes) -> None:
        """Takes nothing that has a `batch_basis` in it."""
        if b"batch_basis" in lines:
            raise BadLines("400 field type conflict")
        taken.append(lines)

    with closing(open_store(tmp_path / "calc")) as store:
        with pytest.raises(TransientError):
            feed.step(store, SITE, "here", away)
        assert store.cursor("here", SITE) == 0
        assert feed.step(store, SITE, "here", choosy)
        assert not feed.step(store, SITE, "here", choosy)
        assert feed.step(store, SITE, "elsewhere", choosy), "another database begins anew"
    told = b"".join(taken).decode()
    assert set(re.findall(r"^(\w+),", told, re.MULTILINE)) == {
        *("batch", "batch_source", "product", "product_basis"),
    }
    refused = [r.getMessage() for r in caplog.records if "not taken" in r.getMessage()]
    assert len(refused) == 4
    assert all("batch_basis" in each for each in refused)


def sender(url: str) -> Callable[[bytes], None]:
    server = Server(url, "wattprint", servers.PATIENCE_S)
    return server.write
