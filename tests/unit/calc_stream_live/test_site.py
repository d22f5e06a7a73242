"""The journal record by record: what batches become, and that nothing depends on restarts."""

import sqlite3
from pathlib import Path

import pytest

from calc_stream.core import compute_result, parse_event, parse_model, recompute
from calc_stream.ledger.store import Store, open_store
from calc_stream.site import Site
from tests.unit.calc_stream_live.plant import (
    MODEL,
    SITE,
    T0,
    Plant,
    go_on,
    row,
    rules,
    run_to_end,
)
from wire.messages import MeterEvent, Sample


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path)


def test_a_late_reading_restates_with_cause_and_leaves_the_rest(
    plant: Plant, tmp_path: Path
) -> None:
    plant.example_4()
    running = run_to_end(plant, tmp_path / "calc")
    assert (row(running, "P").energy_kwh, row(running, "Q").energy_kwh) == ("0.057500", "0.022500")
    assert row(running, "P").state == "settled"
    assert row(running, "P").revision == 1
    assert running.site is not None
    assert running.site.state.totals()["pool:press"] == {"grid": 50_000}

    plant.the_late_reading()
    go_on(running)
    p, q = row(running, "P"), row(running, "Q")
    assert (p.energy_kwh, q.energy_kwh) == ("0.060000", "0.020000")
    assert (p.state, p.revision, p.difference_kwh) == ("restated", 2, "0.002500")
    assert (q.state, q.revision, q.difference_kwh) == ("restated", 2, "-0.002500")
    assert p.cause == "segment gw-1/s1/3 (offset 11)"
    assert p.difference_kg == "0.001444"  # 0.034662 - 0.033218
    assert running.site.state.totals()["pool:press"] == {"grid": 50_000}
    assert set(running.site.state.closure().values()) == {0}


def test_old_revisions_stay_as_they_were(plant: Plant, tmp_path: Path) -> None:
    plant.example_4()
    running = run_to_end(plant, tmp_path / "calc")
    store = open_store(tmp_path / "calc")
    before = store.revisions(SITE, "P")
    plant.the_late_reading()
    go_on(running)
    first, second = store.revisions(SITE, "P")
    assert [first] == before
    assert (first.revision, second.revision) == (1, 2)
    assert first.energy_kwh == "0.057500"


def test_factors_are_applied_last_and_per_unit(plant: Plant, tmp_path: Path) -> None:
    plant.example_4()
    p = row(run_to_end(plant, tmp_path / "calc"), "P")
    assert p.kg_co2e == "0.033218"  # 0.0575 x 0.5777 = 0.03321775
    assert p.columns == {"life_cycle": "0.033218"}
    assert p.kwh_per_unit == "0.02875"
    assert p.kg_co2e_per_unit == "0.016608875"
    assert p.factors == ("cn-grid-footprint-2024",)
    assert p.factor_status == "verified"


def test_a_source_without_a_factor_is_unknown_and_not_zero(plant: Plant, tmp_path: Path) -> None:
    plant.model(MODEL.replace('factor = "cn-grid-footprint"\n', ""))
    plant.factors()
    plant.event("e1", 0, "start", node="press", batch="P")
    plant.read((0, 1000), (60, 1100))
    p = row(run_to_end(plant, tmp_path / "calc"), "P")
    assert p.energy_kwh == "0.100000"
    assert (p.kg_co2e, p.columns, p.unknown_sources) == (None, {}, ("grid",))


def test_an_inventory_factor_never_enters_a_product_footprint(plant: Plant, tmp_path: Path) -> None:
    plant.model(MODEL.replace("cn-grid-footprint", "cn-grid-co2"))
    plant.factors()
    plant.event("e1", 0, "start", node="press", batch="P")
    plant.read((0, 1000), (60, 1100))
    p = row(run_to_end(plant, tmp_path / "calc"), "P")
    assert (p.kg_co2e, p.unknown_sources) == (None, ("grid",))


def stored(store: Store, *batches: str) -> list[object]:
    return [
        store.state(SITE),
        store.accounts(SITE),
        store.rows(SITE),
        [store.revisions(SITE, batch) for batch in batches],
    ]


@pytest.mark.parametrize("killed_after", range(11))
def test_a_kill_anywhere_changes_no_byte(plant: Plant, tmp_path: Path, killed_after: int) -> None:
    plant.example_4()
    plant.the_late_reading()
    whole = run_to_end(plant, tmp_path / "whole")
    assert whole.site is not None
    assert whole.site.offset == 11

    site = Site(
        rules(), open_store(tmp_path / "killed", create=True), lambda: plant.writer.walk(SITE)
    )
    for record in plant.writer.read(SITE, 0, killed_after):
        site.take(record)
    site.commit()
    for record in plant.writer.read(SITE, killed_after, 2):
        site.take(record)  # taken, shown, and lost in the kill
    run_to_end(plant, tmp_path / "killed")
    expected = stored(open_store(tmp_path / "whole"), "P", "Q")
    assert stored(open_store(tmp_path / "killed"), "P", "Q") == expected


def test_live_equals_the_definition_on_the_same_records(plant: Plant, tmp_path: Path) -> None:
    plant.example_4()
    plant.the_late_reading()
    running = run_to_end(plant, tmp_path / "calc")
    assert running.site is not None
    state = running.site.state
    events = [
        parse_event(record.data.decode(), record.key)
        for record in plant.writer.of_kind(SITE, "event")
    ]
    model = parse_model(MODEL, "model")
    defined = compute_result(recompute(model, events, state.readings), model, events)
    assert state.model is not None
    live = compute_result(state.ledger("frontier"), state.model, state.events.values())
    assert live == defined


def test_batches_pass_through_their_states(plant: Plant, tmp_path: Path) -> None:
    its = rules(lateness_s=30)
    plant.model()
    plant.factors()
    plant.event("e1", 10, "start", node="press", batch="P", product="wheel")
    plant.read((0, 1000), (20, 1010))
    running = run_to_end(plant, tmp_path / "calc", its)
    assert (row(running, "P").state, row(running, "P").energy_kwh) == ("live", "0.005000")

    plant.event("e2", 30, "stop", node="press", batch="P")
    plant.read((40, 1030), (59, 1040))
    go_on(running)
    assert (row(running, "P").state, row(running, "P").revision) == ("provisional", 0)

    plant.read((60, 1041))
    go_on(running)
    assert (row(running, "P").state, row(running, "P").revision) == ("settled", 1)


def test_a_batch_waits_for_its_input_before_it_settles(plant: Plant, tmp_path: Path) -> None:
    plant.model()
    plant.factors()
    plant.event("e1", 0, "start", node="press", batch="A", product="blank")
    plant.event("e2", 10, "start", node="press", batch="B", product="wheel")
    plant.event("e3", 20, "stop", node="press", batch="B")
    plant.event("e4", 20, "quantity", batch="A", good="10", unit="piece")
    plant.event("e5", 20, "input", batch="B", of="A", quantity="5", unit="piece")
    plant.read((0, 1000), (60, 1060))
    running = run_to_end(plant, tmp_path / "calc")
    assert row(running, "A").state == "live"
    assert (row(running, "B").state, row(running, "B").settled) == ("closed", False)
    assert row(running, "B").inherited == {"grid": "0.027500"}  # half of 10 + 5 + 40 Wh
    plant.event("e6", 60, "stop", node="press", batch="A")
    plant.read((61, 1060))
    go_on(running)
    assert (row(running, "A").state, row(running, "B").state) == ("settled", "settled")
    store = open_store(tmp_path / "calc")
    first, second = store.revisions(SITE, "B")
    assert (first.state, first.settled, first.revision) == ("closed", False, 1)
    assert (second.state, second.settled, second.revision) == ("settled", True, 2)
    assert (second.energy_kwh, second.difference_kwh) == (first.energy_kwh, "0.000000")
    assert second.cause == "event e6 (offset 9)"
    assert store.latest(SITE) == store.rows(SITE)  # what is exported is what the page shows


def test_a_batch_with_nothing_to_wait_for_is_stated_settled(plant: Plant, tmp_path: Path) -> None:
    plant.example_4()
    running = run_to_end(plant, tmp_path / "calc")
    store = open_store(tmp_path / "calc")
    (stated,) = store.revisions(SITE, "P")
    assert (stated.state, stated.settled) == ("settled", True)
    assert stated == row(running, "P")
    plant.the_late_reading()
    go_on(running)
    assert [(r.state, r.settled) for r in store.revisions(SITE, "P")] == [
        ("settled", True),
        ("restated", True),
    ]


def test_a_start_after_closing_reopens_and_restates(plant: Plant, tmp_path: Path) -> None:
    plant.example_4()
    plant.event("e7", 180, "start", node="press", batch="Q")
    plant.read((240, 1150))
    running = run_to_end(plant, tmp_path / "calc")
    assert (row(running, "Q").state, row(running, "Q").revision) == ("live", 1)
    plant.event("e8", 240, "stop", node="press", batch="Q")
    plant.read((241, 1150))
    go_on(running)
    q = row(running, "Q")
    assert (q.state, q.revision, q.energy_kwh) == ("restated", 2, "0.042500")
    assert q.cause == "event e7 (offset 11)"


def test_an_unusable_record_is_noted_and_passed_over(plant: Plant, tmp_path: Path) -> None:
    plant.example_4()
    plant.model("format = 1\nsite = 7", key="bad")
    plant.model(MODEL.replace("cq-test", "other"), key="foreign")
    plant.factors("broken", b"{}")
    plant.read((190, 7), meters=("m-stray",))
    plant.the_late_reading()
    running = run_to_end(plant, tmp_path / "calc")
    assert running.site is not None
    assert row(running, "P").energy_kwh == "0.060000"
    assert set(running.site.told.problems) == {"model bad", "model foreign", "factor broken"}
    assert set(running.site.unmapped()) == {"m-stray"}


def test_a_model_in_other_units_rereads_the_registers(plant: Plant, tmp_path: Path) -> None:
    plant.read((0, 1000), (60, 1100))
    plant.model(MODEL.replace('to = "press"\nunit = "kWh"', 'to = "press"\nunit = "MJ"'))
    plant.factors()
    plant.event("e1", 0, "start", node="press", batch="P")
    running = run_to_end(plant, tmp_path / "calc")
    assert row(running, "P").energy_kwh == "0.100000"
    plant.model(MODEL, key="in-kWh")
    go_on(running)
    assert row(running, "P").energy_kwh == "0.100000"


def test_a_swapped_meter_goes_on_counting(plant: Plant, tmp_path: Path) -> None:
    plant.model()
    plant.factors()
    plant.event("e1", 0, "start", node="press", batch="P")
    plant.read((0, 1000), (60, 1100))
    detail = {"quantity": "active_energy_import", "closing": "1.150", "opening": "0.005"}
    samples = [
        Sample(meter, T0 + 120_000, {"active_energy_import": (15, -3)})
        for meter in ("m", "m-press")
    ]
    swaps = [MeterEvent(meter, T0 + 90_000, "swap", detail) for meter in ("m", "m-press")]
    plant.segment(samples, swaps)
    running = run_to_end(plant, tmp_path / "calc")
    assert row(running, "P").energy_kwh == "0.160000"  # 100 + 50 before, 10 after


def test_a_meter_its_gateway_calls_silent_holds_nobody_up(plant: Plant, tmp_path: Path) -> None:
    plant.model()
    plant.factors()
    plant.event("e1", 0, "start", node="press", batch="P")
    plant.read((0, 1000), (10, 1010))
    plant.event("e2", 20, "stop", node="press", batch="P")
    plant.segment(
        [Sample("m", T0 + 30_000, {"active_energy_import": (1030, -3)})],
        [MeterEvent("m-press", T0 + 30_000, "silent", {})],
    )
    waiting = run_to_end(plant, tmp_path / "waiting", rules(silent_s=3600))
    assert row(waiting, "P").state == "provisional"
    going_on = run_to_end(plant, tmp_path / "going-on", rules(silent_s=-60))
    assert (row(going_on, "P").state, row(going_on, "P").incomplete) == ("settled", True)
    assert row(going_on, "P").energy_kwh == "0.010000"
    plant.segment(
        [Sample("m-press", T0 + 40_000, {"active_energy_import": (1040, -3)})],
        [MeterEvent("m-press", T0 + 40_000, "back", {})],
    )
    go_on(going_on)
    p = row(going_on, "P")
    assert (p.state, p.revision, p.energy_kwh, p.incomplete) == ("restated", 2, "0.020000", False)


def test_a_voided_batch_is_restated_to_nothing(plant: Plant, tmp_path: Path) -> None:
    plant.example_4()
    for number, id_ in enumerate(("e1", "e2", "e5")):
        plant.event(f"v{number}", 200, "void", of=id_)
    running = run_to_end(plant, tmp_path / "calc")
    p = row(running, "P")
    assert (p.state, p.energy_kwh, p.good) == ("restated", "0.000000", "0")
    assert open_store(tmp_path / "calc").revisions(SITE, "P")[0].energy_kwh == "0.057500"


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE revision SET row = x'00'", "never changed"),
        ("DELETE FROM revision", "never deleted"),
        (
            "INSERT OR REPLACE INTO revision SELECT site, batch, revision, x'00' FROM revision",
            "never replaced",
        ),
        ("INSERT OR REPLACE INTO state SELECT site, offset - 1, data FROM state", "is further"),
    ],
)
def test_the_ledger_refuses_to_rewrite_what_it_stated(
    plant: Plant, tmp_path: Path, statement: str, words: str
) -> None:
    plant.example_4()
    run_to_end(plant, tmp_path / "calc")
    db = sqlite3.connect(tmp_path / "calc" / "ledger.db")
    with pytest.raises(sqlite3.IntegrityError, match=words):
        db.execute(statement)
    db.close()


def test_a_batch_whose_start_is_voided_before_it_closed_is_no_more(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.model()
    plant.event("e1", 0, "start", node="press", batch="P", product="wheel")
    plant.event("e2", 0, "quantity", batch="P", good="1", unit="piece")
    plant.read((0, 0), (60, 100))
    running = run_to_end(plant, tmp_path / "calc")
    assert row(running, "P").state == "live"
    plant.event("v1", 60, "void", of="e1")
    go_on(running)
    assert running.site is not None
    assert running.site.book.rows == {}
    assert open_store(tmp_path / "calc").rows(SITE) == []
    assert run_to_end(plant, tmp_path / "anew").site.book.rows == {}  # type: ignore[union-attr]
    plant.event("e3", 60, "start", node="press", batch="P", product="wheel")
    go_on(running)
    assert [r.batch for r in open_store(tmp_path / "calc").rows(SITE)] == ["P"]
