"""What pools and campaigns gave a batch leads back to what each received, and by what it was shared out."""

from pathlib import Path

from calc_stream.commands.explained import tree
from tests.unit.calc_stream_live.plant import T0, Plant
from tests.unit.calc_stream_live.test_closing import CAMPAIGN, HOURS, begun
from tests.unit.calc_stream_live.test_explain_versions import explained


def test_a_pool_is_told_window_by_window(tmp_path: Path) -> None:
    """60 Wh a minute: 30 before P; from 08:02 on P runs a minute, Q three, and then 30 Wh are idle."""
    plant = Plant(tmp_path)
    plant.model(HOURS)
    plant.factors()
    plant.event("e1", 30, "start", node="press", batch="P")
    plant.event("e2", 180, "stop", node="press", batch="P")
    plant.event("e3", 180, "start", node="press", batch="Q")
    plant.event("e4", 330, "stop", node="press", batch="Q")
    plant.read((0, 1000), (360, 1360))
    told = explained(plant, "P")
    assert told.row.allocated == {"grid": "0.038571"}
    early, late = told.pools
    assert (early.account, early.by, early.share) == ("pool:press", "machine_hours", "1")
    assert (early.from_ms, early.to_ms) == (T0, T0 + 120_000)
    assert (early.received, early.amounts) == ({"grid": "0.030000"}, {"grid": "0.030000"})
    assert (late.from_ms, late.to_ms, late.share) == (T0 + 120_000, T0 + 360_000, "0.285714")
    assert (late.received, late.amounts) == ({"grid": "0.030000"}, {"grid": "0.008571"})
    assert (
        "pool:press, 2026-11-21T08:02:00.000Z – 2026-11-21T08:06:00.000Z: 0.008571 kWh of grid, "
        "28.5714 % by machine_hours, of 0.030000 kWh of grid" in tree(told)
    )


def test_a_campaign_is_told_with_all_its_set_up(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.event("e0", 0, "state", node="press", state="setup")
    begun(plant, CAMPAIGN)
    plant.event("e4", 95, "start", node="press", batch="Q", product="wheel")
    plant.event("e5", 100, "stop", node="press", batch="Q")
    plant.event("e6", 100, "quantity", batch="Q", good="4", unit="piece")
    plant.read((900, 1900))
    told = explained(plant, "P")
    (its,) = told.pools
    assert (its.account, its.by, its.from_ms) == ("campaign:press:P", "output", None)
    assert (its.received, its.share) == ({"grid": "0.030000"}, "0.333333")
    assert its.amounts == {"grid": "0.010000"}


def test_where_nothing_is_spread_no_pool_is_told_of(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.example_4()
    assert explained(plant, "P").pools == []
