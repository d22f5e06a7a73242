"""Who sends heartbeats is waited for: no batch is closed of which they may still have events."""

from pathlib import Path

import pytest

from calc_stream.ledger.store import open_store
from tests.unit.calc_stream_live.plant import MODEL, Plant, engine, go_on, row, rules, run_to_end

HOURS = (
    MODEL
    + '[policy]\nspread = "machine_hours"\nwindow = "shift"\n'
    + 'shifts = ["00:00", "08:00", "08:02", "08:06"]\n'
)


def begun(folder: Path, model: str = MODEL) -> Plant:
    """P from 30 s to 90 s, and meters that have told more than that; a record a second."""
    plant = Plant(folder)
    plant.model(model)
    plant.factors()
    plant.event("e1", 30, "start", node="press", batch="P", product="wheel")
    plant.event("e2", 90, "stop", node="press", batch="P")
    plant.event("e3", 90, "quantity", batch="P", good="2", unit="piece")
    return plant


def test_a_batch_closes_when_all_events_up_to_its_end_and_lateness_have_been_told(tmp_path) -> None:
    plant = begun(tmp_path)
    plant.heartbeat(91)
    plant.read((0, 1000), (300, 1500))
    running = run_to_end(plant, tmp_path / "ledger", rules(lateness_s=10))
    assert running.site is not None
    p = row(running, "P")
    assert (p.state, p.revision) == ("provisional", 0)
    assert p.energy_kwh == "0.100000"  # posted and shown all the same
    plant.heartbeat(99)
    assert row(go_on(running), "P").state == "provisional"
    # The production system's link was slow: the batch had gone on.
    plant.event("e4", 91, "void", of="e2")
    plant.event("e5", 95, "stop", node="press", batch="P")
    plant.heartbeat(104)
    assert row(go_on(running), "P").state == "provisional"
    plant.heartbeat(105)
    p = row(go_on(running), "P")
    assert (p.state, p.revision, p.ended_ms) == ("settled", 1, p.started_ms + 65_000)


def test_without_heartbeats_nobody_is_waited_for(tmp_path: Path) -> None:
    plant = begun(tmp_path)
    plant.read((0, 1000), (300, 1500))
    running = run_to_end(plant, tmp_path / "ledger", rules(lateness_s=10))
    assert (row(running, "P").state, row(running, "P").revision) == ("settled", 1)
    plant.event("e4", 91, "void", of="e2")
    plant.event("e5", 95, "stop", node="press", batch="P")
    assert (row(go_on(running), "P").state, row(running, "P").revision) == ("restated", 2)


def test_the_one_who_is_furthest_behind_is_waited_for(tmp_path: Path) -> None:
    plant = begun(tmp_path)
    plant.heartbeat(50, "scada")
    plant.heartbeat(300, "mes")
    plant.read((0, 1000), (300, 1500))
    running = run_to_end(plant, tmp_path / "ledger")
    assert row(running, "P").state == "provisional"
    plant.heartbeat(90, "scada")
    assert row(go_on(running), "P").state == "settled"


def test_one_that_falls_silent_is_waited_for_no_longer_than_a_meter_and_restates_when_it_is_back(
    tmp_path: Path,
) -> None:
    plant = begun(tmp_path)
    plant.heartbeat(60)
    plant.read((0, 1000), (300, 1500))
    running = run_to_end(plant, tmp_path / "ledger", rules(close_s=4))
    for at in (301, 302, 303):
        plant.read((at, 1500))
        assert row(go_on(running), "P").state == "provisional"
    plant.read((304, 1500))
    p = row(go_on(running), "P")
    assert (p.state, p.revision) == ("settled", 1)
    plant.heartbeat(70)  # it is back, and not up to date
    plant.event("e4", 80, "quantity", batch="P", good="1", unit="piece")
    assert row(go_on(running), "P") == p  # what was stated stands until it is
    plant.heartbeat(200)
    again = row(go_on(running), "P")
    assert (again.state, again.revision, again.good) == ("restated", 2, "3")
    assert again.cause == f"heartbeat mes/{again.started_ms + 170_000} (offset {again.offset})"


def test_pools_wait_for_events_too(tmp_path: Path) -> None:
    plant = begun(tmp_path, HOURS)
    plant.heartbeat(100)
    plant.read((0, 1000), (60, 1060), (300, 1300))
    running = run_to_end(plant, tmp_path / "ledger")
    p = row(running, "P")
    assert (p.state, p.settled, p.spread) == ("closed", False, False)
    plant.heartbeat(120)
    p = row(go_on(running), "P")
    assert (p.settled, p.spread, p.allocated) == (True, True, {"grid": "0.060000"})


@pytest.mark.parametrize("upto", [80, 200])
def test_who_is_waited_for_is_known_after_a_restart(tmp_path: Path, upto: int) -> None:
    plant = begun(tmp_path)
    plant.heartbeat(60)
    plant.read((0, 1000), (300, 1500))
    run_to_end(plant, tmp_path / "ledger").close()
    plant.heartbeat(upto)
    again = go_on(engine(plant, open_store(tmp_path / "ledger")))
    whole = run_to_end(plant, tmp_path / "other")
    assert row(again, "P") == row(whole, "P")
    assert row(again, "P").state == ("settled" if upto == 200 else "provisional")
    assert again.site is not None
    assert whole.site is not None
    assert again.site.told == whole.site.told


def test_what_was_stated_waits_again_also_over_a_restart(tmp_path: Path) -> None:
    plant = begun(tmp_path)
    plant.read((0, 1000), (300, 1500))
    running = run_to_end(plant, tmp_path / "ledger")
    assert row(running, "P").revision == 1  # nobody had sent a heartbeat yet
    plant.heartbeat(70)
    plant.event("e4", 80, "quantity", batch="P", good="1", unit="piece")
    assert row(go_on(running), "P").revision == 1
    running.close()
    plant.heartbeat(200)
    again = go_on(engine(plant, open_store(tmp_path / "ledger")))
    assert (row(again, "P").revision, row(again, "P").good) == (2, "3")
