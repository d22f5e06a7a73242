"""A method that spreads pools gets them spread, or the model is refused."""

from dataclasses import replace
from pathlib import Path

from calc_stream.factors import load_method

from .plant import MODEL, Plant, row, rules, run_to_end

SPREAD = '[policy]\nspread = "machine_hours"\nwindow = "shift"\nshifts = ["08:00", "08:03"]\n'


def worked(folder: Path, model: str) -> Plant:
    """P from 30 s to 90 s, 57.5 Wh; idle before it 50 Wh, and 22.5 Wh after it; read for an hour."""
    plant = Plant(folder)
    plant.model(model)
    plant.factors()
    plant.event("e1", 30, "start", node="press", batch="P", product="wheel")
    plant.event("e2", 90, "stop", node="press", batch="P")
    plant.event("e3", 90, "quantity", batch="P", good="2", unit="piece")
    plant.read((0, 1000), (60, 1100), (180, 1130), (3600 * 9, 1130))
    return plant


def test_pact3_gives_a_batch_its_part_of_the_pool(tmp_path: Path) -> None:
    plant = worked(tmp_path, MODEL + SPREAD)
    running = run_to_end(plant, tmp_path / "l", replace(rules(), method=load_method("pact3")))
    found = row(running, "P")
    assert (found.method, found.state) == ("pact3", "settled")
    assert found.by_source == {"grid": "0.130000"}
    assert found.allocated == {"grid": "0.072500"}


def test_a_model_whose_pools_stay_is_refused_by_name(tmp_path: Path) -> None:
    plant = worked(tmp_path, MODEL)
    running = run_to_end(plant, tmp_path / "l", replace(rules(), method=load_method("pact3")))
    assert running.site is not None
    assert running.site.state.versions is None
    (why,) = [w for what, w in running.site.told.problems.items() if what.startswith("model")]
    assert "policy.spread" in why
    assert "pact3 spreads pools: by machine_hours or mass or pieces or direct_energy" in why
