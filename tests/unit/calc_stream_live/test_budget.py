"""The uncertainty that `explain` shows: of the batch with what it was made of, meter by meter."""

import math
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from calc_stream.engines.embedded import Engine
from calc_stream.evidence.accounts import accounts_trail
from calc_stream.evidence.budget import Budget, accounts_of
from calc_stream.evidence.told import gather, versions_in_force
from calc_stream.evidence.trail import trail
from calc_stream.explanation import explain
from calc_stream.factors import FactorSet, Rates, load, load_method
from calc_stream.footprints.doubt import joint_budget
from calc_stream.ledger.store import open_store
from tests.unit.calc_stream_live.plant import MODEL, SITE, T0, Plant, row, run_to_end

CLASSES = MODEL.replace('id = "m"\n', 'id = "m"\nclass = "2"\n').replace(
    'id = "m-press"\n', 'id = "m-press"\nclass = "1"\n'
)
METHOD = load_method("gbt24067")
U = 0.01 / math.sqrt(3)


def found(plant: Plant, folder: Path, batch: str, factors: FactorSet | None = None) -> Budget:
    running = run_to_end(plant, folder)
    assert running.site is not None
    state = running.site.state
    assert state.versions is not None
    rates = Rates(state.versions, factors, METHOD) if factors else None
    its = joint_budget(state, [row(running, batch)], rates)
    assert its is not None
    return its


def example(tmp_path: Path, model: str) -> Plant:
    plant = Plant(tmp_path)
    plant.model(model)
    plant.factors()
    plant.event("e1", 30, "start", node="press", batch="P", product="wheel")
    plant.event("e2", 90, "stop", node="press", batch="P")
    plant.event("e3", 90, "start", node="press", batch="Q", product="wheel")
    plant.event("e4", 180, "stop", node="press", batch="Q")
    plant.event("e5", 180, "quantity", batch="P", good="2", unit="piece")
    plant.event("e6", 180, "input", batch="Q", of="P", quantity="1", unit="piece")
    plant.read((0, 1000), (30, 1050), (60, 1100), (90, 1107), (120, 1115), (180, 1130))
    return plant


def test_only_the_meter_that_decides_what_the_batch_got_counts(tmp_path: Path) -> None:
    """What the board's own meter counts cancels: the press took all there was."""
    its = found(example(tmp_path, CLASSES), tmp_path / "calc", "P")
    assert its.kg is None
    assert [part.meter for part in its.kwh.meters] == ["m-press"]
    assert its.kwh.value == "0.057"
    assert float(its.kwh.u95 or 0) == pytest.approx(2 * U * 0.057, rel=1e-5)
    assert (its.kwh.split_bound, its.kwh.unknown) == ("0", ())  # read at every edge
    assert its.traceable_share == "0"


def test_what_it_was_made_of_errs_together_with_it(tmp_path: Path) -> None:
    its = found(example(tmp_path, CLASSES), tmp_path / "calc", "Q")
    whole = 0.023 + 0.057 / 2
    assert float(its.kwh.value) == pytest.approx(whole)
    assert float(its.kwh.u95 or 0) == pytest.approx(2 * U * whole, rel=1e-5)


def test_the_factors_doubt_is_shown_apart(tmp_path: Path) -> None:
    shipped = load()
    doubted = tuple(
        msgspec.structs.replace(r, u95="0.1") if r.id == "cn-grid-footprint-2024" else r
        for r in shipped.rows
    )
    its = found(example(tmp_path, CLASSES), tmp_path / "calc", "P", FactorSet.of(doubted))
    assert its.kg is not None
    kg = 0.057 * 0.5777
    assert float(its.kg.value) == pytest.approx(kg)
    assert float(its.kg.factors_u95) == pytest.approx(0.1 * kg, rel=1e-5)
    assert float(its.kg.u95 or 0) == pytest.approx(math.hypot(2 * U, 0.1) * kg, rel=1e-5)
    assert float(its.kwh.u95 or 0) == pytest.approx(2 * U * 0.057, rel=1e-5)


def test_a_meter_of_which_nothing_is_known_leaves_the_figure_open(tmp_path: Path) -> None:
    its = found(example(tmp_path, MODEL), tmp_path / "calc", "P")
    assert (its.kwh.u95, its.kwh.unknown) == (None, ("m-press",))


def test_certificates_make_it_traceable_and_take_the_place_of_the_class(tmp_path: Path) -> None:
    facts = 'certificate = "L-7"\ncertificate_due = 2027-01-01\ncertificate_u_percent = "0.3"\n'
    model = MODEL.replace('id = "m"\n', f'id = "m"\n{facts}').replace(
        'id = "m-press"\n', f'id = "m-press"\nclass = "1"\n{facts}'
    )
    its = found(example(tmp_path, model), tmp_path / "calc", "P")
    assert its.traceable_share == "1"
    assert float(its.kwh.percent or 0) == pytest.approx(0.3)
    assert its.kwh.meters[0].origin == "certificate: U 0.3 %, k 2"


BATTERY = """
[stores.battery]
carrier = "electricity"
level = "1"
content = { grid = "1" }
[[meters]]
id = "m"
from = "grid"
to = "battery"
unit = "kWh"
class = "2"
[[meters]]
id = "m-press"
from = "battery"
to = "press"
unit = "kWh"
class = "1"
"""


def test_a_battery_on_the_way_has_a_budget_and_every_interval_of_it(tmp_path: Path) -> None:
    """It holds 1 kWh and is charged with just what it gives, so both meters turn the mix of nothing:
    what P takes errs with the meter that saw it leave, and with the level that both have told."""
    model = MODEL.split("[[meters]]")[0].replace('[buses.main]\ncarrier = "electricity"\n', "")
    plant = example(tmp_path, model + BATTERY)
    its = found(plant, tmp_path / "calc", "P")
    assert its.kwh.value == "0.057"
    assert its.kwh.meters[0].meter == "m-press"
    # Content and level stay one and the same, so 1 % more taken is 1 % more given.
    assert float(its.kwh.meters[0].u95) == pytest.approx(2 * U * 0.057, rel=1e-5)
    running = run_to_end(plant, tmp_path / "calc")
    stated = row(running, "P")
    models = versions_in_force(
        plant.writer.of_kind(SITE, "model"), stated.model, stated.offset, METHOD
    )
    over = trail(gather(plant.writer.walk(SITE), models, None), "P", T0 + 180_000).over
    assert accounts_trail(over, "P")[0].amounts == {"grid": "0.057000"}


def test_a_batch_counts_what_it_drew_of_others_all_the_way_back(tmp_path: Path) -> None:
    plant = example(tmp_path, CLASSES)
    running = run_to_end(plant, tmp_path / "calc")
    assert running.site is not None
    batches = running.site.state.batches
    assert accounts_of(batches, "Q") == {"batch:P": 0.5, "batch:Q": 1.0}
    assert accounts_of(batches, "P") == {"batch:P": 1.0}


def test_the_intervals_of_its_accounts_add_up_to_what_was_posted(tmp_path: Path) -> None:
    plant = example(tmp_path, CLASSES)
    running = run_to_end(plant, tmp_path / "calc")
    stated = row(running, "Q")
    models = versions_in_force(
        plant.writer.of_kind(SITE, "model"), stated.model, stated.offset, METHOD
    )
    its = trail(gather(plant.writer.walk(SITE), models, None), "Q", T0 + 180_000)
    own, of_p = accounts_trail(its.over, "Q")
    assert (own.account, own.counts, own.amounts) == ("batch:Q", "1", {"grid": "0.023000"})
    assert (of_p.account, of_p.counts, of_p.amounts) == ("batch:P", "0.5", {"grid": "0.057000"})
    assert [(one.from_ms - T0, one.amounts["grid"]) for one in own.intervals] == [
        (90_000, "0.008000"),
        (120_000, "0.015000"),
    ]
    posted = running.site.state.totals() if running.site else {}
    for account in (own, of_p):
        quanta = sum(Fraction(one.amounts["grid"]) for one in account.intervals) * 1_000_000
        assert posted[account.account] == {"grid": quanta}


def told(plant: Plant, running: Engine, batch: str) -> Budget:
    """As `explain` tells it, from the journal."""
    with closing(open_store(plant.folder / "calc")) as store:
        its = explain(store, plant.writer, SITE, row(running, batch)).uncertainty
    assert its is not None
    return its


def test_the_journal_and_the_ledgers_own_state_are_the_same_ground(tmp_path: Path) -> None:
    plant = example(tmp_path, CLASSES)
    assert replace(told(plant, run_to_end(plant, tmp_path / "calc"), "Q"), kg=None) == found(
        plant, tmp_path / "calc", "Q"
    )


LATER = "valid_from = 2026-11-21T08:02:00Z\n"
SHIFTS = 'window = "shift"\nshifts = ["00:00", "08:00", "08:05"]\n'


@pytest.mark.parametrize("spread", ["machine_hours", "direct_energy"])
@pytest.mark.parametrize("batch", ["P", "Q"])
def test_what_pools_gave_counts_with_it_and_with_what_was_made_of_it(
    tmp_path: Path, batch: str, spread: str
) -> None:
    """All that the press took, idle or not, is P's and Q's: its meter alone decides."""
    plant = example(tmp_path, f'{CLASSES}[policy]\nspread = "{spread}"\n{SHIFTS}')
    plant.read((240, 1190), (300, 1195), (360, 1200))
    running = run_to_end(plant, tmp_path / "calc")
    stated, its = row(running, batch), told(plant, running, batch)
    assert stated.settled
    assert stated.allocated
    assert float(its.kwh.value) == pytest.approx(float(stated.energy_kwh), rel=1e-5)
    assert its.kg is not None
    assert [part.meter for part in its.kwh.meters] == ["m-press"]
    assert float(its.kwh.u95 or 0) == pytest.approx(2 * U * float(stated.energy_kwh), rel=1e-5)
    assert replace(its, kg=None) == found(plant, tmp_path / "calc", batch)


def test_a_batch_that_runs_has_a_budget_of_what_is_posted(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.model(CLASSES)
    plant.event("e1", 30, "start", node="press", batch="P", product="wheel")
    plant.read((0, 1000), (60, 1100), (90, 1107))
    assert found(plant, tmp_path / "calc", "P").kwh.value == "0.057"


def test_two_versions_of_the_model_leave_it_known(tmp_path: Path) -> None:
    """The press's meter is of class 1, and of class 0.5 from the second minute on; it is the same one."""
    plant = example(tmp_path, CLASSES)
    better = CLASSES.replace('class = "1"\n', 'class = "0.5"\n')
    plant.model(better.replace("slot_s = 60\n", f"slot_s = 60\n{LATER}"), "model-2")
    its = told(plant, run_to_end(plant, tmp_path / "calc"), "Q")
    whole = 0.023 + 0.057 / 2
    assert float(its.kwh.value) == pytest.approx(whole, rel=1e-5)
    assert float(its.kwh.u95 or 0) == pytest.approx(2 * U * (whole - 0.015 / 2), rel=1e-5)


def test_the_set_up_its_campaign_shared_is_in_it(tmp_path: Path) -> None:
    policy = '[policy]\nsetup = "campaign"\ncampaign_max_s = 80\n'
    plant = example(tmp_path, CLASSES + policy)
    plant.event("e0", 10, "state", node="press", state="setup")
    plant.event("e7", 30, "state", node="press", state="producing")
    running = run_to_end(plant, tmp_path / "calc")
    its = told(plant, running, "P")
    assert its.kwh.value == f"{float(row(running, 'P').energy_kwh):g}"
    assert float(its.kwh.value) > 0.057
