"""Pools, campaigns, versions and factors over time: what a batch is stated with, and when it settles."""

from pathlib import Path

import msgspec
import pytest

from calc_stream.factors import FactorSet, load
from calc_stream.ledger.store import open_store
from tests.unit.calc_stream_live.plant import MODEL, SITE, Plant, go_on, row, rules, run_to_end

# Windows from 08:00, 08:02 and 08:06 on; both meters count the press.
SHIFTS = 'window = "shift"\nshifts = ["00:00", "08:00", "08:02", "08:06"]\n'
HOURS = MODEL + '[policy]\nspread = "machine_hours"\n' + SHIFTS
PIECES = HOURS.replace("machine_hours", "pieces")
CAMPAIGN = MODEL + '[policy]\nsetup = "campaign"\ncampaign_max_s = 300\n'


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path)


def begun(plant: Plant, model: str) -> None:
    """P from 30 s to 90 s; 60 Wh a minute all the time, so 30 Wh are idle before and 30 after."""
    plant.model(model)
    plant.factors()
    plant.event("e1", 30, "start", node="press", batch="P", product="wheel")
    plant.event("e2", 90, "stop", node="press", batch="P")
    plant.event("e3", 95, "quantity", batch="P", good="2", unit="piece")
    plant.read((0, 1000), (60, 1060), (91, 1091))


def test_a_pool_comes_when_its_window_is_over_and_the_batch_settles_with_it(
    plant: Plant, tmp_path: Path
) -> None:
    begun(plant, HOURS)
    running = run_to_end(plant, tmp_path / "calc", rules(lateness_s=1))
    p = row(running, "P")
    assert (p.state, p.settled, p.spread, p.energy_kwh) == ("closed", False, False, "0.060000")
    plant.read((120, 1120))
    assert row(go_on(running), "P").settled is False  # lateness counts for windows, too
    plant.read((121, 1121))
    p = row(go_on(running), "P")
    assert (p.state, p.settled, p.spread, p.revision) == ("settled", True, True, 2)
    assert (p.energy_kwh, p.difference_kwh) == ("0.120000", "0.060000")
    assert (p.value_adding, p.allocated) == ({"grid": "0.060000"}, {"grid": "0.060000"})
    assert p.kg_co2e == "0.069324"  # 0.12 x 0.5777
    assert p.cause == "segment gw-1/s1/3 (offset 8)"


def test_a_late_reading_restates_what_a_window_gave(plant: Plant, tmp_path: Path) -> None:
    begun(plant, HOURS)
    plant.read((130, 1130))
    running = run_to_end(plant, tmp_path / "calc")
    assert row(running, "P").allocated == {"grid": "0.060000"}
    plant.read((20, 1044))
    p = row(go_on(running), "P")
    assert (p.state, p.settled, p.revision) == ("restated", True, 3)
    # 44 + 4 of 60 Wh of the first minute are before the start, 30 after the stop
    assert (p.value_adding, p.allocated) == ({"grid": "0.042000"}, {"grid": "0.078000"})
    assert p.difference_kwh == "0.000000"


def test_nothing_settles_before_set_up_that_waits_for_a_start_is_somebodys(
    plant: Plant, tmp_path: Path
) -> None:
    begun(plant, HOURS.replace("[policy]\n", "[policy]\nsetup_max_s = 60\n"))
    plant.event("e4", 110, "state", node="press", state="setup")
    plant.read((140, 1140))
    running = run_to_end(plant, tmp_path / "calc")
    assert row(running, "P").settled is False
    plant.event("e5", 150, "start", node="press", batch="Q")
    plant.read((160, 1160))
    p, q = row(go_on(running), "P"), row(running, "Q")
    assert (p.settled, p.allocated) == (True, {"grid": "0.050000"})  # 30 before, 20 after
    assert (q.state, q.overhead) == ("live", {"grid": "0.040000"})


def test_set_up_that_waited_too_long_is_the_pools(plant: Plant, tmp_path: Path) -> None:
    begun(plant, HOURS.replace("[policy]\n", "[policy]\nsetup_max_s = 60\n"))
    plant.event("e4", 110, "state", node="press", state="setup")
    plant.read((181, 1181))
    p = row(run_to_end(plant, tmp_path / "calc"), "P")
    assert (p.settled, p.allocated) == (True, {"grid": "0.060000"})


def test_pieces_wait_for_every_batch_of_the_window(plant: Plant, tmp_path: Path) -> None:
    begun(plant, PIECES)
    plant.event("e4", 100, "start", node="press", batch="Q")
    plant.read((130, 1130))
    running = run_to_end(plant, tmp_path / "calc")
    assert row(running, "P").settled is False
    plant.event("e5", 140, "stop", node="press", batch="Q")
    plant.event("e6", 140, "quantity", batch="Q", good="4", unit="piece")
    plant.read((145, 1145))
    p, q = row(go_on(running), "P"), row(running, "Q")
    # 30 Wh before, 10 between; half of Q's 40 s and so 2 of its 4 pieces are in the first window
    assert (p.settled, p.allocated) == (True, {"grid": "0.020000"})
    assert (q.state, q.settled) == ("closed", False)
    plant.read((361, 1361))
    q = row(go_on(running), "Q")
    assert (q.settled, q.allocated) == (True, {"grid": "0.240000"})  # 20 + 220 of its own window


def test_a_campaign_gives_its_set_up_when_another_product_starts(
    plant: Plant, tmp_path: Path
) -> None:
    plant.model(CAMPAIGN)
    plant.factors()
    plant.event("e1", 0, "state", node="press", state="setup")
    plant.event("e2", 30, "start", node="press", batch="P", product="wheel")
    plant.event("e3", 60, "stop", node="press", batch="P")
    plant.event("e4", 60, "start", node="press", batch="Q", product="wheel")
    plant.event("e5", 90, "stop", node="press", batch="Q")
    plant.read((0, 1000), (60, 1060), (91, 1091))
    running = run_to_end(plant, tmp_path / "calc")
    assert running.site is not None
    assert running.site.state.totals()["campaign:press:P"] == {"grid": 30_000}
    assert [(row(running, b).state, row(running, b).energy_kwh) for b in "PQ"] == [
        ("closed", "0.030000")
    ] * 2
    plant.event("e6", 100, "start", node="press", batch="R", product="rim")
    plant.read((110, 1110))
    go_on(running)
    assert [(row(running, b).state, row(running, b).overhead) for b in "PQ"] == [
        ("settled", {"grid": "0.015000"})
    ] * 2


def test_a_campaign_nobody_ends_is_over_in_time(plant: Plant, tmp_path: Path) -> None:
    begun(plant, CAMPAIGN)
    running = run_to_end(plant, tmp_path / "calc")
    plant.read((329, 1329))
    assert row(go_on(running), "P").settled is False
    plant.read((330, 1330))
    assert row(go_on(running), "P").settled is True


def test_what_an_input_was_allocated_comes_with_it(plant: Plant, tmp_path: Path) -> None:
    begun(plant, HOURS)
    plant.event("e4", 125, "start", node="press", batch="Q")
    plant.event("e5", 130, "input", batch="Q", of="P", quantity="1", unit="piece")
    plant.event("e6", 155, "stop", node="press", batch="Q")
    plant.read((119, 1119), (160, 1160))
    running = run_to_end(plant, tmp_path / "calc")
    q = row(running, "Q")
    assert (q.state, q.inherited) == ("closed", {"grid": "0.030000"})  # half of P's own
    plant.read((361, 1361))
    q = row(go_on(running), "Q")
    assert (q.settled, q.revision) == (True, 2)
    assert q.inherited == {"grid": "0.060000"}  # half of 60 own and 60 allocated
    assert q.allocated == {"grid": "0.210000"}


def test_a_version_restates_what_lies_in_its_time_and_nothing_else(
    plant: Plant, tmp_path: Path
) -> None:
    plant.example_4()
    running = run_to_end(plant, tmp_path / "calc")
    before = row(running, "P"), row(running, "Q")
    doubled = MODEL.replace('to = "press"\n', 'to = "press"\nmultiplier = "2"\n')
    plant.model("valid_from = 2026-11-21T08:02:00Z\n" + doubled, key="model-2")
    p, q = row(go_on(running), "P"), row(running, "Q")
    assert p == before[0]
    assert (q.state, q.revision, q.cause) == ("restated", 2, "model model-2 (offset 11)")
    # the board has 15 Wh in the minute from 08:02 on, of which the press now shows 30
    assert (before[1].energy_kwh, q.energy_kwh) == ("0.022500", "0.037500")
    assert running.site is not None
    assert running.site.state.totals()["residual:main"] == {"grid": -15_000}
    assert q.model != p.model
    store = open_store(tmp_path / "calc")
    assert [r.revision for r in store.revisions(SITE, "P")] == [1]


def test_a_factor_that_changes_inside_a_batch_counts_for_its_time(
    plant: Plant, tmp_path: Path
) -> None:
    shipped = load()
    rows = [r for r in shipped.rows if r.series == "cn-grid-footprint"]
    early, late = sorted(rows, key=lambda r: r.valid_from_ms)[-2:]
    change_ms = 1_795_248_060_000  # 08:01
    early = msgspec.structs.replace(early, valid_to_ms=change_ms, value="0.5", parts=None)
    late = msgspec.structs.replace(late, valid_from_ms=change_ms, value="0.6", parts=None)
    plant.model(MODEL)
    plant.factors(data=FactorSet.of([early, late]).encode())
    plant.event("e1", 30, "start", node="press", batch="P")
    plant.event("e2", 90, "stop", node="press", batch="P")
    plant.read((0, 1000), (120, 1120))
    p = row(run_to_end(plant, tmp_path / "calc"), "P")
    assert p.kg_co2e == "0.033000"  # 30 Wh x 0.5 + 30 Wh x 0.6
    assert p.factors == tuple(sorted((early.id, late.id)))
    assert [len(p.by_period["grid"]), *p.by_period["grid"].values()] == [2, "0.030000", "0.030000"]


def test_what_was_bought_is_stated_beside_the_energy(plant: Plant, tmp_path: Path) -> None:
    begun(plant, MODEL)
    plant.event("l1", 0, "lot", lot="L7", unit="kg", factor="8.24", document="EPD 114")
    plant.event("l2", 40, "input", batch="P", lot="L7", quantity="1.5", unit="kg")
    p = row(run_to_end(plant, tmp_path / "calc"), "P")
    assert (p.bought, p.bought_kg_co2e, p.unknown_lots) == ({"L7": "1.5"}, "12.360000", ())
    assert p.kg_co2e == "0.034662"
    plant.event("l3", 41, "input", batch="P", lot="L9", quantity="1", unit="kg")
    p = row(run_to_end(plant, tmp_path / "more"), "P")
    assert (p.bought_kg_co2e, p.unknown_lots) == (None, ("L9",))
