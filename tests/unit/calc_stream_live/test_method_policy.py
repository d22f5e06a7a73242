"""A method that demands another policy than the model's gets it, live as from files; and whoever
computes a stated figure again does so under the same."""

from dataclasses import replace
from pathlib import Path

from calc_stream.core import SiteState
from calc_stream.explanation import explain
from calc_stream.factors import load_method
from calc_stream.ledger.rows import STATED
from calc_stream.ledger.store import open_store
from calc_stream.restated import Ask, differences, ground, restate
from calc_stream.site import Rules
from tests.unit.calc_stream_live.plant import (
    MODEL,
    SITE,
    Plant,
    engine,
    go_on,
    row,
    rules,
    run_to_end,
)
from wire.journal import open_reader

SPREAD = 'spread = "machine_hours"\nwindow = "shift"\nshifts = ["00:00", "08:00", "08:02"]\n'
POOL = MODEL + '[policy]\nsetup = "pool"\n' + SPREAD
# Windows of 08:00 to 08:02 and later: P has all of the first.
OWN, SET_UP, IDLE = "0.060000", "0.030000", "0.030000"


def begun(folder: Path) -> Plant:
    """Set-up up to 30 s, P up to 90 s, a Wh a second all the time."""
    plant = Plant(folder)
    plant.model(POOL)
    plant.factors()
    plant.event("e0", 0, "state", node="press", state="setup")
    plant.event("e1", 30, "start", node="press", batch="P", product="wheel")
    plant.event("e2", 90, "stop", node="press", batch="P")
    plant.event("e3", 90, "quantity", batch="P", good="2", unit="piece")
    plant.read((0, 1000), (30, 1030), (90, 1090), (120, 1120), (300, 1300))
    return plant


def by(method: str) -> Rules:
    return replace(rules(), method=load_method(method))


def test_set_up_goes_where_the_method_has_it(tmp_path: Path) -> None:
    plant = begun(tmp_path)
    free = row(run_to_end(plant, tmp_path / "free", by("gbt24067")), "P")
    assert (free.value_adding, free.overhead) == ({"grid": OWN}, {})
    assert free.allocated == {"grid": "0.060000"}  # set-up and idle time of the window
    bound = row(run_to_end(plant, tmp_path / "bound", by("pact3")), "P")
    assert (bound.value_adding, bound.overhead) == ({"grid": OWN}, {"grid": SET_UP})
    assert bound.allocated == {"grid": IDLE}
    assert (free.energy_kwh, bound.energy_kwh) == ("0.120000", "0.120000")


def test_the_state_says_it_and_another_method_after_a_restart_posts_anew(tmp_path: Path) -> None:
    plant = begun(tmp_path)
    running = run_to_end(plant, tmp_path / "calc", by("gbt24067"))
    running.close()
    again = go_on(engine(plant, open_store(tmp_path / "calc"), by("pact3")))
    assert again.site is not None
    assert again.site.state.accepted == load_method("gbt24067").accepted  # nothing has come since
    plant.read((301, 1301))
    go_on(again)
    whole = run_to_end(plant, tmp_path / "whole", by("pact3"))
    assert whole.site is not None
    assert again.site.state.to_bytes() == whole.site.state.to_bytes()
    kept = SiteState.from_bytes(whole.site.state.to_bytes())
    assert kept.accepted == {"setup": ("next",), "idle": ("pool",)}
    assert kept.sums() == whole.site.state.sums()


def test_a_stated_figure_is_computed_again_and_explained_under_the_same_policy(
    tmp_path: Path,
) -> None:
    plant = begun(tmp_path)
    running = run_to_end(plant, tmp_path / "calc", by("pact3"))
    stated = row(running, "P")
    assert stated.settled
    running.close()
    records = [r for r in plant.writer.walk(SITE) if r.offset <= stated.offset]
    its = ground(records, load_method("pact3"), Ask(("P",), stated.offset))
    (again,) = restate(its)
    assert list(differences(stated, again, STATED)) == []
    store, reader = open_store(tmp_path / "calc"), open_reader(plant.journal)
    told = explain(store, reader, SITE, stated)
    reader.close()
    own = next(account for account in told.accounts if account.account == "batch:P")
    assert own.amounts == {"grid": "0.090000"}  # set-up and production; its pool comes besides
