"""Which part of a figure is primary: by a factor measured at the plant, of energy that was read."""

from pathlib import Path

import pytest

from calc_stream.factors import load
from tests.unit.calc_stream_live.days import BURNT, MODEL, SUPPLIED, Days, Office

OWN_KG = "0.25"  # for a kWh, measured at the plant
OWN = f"""
format = 1
[documents.d]
publisher = "the plant"
title = "What our own line measured"
dated = "2026-01"
[[factors]]
id = "our-power-2026"
series = "our-power"
value = "{OWN_KG}"
unit = "kgCO2e/kWh"
kind = "product_footprint"
stage = "life_cycle"
region = "CN-CQ"
data_year = 2026
valid_from = 2026-01-01T00:00:00+08:00
document = "d"
status = "verified"
primary = true
"""


def test_what_is_interpolated_is_primary_by_no_factor(tmp_path: Path) -> None:
    """A was read after 15 min and again 65 min later, which is a gap: of its 2 kWh half is."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "own.toml").write_text(OWN)
    model = MODEL.replace('"cn-grid-footprint"', '"our-power"').replace(
        "slot_s = 60", "slot_s = 60\nmax_gap_s = 1800"
    )
    plant = Days(tmp_path, model)
    plant.factors("own", load(tmp_path / "own").encode())
    plant.meters(1)
    plant.told("start", 1, node="press", batch="A", product="wheel")
    plant.meters(1.25, 1000, 1000)
    plant.told("stop", 1.5, node="press", batch="A")
    plant.told("quantity", 1.5, batch="A", good="1", scrap="0", unit="piece")
    plant.meters(2.25, 4000, 4000)  # a quarter of it in the batch's time
    plant.meters(8.6)
    (found,) = Office(plant).look()
    electricity = 2 * float(OWN_KG)
    gas = 2 * float(BURNT + SUPPLIED)
    whole = electricity + gas
    assert float(found.kg_co2e) == pytest.approx(whole)
    assert found.measured_share == found.measured_activity_share == "0.5"
    assert float(found.primary_data_share) == pytest.approx(0.5 * electricity / whole, abs=1e-6)
