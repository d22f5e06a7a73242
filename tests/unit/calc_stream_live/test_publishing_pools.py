"""What pools and campaigns gave errs with the meters it passed, and with those it was shared by."""

import math
from fractions import Fraction
from pathlib import Path

import pytest

from tests.unit.calc_stream_live.days import BY_ENERGY, GRID, HOUR_S, MODEL, Days, Office
from tests.unit.calc_stream_live.plant import T0
from wire.messages import Sample

OFFICE = """
[[meters]]
id = "o"
from = "grid"
to = "office"
unit = "kWh"
class = "2"
[nodes.office]
kind = "overhead"
"""


def with_office(folder: Path, policy: str) -> Days:
    """Half an hour of wheels and one of rims; 40 kWh idle beside them, and 100 kWh in the office."""
    model = BY_ENERGY.replace("direct_energy", policy)
    plant = Days(folder, model + OFFICE)
    register = 0
    for hour in (0, 8, 8.5):
        register += 50_000 if hour else 0
        t_ms = T0 + round(hour * HOUR_S * 1000)
        plant.segment([Sample("o", t_ms, {"active_energy_import": (register * 2, -3)})])
        if hour == 0:
            plant.batch("A", 1, 57_300, 12_345, "10")
            plant.meters(2, 40_000, 1_000)
            plant.batch("R1", 3, 30_000, 10_000, "4", "rim")
            plant.batch("R2", 4, 30_000, 10_000, "4", "rim")
            plant.meters(8)
    plant.meters(8.5)
    return plant


@pytest.mark.parametrize(
    ("policy", "part"), [("machine_hours", Fraction(1, 3)), ("pieces", Fraction(11, 21))]
)
def test_what_pools_gave_errs_with_the_meters_of_the_pools(
    tmp_path: Path, policy: str, part: Fraction
) -> None:
    plant = with_office(tmp_path, policy)
    rims, wheels = sorted(Office(plant).look(), key=lambda each: each.product)
    assert (rims.product, wheels.product) == ("rim", "wheel")
    press, office = 57.3 + float(part) * 40, float(part) * 100
    assert float(wheels.energy_kwh) == pytest.approx(press + office, abs=1e-3)
    assert wheels.stages["allocated"] != "0"
    assert wheels.u95.kwh is not None
    doubt = 2 / math.sqrt(3) * math.hypot(0.01 * press, 0.02 * office)
    assert float(wheels.u95.kwh) == pytest.approx(doubt / 10, rel=1e-4)
    assert wheels.u95.kg_co2e is not None
    gas = 0.015 * 2.768 * (12.345 + float(part))
    electricity = [0.01 * press * float(GRID), 0.02 * office * float(GRID)]
    doubt = 2 / math.sqrt(3) * math.hypot(*electricity, gas)
    assert float(wheels.u95.kg_co2e) == pytest.approx(doubt / 10, rel=1e-4)


def test_parts_that_go_by_energy_err_with_the_meters_of_the_batches(tmp_path: Path) -> None:
    """A took 57.3 kWh and gas of 123.45 kWh, both rims 60 and 200; the same meters count it and 40 kWh
    and 1 Nm3 besides. Where one counts a little more, the wheels' part moves as well."""
    rims, wheels = sorted(
        Office(with_office(tmp_path, "direct_energy")).look(), key=lambda each: each.product
    )
    by_meter = {"m": (57.3, 60), "g": (123.45, 200)}
    every = sum(map(sum, by_meter.values()))
    part = (57.3 + 123.45) / every
    turns = {
        meter: (mine - part * (mine + other)) / every for meter, (mine, other) in by_meter.items()
    }
    kwh, gas = 57.3 + part * 140, 12.345 + part
    assert float(wheels.energy_kwh) == pytest.approx(kwh, abs=1e-3)
    assert float(rims.energy_kwh) == pytest.approx(257.3 - kwh, abs=1e-3)
    moved = [57.3 + part * 40 + 140 * turns["m"], 140 * turns["g"], part * 100]
    errors = [0.01, 0.015, 0.02]
    doubt = math.hypot(*(by * u for by, u in zip(moved, errors, strict=True))) * 2 / math.sqrt(3)
    assert float(wheels.u95.kwh or 0) == pytest.approx(doubt / 10, rel=1e-4)
    whole = 140 * float(GRID) + 2.768  # kg that the pools gave together
    moved = [
        (57.3 + part * 40) * float(GRID) + whole * turns["m"],
        gas * 2.768 + whole * turns["g"],
        part * 100 * float(GRID),
    ]
    doubt = math.hypot(*(by * u for by, u in zip(moved, errors, strict=True))) * 2 / math.sqrt(3)
    assert float(wheels.u95.kg_co2e or 0) == pytest.approx(doubt / 10, rel=1e-4)


def test_the_set_up_a_campaign_shares_is_in_the_doubt(tmp_path: Path) -> None:
    plant = Days(tmp_path, MODEL + '[policy]\nsetup = "campaign"\ncampaign_max_s = 7200\n')
    plant.meters(0.5)
    plant.told("state", 0.5, node="press", state="setup")
    plant.meters(1, 20_000, 0)
    plant.batch("A", 1, 50_000, 12_345, "10")
    plant.batch("B", 2, 30_000, 12_345, "10")
    plant.meters(12)
    (found,) = Office(plant).look()
    assert (found.energy_kwh, found.stages["overhead"]) == ("100.000000", "0.5777")
    assert found.u95.kwh is not None
    assert float(found.u95.kwh) == pytest.approx(2 * 0.01 / math.sqrt(3) * 100 / 20, rel=1e-5)
