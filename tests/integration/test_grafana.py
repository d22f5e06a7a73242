"""Every panel's every query answers, on the real database, with what a plant leaves in it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.registers import T0_MS, of_plant
from calc_stream import exporters
from calc_stream.ledger.store import open_store
from ingestor.sinks import influxdb
from tests.integration import servers
from tests.unit.calc_stream_live.plant import SITE, Plant, run_to_end
from tests.unit.ingestor.gateway import Gateway
from wire.messages import MeterEvent, Sample
from wire.quantities import QUANTITIES
from wire.segment import Segment, open_segment

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/grafana"
BOARDS = {
    path.stem: json.loads(path.read_text()) for path in (FOLDER / "dashboards").glob("*.json")
}
DAY_MS = 86_400_000
# What Grafana puts in: its range is whatever there is.
VARIABLES = {
    "$timeFilter": f"time >= {T0_MS - DAY_MS}ms AND time < {T0_MS + 400 * DAY_MS}ms",
    "$__interval": "10s",
    "$site": ".*",
    "$meter": ".*",
    "$gateway": "^gw-1$",
    "$product": ".*",
}


def plant_segments(directory: Path) -> list[Segment]:
    """Twelve seconds of the demo's plant, what its gateway tells of itself, a doubt and an event."""
    gateway = Gateway.new(directory, site="cq-wheel")
    samples = of_plant(12)
    last_ms = samples[-1].t_ms
    health = {name: (7, 0) for name, known in QUANTITIES.items() if known.gateway}
    samples += [Sample("gw-1", t_ms, health) for t_ms in (last_ms - 5_000, last_ms)]
    samples += [Sample("m-doubt", last_ms, {"active_energy_import": (5, -3)}, "suspect")]
    event = MeterEvent("m-grid", last_ms, "swap", {"quantity": "active_energy_import"})
    at = [samples[n : n + 5000] for n in range(0, len(samples), 5000)]
    return [open_segment(gateway.seal(part, [event])) for part in at]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[influxdb.InfluxDB]:
    directory = tmp_path_factory.mktemp("grafana")
    plant = Plant(directory)
    plant.example_4()
    run_to_end(plant, directory / "calc")
    store = open_store(directory / "calc")
    exporter = exporters.find("influxdb")
    with servers.influxdb(directory / "influx") as (_, url):
        made = influxdb.open_sink(influxdb.Settings(url), directory)
        made.prepare()
        assert made.write(list(enumerate(plant_segments(directory), 1))) == []
        for what in exporter.TAKES:
            export = exporters.gather(store, SITE, what)
            assert export.rows
            assert made.write_lines(exporter.write(export, exporter.Settings())) == []
        yield made
        made.close()


def asked(query: str) -> str:
    for name, value in VARIABLES.items():
        query = query.replace(f"/^{name}$/", f"/{value}/").replace(name, value)
    assert "$" not in query.replace("^gw-1$", ""), query
    return query


def queries() -> list[Any]:
    return [
        pytest.param(target["query"], id=f"{name}: {panel['title']} {target['refId']}")
        for name, board in sorted(BOARDS.items())
        for panel in board["panels"]
        for target in panel["targets"]
    ]


def test_there_are_dashboards() -> None:
    assert set(BOARDS) == {"meters", "gateways", "batches"}
    assert len(queries()) > 20
    uids = [board["uid"] for board in BOARDS.values()]
    assert len(set(uids)) == len(uids)
    source = (FOLDER / "provisioning/datasources/wattprint.yaml").read_text()
    named = set(re.findall(r'"uid": "(\w+)"', json.dumps([b["panels"] for b in BOARDS.values()])))
    assert [f"uid: {uid}\n" in source for uid in named] == [True]


@pytest.mark.influxdb
@pytest.mark.parametrize("query", queries())
def test_a_panels_query_answers_with_series(database: influxdb.InfluxDB, query: str) -> None:
    series = database._server.query(asked(query))
    assert series
    values = [value for each in series for row in each["values"] for value in row[1:]]
    assert any(value is not None for value in values)


@pytest.mark.influxdb
@pytest.mark.parametrize("name", sorted(BOARDS))
def test_a_dashboards_choices_are_there_to_choose(database: influxdb.InfluxDB, name: str) -> None:
    for variable in BOARDS[name]["templating"]["list"]:
        assert database._server.query(asked(variable["query"])), variable["name"]


@pytest.mark.influxdb
def test_closure_is_zero_on_the_dashboard(database: influxdb.InfluxDB) -> None:
    [panel] = [each for each in BOARDS["batches"]["panels"] if each["title"].startswith("Closure")]
    for target in panel["targets"]:
        series = database._server.query(asked(target["query"]))
        assert {value for each in series for _, value in each["values"]} == {0}


def test_names_and_units_are_those_of_the_vocabulary() -> None:
    """A panel that names a quantity in its description names the unit it is kept in."""
    found = 0
    for board in BOARDS.values():
        for panel in board["panels"]:
            told = re.fullmatch(r"(\w+), (\S+?)(:.*)?", panel["description"])
            if told and told[1] in QUANTITIES:
                assert told[2] == QUANTITIES[told[1]].unit, panel["title"]
                assert f'"{told[1]}"' in panel["targets"][0]["query"]
                found += 1
    assert found > 8
