"""What was read and what lies between two readings is told apart by energy, whatever it is counted in."""

from pathlib import Path

import pytest

from calc_stream.core import parse_model
from calc_stream.core.tracing import upstream_of
from tests.unit.calc_stream_live.plant import MODEL, Plant, row, run_to_end

# A quantum of heat is a thousand times one of electricity.
HEAT = """
[carriers.heat]
unit = "MWh"
quanta_per_unit = 1_000_000
[sources.steam]
carrier = "heat"
[[meters]]
id = "m-steam"
from = "steam"
to = "press"
unit = "MWh"
"""


def test_a_gap_weighs_by_the_energy_in_it(tmp_path: Path) -> None:
    """540 Wh of electricity in a minute that was read, then 180 Wh of heat in two that were not."""
    plant = Plant(tmp_path)
    plant.model(f"max_gap_s = 100\n{MODEL}{HEAT}")
    plant.event("e1", 0, "start", node="press", batch="P")
    plant.event("e2", 180, "stop", node="press", batch="P")
    plant.read((0, 0), (60, 540), (120, 540), (180, 540))
    plant.read((0, 0), (60, 0), (180, 180), meters=("m-steam",))
    stated = row(run_to_end(plant, tmp_path / "calc"), "P")
    assert stated.by_source == {"grid": "0.540000", "steam": "0.000180"}
    assert (stated.measured_share, stated.interpolated_share) == ("0.75", "0.25")


@pytest.mark.parametrize(
    ("electricity_read", "steam_read", "share"),
    [
        ((0, 60, 120, 180), (0, 60, 120, 180), "1"),
        ((0, 60, 120, 180), (0, 180), "0.75"),
        ((0, 180), (0, 60, 120, 180), "0.25"),
        ((0, 180), (0, 180), "0"),
    ],
)
def test_what_came_through_a_meter_that_was_read_is_measured_whatever_another_one_missed(
    tmp_path: Path, electricity_read: tuple[int, ...], steam_read: tuple[int, ...], share: str
) -> None:
    plant = Plant(tmp_path)
    plant.model(f"max_gap_s = 100\n{MODEL}{HEAT}")
    plant.event("e1", 0, "start", node="press", batch="P")
    plant.event("e2", 180, "stop", node="press", batch="P")
    plant.read(*((at, 3 * at) for at in electricity_read))
    plant.read(*((at, at) for at in steam_read), meters=("m-steam",))
    stated = row(run_to_end(plant, tmp_path / "calc"), "P")
    assert stated.by_source == {"grid": "0.540000", "steam": "0.000180"}
    assert stated.measured_share == share


def test_what_may_come_through_a_meter_is_what_feeds_its_place_all_the_way_back() -> None:
    """A loop of two boards, a utility between carriers, and a battery that may hold anything."""
    wires = [("m-hall", "main", "hall"), ("m-back", "hall", "main"), ("m-u", "main", "u"),
             ("m-out", "battery", "spare"), ("m-in", "hall", "battery")]  # fmt: skip
    places = "".join(f'[buses.{n}]\ncarrier = "electricity"\n' for n in ("hall", "spare", "far"))
    places += '[utilities.u]\n[stores.battery]\ncarrier = "electricity"\n'
    meters = "".join(
        f'[[meters]]\nid = "{m}"\nfrom = "{a}"\nto = "{b}"\nunit = "kWh"\n' for m, a, b in wires
    )
    link = '[[links]]\nfrom = "u"\nto = "far"\n'
    found = upstream_of(parse_model(f"{MODEL}{HEAT}{places}{meters}{link}", "model"))
    grid = frozenset({"grid"})
    assert {name: found[name] for name in ("main", "hall", "u", "far")} == dict.fromkeys(
        ("main", "hall", "u", "far"), grid
    )
    assert (found["steam"], found["spare"], found["battery"]) == (frozenset({"steam"}), None, None)
