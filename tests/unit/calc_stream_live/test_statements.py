"""Readings by hand, corrections and voids: what the books hold after them, and after a restart."""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from calc_stream.commands import whatif
from calc_stream.engines.embedded import Engine
from tests.unit.calc_stream_live.plant import SITE, T0, Plant, go_on, row, run_to_end
from wire.journal import Entry


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path)


def at(second: float) -> str:
    return datetime.fromtimestamp(T0 / 1000 + second, UTC).isoformat(timespec="milliseconds")


def state(plant: Plant, kind: str, id_: str, **said: str) -> None:
    data = json.dumps({"id": id_, **said}).encode()
    plant.writer.append(SITE, [Entry(kind, id_, data)])


def manual(plant: Plant, id_: str, second: float, register: str, **more: str) -> None:
    said = {"type": "manual", "meter": "m-press", "t": at(second), "register": register}
    state(plant, "reading", id_, **{**said, **more})


def correct(plant: Plant, id_: str, begin: float, end: float, meter: str = "m-press") -> None:
    said = {"type": "correction", "meter": meter, "from": at(begin), "to": at(end)}
    state(plant, "correction", id_, **said, reason="a clamp was open")


def energies(running: Engine) -> dict[str, str]:
    return {batch: row(running, batch).energy_kwh for batch in ("P", "Q")}


def test_a_register_read_by_hand_is_booked_like_any_other(plant: Plant, tmp_path: Path) -> None:
    plant.model()
    plant.factors()
    for event in (("e1", 30, "start", "P"), ("e2", 90, "stop", "P"), ("e3", 90, "start", "Q")):
        plant.event(event[0], event[1], event[2], node="press", batch=event[3])
    plant.event("e4", 180, "stop", node="press", batch="Q")
    plant.read((0, 1000), (60, 1100), (180, 1130), meters=["m"])
    manual(plant, "h1", 0, "1.000")
    manual(plant, "h2", 60, "1100", unit="Wh")
    manual(plant, "h3", 180, "0.00113", unit="MWh")
    # As in the worked example, where a gateway reads both.
    assert energies(run_to_end(plant, tmp_path / "l")) == {"P": "0.057500", "Q": "0.022500"}


def test_a_correction_restates_and_a_void_of_it_brings_back(plant: Plant, tmp_path: Path) -> None:
    plant.example_4()
    plant.the_late_reading()
    running = run_to_end(plant, tmp_path / "l")
    late = {"P": "0.060000", "Q": "0.020000"}
    assert energies(running) == late
    correct(plant, "c1", 100, 130)
    without = {"P": "0.057500", "Q": "0.022500"}
    assert energies(go_on(running)) == without
    assert row(running, "P").cause == "correction c1 (offset 12)"
    assert row(running, "P").revision > 1
    assert running.site is not None
    assert running.site.state.closure() == {"grid": 0}
    state(plant, "correction", "v1", type="void", of="c1", reason="it was not open")
    assert energies(go_on(running)) == late


def test_what_a_gateway_sends_late_is_corrected_too_and_a_restart_knows(
    plant: Plant, tmp_path: Path
) -> None:
    plant.example_4()
    correct(plant, "c1", 100, 130)
    run_to_end(plant, tmp_path / "l")
    plant.the_late_reading()
    again = run_to_end(plant, tmp_path / "l")
    assert energies(again) == {"P": "0.057500", "Q": "0.022500"}
    assert energies(run_to_end(plant, tmp_path / "fresh")) == energies(again)


def test_a_reading_by_hand_stands_within_a_correction_until_it_is_void(
    plant: Plant, tmp_path: Path
) -> None:
    plant.example_4()
    plant.the_late_reading()
    correct(plant, "c1", 100, 130)
    manual(plant, "h1", 120, "1.120")
    running = run_to_end(plant, tmp_path / "l")
    assert energies(running) == {"P": "0.060000", "Q": "0.020000"}
    state(plant, "correction", "v1", type="void", of="h1", reason="of another meter")
    assert energies(go_on(running)) == {"P": "0.057500", "Q": "0.022500"}


def test_deliveries_and_bills_book_nothing(plant: Plant, tmp_path: Path) -> None:
    plant.example_4()
    before = energies(run_to_end(plant, tmp_path / "a"))
    paper = {"source": "grid", "quantity": "9", "unit": "kWh", "document": "INV-7"}
    state(plant, "reading", "d1", type="delivery", t=at(10), **paper)
    state(plant, "reading", "b1", type="bill", **{"from": at(0), "to": at(180)}, **paper)
    running = run_to_end(plant, tmp_path / "b")
    assert energies(running) == before
    assert running.site is not None
    assert running.site.told.problems == {}


def test_what_if_stands_on_what_is_booked(plant: Plant, tmp_path: Path) -> None:
    plant.example_4()
    plant.the_late_reading()
    correct(plant, "c1", 100, 130)
    manual(plant, "h1", 200, "1.130")
    run_to_end(plant, tmp_path / "l")
    parser = argparse.ArgumentParser()
    whatif.add_arguments(parser)
    places = ["--ledger", str(tmp_path / "l"), "--journal", str(plant.journal)]
    answer = whatif.whatif(parser.parse_args(["P", *places, "--policy", "setup=pool"]))
    [line] = [line for line in answer.lines if line.kg is not None][:1]
    assert "before='0.0575'" in repr(line)
