"""What was read and what lies between two readings is told apart by energy, whatever it is counted in."""

from pathlib import Path

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
