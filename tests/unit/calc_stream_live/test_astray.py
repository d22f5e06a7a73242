"""Batches that go elsewhere when their figure is long published, and batches that never settle."""

import json
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from calc_stream.core import SiteState
from calc_stream.factors import load
from calc_stream.footprints.astray import astray
from calc_stream.footprints.factor import _weakest
from calc_stream.footprints.footprint import Footprint
from calc_stream.footprints.period import named_period
from calc_stream.footprints.series import series_of
from calc_stream.footprints.weighing import Weighed
from calc_stream.publishing import standing_of
from calc_stream.silence import Told
from tests.unit.calc_stream_live.days import DAILY, DAY_1, DAY_2, Days, Office
from tests.unit.calc_stream_live.footprints_sample import sample
from tests.unit.calc_stream_live.plant import SITE


@pytest.fixture
def plant(tmp_path: Path) -> Days:
    """A alone in the first day."""
    made = Days(tmp_path)
    made.batch("A", 1, 57_300, 12_345, "10")
    made.meters(8.5)
    return made


def standing_ones(office: Office) -> list[Footprint]:
    with closing(office.shelf()) as shelf:
        return shelf.newest(SITE)


def said(office: Office) -> list[str]:
    with closing(office.store()) as store, closing(office.shelf()) as shelf:
        _, data, told = store.state(SITE)
        its = SiteState.from_bytes(data), msgspec.json.decode(told, type=Told)
        standing = standing_of(office.terms, *its, store.rows(SITE), store.latest(SITE))
        assert standing is not None
        return list(astray(standing, shelf.newest(SITE), shelf.withdrawn(SITE), DAILY))


def test_a_batch_that_ended_in_another_period_after_all_counts_in_that_one_alone(
    plant: Days,
) -> None:
    office = Office(plant)
    (first,) = office.look()
    plant.told("stop", 11, node="press", batch="A")
    plant.meters(14, 1, 1)
    plant.meters(33, 1, 1)
    (second,) = office.look()
    assert (first.period, second.period, second.supersedes) == (DAY_1, DAY_2, (first.id,))
    assert standing_ones(office) == [second]
    assert office.look() == []
    (run,) = series_of(SITE, "wheel", office.all(), {}).runs
    assert [(point.period, point.id) for point in run.points] == [(DAY_2, second.id)]
    assert [(old.period, old.kg_co2e) for old in run.points[0].superseded] == [
        (DAY_1, first.kg_co2e)
    ]
    assert said(office) == []


def test_a_batch_that_is_counted_in_another_unit_after_all_counts_once(plant: Days) -> None:
    office = Office(plant)
    (first,) = office.look()
    plant.told("void", 8.6, of="e3")
    plant.told("quantity", 1.5, batch="A", good="100", scrap="0", unit="kg")
    (second,) = office.look()
    assert (first.unit, second.unit, second.supersedes) == ("piece", "kg", (first.id,))
    assert standing_ones(office) == [second]


def test_by_hand_it_takes_the_place_too(plant: Days) -> None:
    office = Office(plant)
    (first,) = office.look()
    plant.told("stop", 11, node="press", batch="A")
    plant.meters(14, 1, 1)
    office.follow()
    with closing(office.store()) as store, closing(office.shelf()) as shelf:
        found, _ = office.publisher(store, shelf).ask("wheel", named_period(DAY_2, first.timezone))
    assert (found.cause, found.supersedes) == ("asked", (first.id,))


@pytest.mark.parametrize("what", ["another product", "no output"])
def test_a_figure_without_any_batch_is_told_of(what: str, plant: Days) -> None:
    """Nothing can take its place: whoever has it has to be told."""
    office = Office(plant)
    (first,) = office.look()
    if what == "no output":
        plant.told("void", 8.6, of="e3")
    else:
        plant.told("void", 8.6, of="e1")
        plant.told("start", 1, node="press", batch="A", product="rim")
    found = office.look()
    assert [(each.product, each.supersedes) for each in found] == (
        [] if what == "no output" else [("rim", ())]
    )
    (line,) = said(office)
    assert f"wheel, {DAY_1}: footprint {first.id} stands, and none of its batches" in line


def test_a_batch_that_left_a_running_period_restates_it(plant: Days) -> None:
    plant.batch("D", 9, 57_300, 12_345, "5")
    plant.batch("E", 11, 57_300, 12_345, "5")
    plant.meters(12)
    office = Office(plant)
    first, drifted = office.look()
    assert (drifted.cause, [used.batch for used in drifted.batches]) == ("drift", ["D", "E"])
    plant.told("void", 12.1, of="e7")
    plant.told("start", 11, node="press", batch="E", product="rim")
    plant.meters(13)
    (again,) = office.look()
    assert (again.cause, [used.batch for used in again.batches]) == ("restated", ["D"])
    assert again.supersedes == (drifted.id,)
    assert first in standing_ones(office)


def test_a_running_figure_that_fell_too_far_is_published_as_one_that_rose(plant: Days) -> None:
    office = Office(plant)
    (first,) = office.look()
    plant.batch("D", 9, 57_300, 12_345, "50")
    plant.batch("E", 11, 57_300, 12_345, "50")
    plant.meters(12)
    (drifted,) = office.look()
    assert drifted.cause == "drift"
    assert float(drifted.kg_co2e) < 0.9 * float(first.kg_co2e)


def test_drift_is_from_the_last_figure_not_from_an_older_one(plant: Days) -> None:
    office = Office(plant)
    (first,) = office.look()
    for name, hour in (("D", 9), ("E", 33), ("F", 35)):
        plant.batch(name, hour, 57_300, 12_345, "5")
        plant.meters(hour + 1)
    (second,) = office.look()  # E and F say what D said
    assert float(second.kg_co2e) > 1.1 * float(first.kg_co2e)
    assert (second.cause, [used.batch for used in second.batches]) == ("period", ["D"])


def test_the_weakest_factor_says_how_far_all_are_verified() -> None:
    rows = {row.status: row for row in load().rows}
    assert set(rows) == {"verified", "secondary"}
    assert _weakest(Weighed(rows=rows)) == "secondary"
    assert _weakest(Weighed(rows={"one": rows["verified"]})) == "verified"


def test_a_period_that_waits_for_long_says_for_which_batches(tmp_path: Path) -> None:
    """A draws from K, which goes on for ever; B alone, which is settled, would be a better figure."""
    plant = Days(tmp_path)
    plant.told("start", 0.2, node="press", batch="K", product="blank")
    plant.told("quantity", 0.5, batch="K", good="5", scrap="0", unit="piece")
    plant.batch("A", 1, 57_300, 12_345, "10")
    plant.told("input", 1.5, batch="A", of="K", quantity="1", unit="piece")
    plant.batch("B", 3, 57_300, 12_345, "13")
    plant.meters(8.5)
    office = Office(plant)
    assert (office.look(), said(office)) == ([], [])  # it may settle yet
    plant.meters(33)
    assert office.look() == []
    assert said(office) == [f"wheel, {DAY_1}: waits for batches that do not settle: A"]


@pytest.mark.parametrize("t", ["0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"])
def test_an_end_that_is_no_time_holds_back_nobody_else(t: str, tmp_path: Path) -> None:
    plant = Days(tmp_path)
    plant.told("start", 1, node="press", batch="A", product="rim")
    told = {"id": "odd", "t": t, "type": "stop", "node": "press", "batch": "A"}
    plant._append("event", "odd", json.dumps(told).encode())
    plant.batch("B", 2, 57_300, 12_345, "10")
    plant.meters(8.5)
    (found,) = Office(plant).look()
    assert [used.batch for used in found.batches] == ["B"]


def test_a_figure_restated_more_often_than_a_stack_is_deep_keeps_its_history() -> None:
    chain = [sample()]
    for number in range(1500):
        id_ = f"{number:08d}-0000-5000-8000-000000000000"
        before = chain[-1]
        chain.append(msgspec.structs.replace(before, id=id_, supersedes=(before.id,)))
    (run,) = series_of("cq-wheel", "wheel-17", chain, {}).runs
    assert [old.id for old in run.points[0].superseded] == [each.id for each in chain[:-1]]
