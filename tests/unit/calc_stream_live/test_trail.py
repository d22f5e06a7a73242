"""What `explain` finds adds up: registers, the batch's part, sources, also where a node is shared."""

from fractions import Fraction
from pathlib import Path

import pytest

from calc_stream.evidence.told import gather, versions_in_force
from calc_stream.evidence.trail import Trail, trail
from calc_stream.factors import load_method
from tests.unit.calc_stream_live.plant import MODEL, SITE, T0, Plant, row, run_to_end
from wire.errors import ConfigError
from wire.messages import MeterEvent, Sample

# Two sources, a board behind a board, and a second machine.
TWO_BOARDS = (
    MODEL.replace("[buses.main]", '[sources.pv]\ncarrier = "electricity"\n[buses.main]')
    .replace("[nodes.press]", '[buses.hall]\ncarrier = "electricity"\n[nodes.press]\n[nodes.oven]')
    .replace('from = "main"\nto = "press"', 'from = "hall"\nto = "press"')
) + "".join(
    f'[[meters]]\nid = "{id_}"\nfrom = "{start}"\nto = "{end}"\nunit = "kWh"\n'
    for id_, start, end in (
        ("m-pv", "pv", "main"),
        ("m-hall", "main", "hall"),
        ("m-oven", "main", "oven"),
    )
)
METHOD = load_method("gbt24067")
# Wh counted in a second
RATES = {"m": 7, "m-pv": 3, "m-hall": 4, "m-oven": 5, "m-press": 3}


def explained(plant: Plant, folder: Path, batch: str) -> tuple[Trail, dict[str, int]]:
    """(its trail, the quanta the engine posted to it by source)."""
    running = run_to_end(plant, folder)
    stated = row(running, batch)
    assert running.site is not None
    assert stated.ended_ms is not None
    models = versions_in_force(
        plant.writer.of_kind(SITE, "model"), stated.model, stated.offset, METHOD
    )
    told = gather(plant.writer.walk(SITE), models, None)
    found = trail(told, batch, stated.ended_ms)
    return found, running.site.state.totals()[f"batch:{batch}"]


def shared(plant: Plant) -> None:
    """P and Q share the press from 33 s on, P with weight 2; P is in the oven, too."""
    plant.model(TWO_BOARDS)
    plant.event("e1", 10, "start", node="press", batch="P", weight="2")
    plant.event("e2", 33, "start", node="press", batch="Q", weight="1")
    plant.event("e3", 71, "stop", node="press", batch="P")
    plant.event("e4", 75, "start", node="oven", batch="P")
    plant.event("e5", 97, "stop", node="oven", batch="P")
    for at in (0, 7, 60, 91, 150):
        samples = [
            Sample(meter, T0 + at * 1000, {"active_energy_import": (100_000 + rate * at, -3)})
            for meter, rate in RATES.items()
        ]
        plant.segment(samples)


def test_the_parts_of_the_source_meters_are_what_was_posted(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    shared(plant)
    found, posted = explained(plant, tmp_path / "calc", "P")
    assert set(posted) == {"grid", "pv"}
    for source, quanta in posted.items():
        assert abs(found.entered[source] - quanta) < found.intervals
    # 23 s of the press alone, 38 s of it with two thirds, 22 s of the oven; the boards lose a Wh/s.
    machines = 3 * 23 + Fraction(2, 3) * 3 * 38 + 5 * 22
    assert sum(found.entered.values()) == machines * 1000


def test_a_shared_machine_says_what_part_went_to_the_batch(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    shared(plant)
    found, _ = explained(plant, tmp_path / "calc", "P")
    meters = {meter.meter: meter for meter in found.meters}
    assert set(meters) == set(RATES)
    press, oven = meters["m-press"], meters["m-oven"]
    assert (press.counted, press.to_batch) == ("0.183000", "0.145000000")  # 61 s, and 69 + 76 Wh
    assert press.share == "0.79235"
    assert (oven.counted, oven.to_batch, oven.share) == ("0.110000", "0.110000000", "1")
    assert press.since is not None
    assert press.until is not None
    assert (press.since.t_ms, press.until.t_ms) == (T0 + 10_000, T0 + 71_000)
    assert (press.since.total, press.until.total) == ("100.030000", "100.213000")
    around = press.until.before, press.until.after
    assert [(r.t_ms - T0, r.register) for r in around] == [(60_000, "100.180"), (91_000, "100.273")]
    assert [part.key for part in press.segments] == ["gw-1/s1/2", "gw-1/s1/3", "gw-1/s1/4"]


def test_a_loop_without_an_end_takes_no_part_from_what_passes_by_it(tmp_path: Path) -> None:
    """a and b give each other all they have; of the board they are on the press got 50 of 60 Wh."""
    wires = (("m", "grid", "main"), ("m-press", "main", "press"), ("m-a", "main", "a"),
             ("m-ab", "a", "b"), ("m-ba", "b", "a"), ("m-back", "b", "main"))  # fmt: skip
    model = MODEL.partition("[[meters]]")[0] + "".join(
        f'[[meters]]\nid = "{id_}"\nfrom = "{start}"\nto = "{end}"\nunit = "kWh"\n'
        for id_, start, end in wires
    )
    board = '[buses.{}]\ncarrier = "electricity"\nresidual = "spread"\n'
    plant = Plant(tmp_path)
    plant.model(
        model.replace("[nodes.press]", board.format("a") + board.format("b") + "[nodes.press]")
    )
    plant.event("e1", 0, "start", node="press", batch="P")
    plant.event("e2", 60, "stop", node="press", batch="P")
    for meter, wh in {"m": 60, "m-press": 50, "m-a": 10, "m-ab": 7, "m-ba": 7, "m-back": 0}.items():
        plant.read((0, 0), (60, wh), meters=(meter,))
    found, posted = explained(plant, tmp_path / "calc", "P")
    assert posted == {"grid": 50_000}
    assert found.entered == posted


def test_a_swapped_register_is_told_beside_its_total(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.model()
    plant.event("e1", 10, "start", node="press", batch="P")
    plant.event("e2", 110, "stop", node="press", batch="P")
    plant.read((0, 1000), (60, 1100))
    detail = {"quantity": "active_energy_import", "closing": "1.150", "opening": "0.005"}
    answers = [
        Sample(m, T0 + 120_000, {"active_energy_import": (15, -3)}) for m in ("m", "m-press")
    ]
    swaps = [MeterEvent(meter, T0 + 90_000, "swap", detail) for meter in ("m", "m-press")]
    plant.segment(answers, swaps)
    found, _ = explained(plant, tmp_path / "calc", "P")
    until = found.meters[1].until
    assert until is not None
    assert (until.before.register, until.before.total) == (None, "1.150")
    assert (until.after.register, until.after.total) == ("0.015", "1.160")


def test_a_journal_of_somebody_else_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is it the one"):
        versions_in_force([], "a" * 64, 7, METHOD)
