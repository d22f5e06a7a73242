"""What is known of meters: classes, certificates, and what follows for a figure and a residual."""

import math
from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest

from calc_stream.core.plant import Meter
from calc_stream.core.uncertainty import (
    Uncertainty,
    bias_of,
    certified_until,
    residual_of,
    traceable,
)
from tests.unit.calc_stream.metered import KG, SIMPLE, T0, Case, case


@pytest.mark.parametrize(
    ("facts", "percent"),
    [
        ({"class": "1"}, 1 / math.sqrt(3)),
        ({"class": 1}, 1 / math.sqrt(3)),
        ({"class": "0.5S", "ct_class": "0.5"}, math.sqrt(0.25 + 0.25) / math.sqrt(3)),
        ({"class": "B"}, 1 / math.sqrt(3)),
        ({"class": "C", "certificate_u_percent": "0.3"}, 0.15),
        ({"certificate_u_percent": "0.3", "certificate_k": 3}, 0.1),
        ({"class": "good"}, None),
        ({"class": "1", "ct_class": "?"}, None),
        ({"ct_class": "0.5"}, None),
        ({}, None),
    ],
)
def test_a_bias_comes_from_the_certificate_or_else_from_the_classes(facts, percent) -> None:
    meter = Meter("m", "grid", "n1", "kWh", "electricity", Fraction(1), facts=facts)
    bias = bias_of(meter)
    if percent is None:
        assert bias is None
    else:
        assert bias is not None
        assert bias.u * 100 == pytest.approx(percent)


def test_a_meter_without_class_leaves_the_figure_without_uncertainty() -> None:
    plant = case(SIMPLE, facts="")
    found = plant.uncertainty("batch:A", kg=True)
    assert "m-grid" in found.unknown
    assert "m-grid" not in plant.uncertainty("batch:A").unknown  # of kWh, the board has one kind
    assert (found.u, found.u95) == (None, None)


def test_u95_joins_meters_split_and_factors() -> None:
    found = Uncertainty(100.0, {"a": 3.0, "b": -4.0}, split=12.0, factors=84.0)
    assert found.meters == 5
    assert found.u == pytest.approx(85)
    assert found.u95 == pytest.approx(170)


def test_the_traceable_share_is_what_passed_certified_meters_only() -> None:
    plant = case(SIMPLE)
    certified = {"certificate": "L-7", "certificate_due": "2027-01-01"}
    without_pv = tuple(
        m if m.id == "m-pv" else replace(m, facts=certified) for m in plant.model.meters
    )
    partly = Case(replace(plant.model, meters=without_pv), plant.events, plant.readings)
    found = partly.sensitivity("batch:A")
    entered = {s.meter.id: s.flow for s in found.slopes() if s.meter.start in KG}
    own = found._all[0][0].values["main"]
    from_grid = float((entered["m-grid"] * own).sum()) / 1e9
    assert 0 < traceable(found, partly.model) < found.value()
    assert traceable(found, partly.model) == pytest.approx(from_grid)
    assert traceable(plant.sensitivity("batch:A"), plant.model) == 0
    everything = tuple(replace(m, facts=certified) for m in plant.model.meters)
    whole = Case(replace(plant.model, meters=everything), plant.events, plant.readings)
    found = whole.sensitivity("batch:A")
    assert traceable(found, whole.model) == pytest.approx(found.value())


def test_a_certificate_holds_to_the_end_of_its_day_and_not_beyond() -> None:
    meter = Meter("m", "grid", "n1", "kWh", "electricity", Fraction(1))
    due = {"certificate": "L-7", "certificate_due": date(2025, 12, 31)}
    assert certified_until(replace(meter, facts=due)) == T0
    assert certified_until(replace(meter, facts={"certificate_due": "2025-12-31"})) is None
    assert certified_until(replace(meter, facts={**due, "certificate_due": "soon"})) is None
    plant = case(SIMPLE)
    expired = tuple(replace(m, facts=due) for m in plant.model.meters)
    late = Case(replace(plant.model, meters=expired), plant.events, plant.readings)
    assert traceable(late.sensitivity("batch:A"), late.model) == 0


def test_a_residual_below_zero_is_judged_by_the_meters_of_its_bus() -> None:
    model = case(SIMPLE).model
    biases = {m.id: bias for m in model.meters if (bias := bias_of(m)) is not None}
    counted = {"m-grid": 1000, "m-pv": 0, "m-n1": 700, "m-n2": 310, "m-comp": 0}
    found = residual_of("main", model, counted, biases)
    assert found.value == -10
    u = 0.01 / math.sqrt(3) * math.sqrt(1000**2 + 700**2 + 310**2)
    assert found.u95 == pytest.approx(2 * u)
    assert found.u95 is not None
    assert found.value + found.u95 > 0  # no news: meters of class 1 differ by this
    assert residual_of("main", model, counted, {}).u95 is None
