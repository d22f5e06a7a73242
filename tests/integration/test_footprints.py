"""A running calculator publishes product factors, through kills, once each; and what is done by hand."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from calc_stream.__main__ import main
from tests.integration.calculator_process import Calculator
from tests.integration.servers import wait_until
from tests.unit.calc_stream_live.days import DAY_1, DAY_2, MODEL, Days
from tests.unit.calc_stream_live.plant import SITE

PRODUCTS = """
[company]
name = "Example Wheels"
domain = "wheels.example.com"
country = "CN"
[[product]]
id = "wheel"
name = "Wheel"
mass_kg = "11.2"
"""
GRADES = """
source = "an example"
unit = "piece"
method = "gbt24067"
[[class]]
name = "A"
upto = "7.7"
[[class]]
name = "B"
"""


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Days]:
    plant = Days(tmp_path)
    yield plant
    plant.writer.close()


def calculator_in(folder: Path) -> Calculator:
    calculator = Calculator(folder)
    (folder / "products.toml").write_text(PRODUCTS)
    (folder / "model.toml").write_text(MODEL)
    text = (
        f'[footprints]\nperiod = "day"\ndrift_batches = 2\ndeclaration = "{folder}/products.toml"\n'
    )
    calculator.config.write_text(calculator.config.read_text() + text)
    return calculator


def published(calculator: Calculator, at_least: int) -> list[dict[str, Any]]:
    """Of the wheel, over the API, once there are so many."""
    found: list[dict[str, Any]] = []

    def are_there() -> bool:
        found[:] = calculator.get("/v1/products/wheel/footprints")["footprints"]
        return len(found) >= at_least

    wait_until(are_there, f"{at_least} footprints")
    return found


def follow(calculator: Calculator, plant: Days) -> None:
    calculator.reach(plant.writer.head(SITE)[0])


def test_a_period_that_ends_while_it_runs_is_published_and_no_kill_does_it_twice(
    tmp_path: Path, plant: Days
) -> None:
    calculator = calculator_in(tmp_path)
    process = calculator.start()
    plant.batch("A", 1, 57_300, 12_345, "10")
    plant.batch("B", 2, 81_001, 20_001, "13")
    follow(calculator, plant)
    time.sleep(1)  # the day is not over: it may look as often as it likes
    assert calculator.get("/v1/products/wheel/footprints")["footprints"] == []
    plant.meters(8.5)
    (first,) = published(calculator, 1)
    assert (first["period"], first["cause"], first["successor"]) == (DAY_1, "period", None)
    process.kill()
    process.communicate()

    plant.told("quantity", 3.6, batch="A", good="2", scrap="0", unit="piece")
    with calculator.running():
        before, after = published(calculator, 2)
        assert before == first | {"successor": after["id"]}
        assert (after["cause"], after["supersedes"]) == ("restated", [first["id"]])
        assert after["good"] == "25"
        plant.batch("C", 9, 99_000, 20_000, "5")
        plant.batch("D", 10, 99_000, 20_000, "5")
        plant.meters(11)
        drifted = published(calculator, 3)[2]
        assert (drifted["period"], drifted["cause"]) == (DAY_2, "drift")
        whole = calculator.get(f"/v1/footprints/{drifted['id']}")
        assert [used["batch"] for used in whole["batches"]] == ["C", "D"]
        follow(calculator, plant)
    with calculator.running():
        time.sleep(1)
        assert len(published(calculator, 3)) == 3


def test_by_hand_beside_the_ledger(
    tmp_path: Path, plant: Days, capsys: pytest.CaptureFixture[str]
) -> None:
    calculator = calculator_in(tmp_path)
    plant.first_day()
    plant.batch("D", 9, 57_300, 12_345, "9")
    plant.meters(10)
    with calculator.running():
        follow(calculator, plant)
        published(calculator, 1)

    def told(*words: str, code: int = 0) -> str:
        assert main([*words, "--config", str(calculator.config)]) == code
        said = capsys.readouterr()
        return said.err if code == 2 else said.out

    wanted = ("footprint", "publish", "--product", "wheel", "--period")
    asked = json.loads(told(*wanted, DAY_2, "--json"))
    assert (asked["cause"], asked["period"], asked["good"]) == ("asked", DAY_2, "9")
    assert f"{asked['id']} says so already" in told(*wanted, DAY_2)
    assert "there are: 2026-11-21, 2026-11-22" in told(*wanted, "2026-12-01", code=2)
    assert "a period is written 2026-11" in told(*wanted, "November", code=2)
    listed = json.loads(told("footprint", "list", "--json"))["footprints"]
    assert [each["period"] for each in listed] == [DAY_1, DAY_2]
    assert len(told("footprint", "list", "--period", DAY_1).splitlines()) == 1
    assert json.loads(told("footprint", "show", asked["id"][:8], "--json")) == asked
    assert "cn-natural-gas-combustion-2025" in told("footprint", "show", asked["id"])

    series = tmp_path / "wheel.json"
    series.write_text(told("kpi", "wheel", "--json"))
    key = json.loads(series.read_text())["key"]
    assert told("kpi", "--verify", str(series), "--key", key).startswith("GOOD")
    only = json.loads(told("kpi", "wheel", "--from", DAY_2, "--to", DAY_2, "--json"))["series"]
    assert [p["id"] for run in only["runs"] for p in run["points"]] == [asked["id"]]
    series.write_text(series.read_text().replace(asked["kg_co2e"], "1"))
    assert told("kpi", "--verify", str(series), "--key", key, code=1).startswith("BROKEN")

    grades = tmp_path / "grades.toml"
    grades.write_text(GRADES)
    words = ("grade", "wheel", "--thresholds", str(grades), "--period", DAY_1)
    graded = json.loads(told(*words, "--json"))
    assert (graded["grade"], graded["possible"], graded["sure"]) == ("B", ["A", "B"], False)
    assert "no: A or B" in told(*words)
