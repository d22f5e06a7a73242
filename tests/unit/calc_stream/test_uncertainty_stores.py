"""Uncertainty through stores, links of known flow and reference efficiencies: what a battery gives
tonight errs with the meters that charged it at noon."""

import math
import random
from fractions import Fraction
from statistics import fmean, stdev

import GTC
import numpy as np
import pytest

from calc_stream.core import Readings, parse_events, parse_model
from calc_stream.core.uncertainty import traceable
from tests.unit.calc_stream.metered import EVENTS, T0, Case, covariance
from tests.unit.calc_stream.test_uncertainty import jacobian

PLANT = """
format = 1
site = "p"
slot_s = 60
[carriers.electricity]
unit = "kWh"
quanta_per_unit = 1_000_000_000
[carriers.heat]
unit = "kWh"
quanta_per_unit = 1_000_000_000
[carriers.air]
unit = "m3"
quanta_per_unit = 1_000_000_000
[carriers.gas]
unit = "Nm3"
quanta_per_unit = 1_000_000_000
[sources]
grid = { carrier = "electricity" }
pv = { carrier = "electricity" }
gas = { carrier = "gas" }
[buses]
main = { carrier = "electricity" }
sub = { carrier = "electricity", residual = "links" }
far = { carrier = "electricity" }
heat = { carrier = "heat", residual = "spread" }
air = { carrier = "air" }
[utilities]
trafo = { loss = "0.02" }
chp = {}
compressor = {}
[stores.battery]
carrier = "electricity"
efficiency = "0.9"
level = "30"
content = { grid = "20", pv = "13" }
[stores.reserve]
carrier = "electricity"
efficiency = "0.95"
[stores.tank]
carrier = "air"
[nodes.n1]
[nodes.n2]
[nodes.office]
kind = "overhead"
[[links]]
from = "trafo"
to = "sub"
[[links]]
from = "sub"
to = "far"
loss = "0.05"
[[links]]
from = "compressor"
to = "air"
"""
METERS = [
    ("m-grid", "grid", "main", "kWh", 100),
    ("m-pv", "pv", "main", "kWh", 40),
    ("m-gas", "gas", "chp", "Nm3", 9),
    ("m-chp-el", "chp", "main", "kWh", 35),
    ("m-chp-heat", "chp", "heat", "kWh", 45),
    ("m-trafo", "main", "trafo", "kWh", 60),
    ("m-sub-n1", "sub", "n1", "kWh", 20),
    ("m-far-n2", "far", "n2", "kWh", 30),
    ("m-comp", "main", "compressor", "kWh", 25),
    ("m-n1", "main", "n1", "kWh", 40),
    ("m-charge", "main", "battery", "kWh", 30),
    ("m-discharge", "battery", "main", "kWh", 14),
    ("m-battery-n2", "battery", "n2", "kWh", 8),
    ("m-spare", "main", "reserve", "kWh", 4),
    ("m-reserve", "reserve", "n1", "kWh", 3),
    ("m-fill", "air", "tank", "m3", 50),
    ("m-empty", "tank", "n2", "m3", 55),
    ("m-air-n1", "air", "n1", "m3", 70),
    ("m-heat-n1", "heat", "n1", "kWh", 20),
    ("m-heat-n2", "heat", "n2", "kWh", 25),
]
REFERENCE = {"m-chp-el": "0.442", "m-chp-heat": "0.88"}


def stored(facts: str = 'class = "1"', minutes: int = 10) -> Case:
    text = PLANT
    for name, start, end, unit, _ in METERS:
        text += f'[[meters]]\nid = "{name}"\nfrom = "{start}"\nto = "{end}"\nunit = "{unit}"\n'
        text += f'reference_efficiency = "{REFERENCE[name]}"\n' if name in REFERENCE else ""
        text += f"{facts}\n"
    told = [
        f'{{"id":"e{at}","t":"2026-01-01T{t}Z","type":"{what}","node":"{node}","batch":"{batch}"}}'
        for at, (t, what, node, batch) in enumerate(EVENTS)
    ]
    rng, readings = random.Random(3), Readings()
    for name, _, _, _, rate in METERS:
        steps = [round(rate * 1000 * rng.uniform(0.6, 1.4)) for _ in range(minutes)]
        times = T0 + np.arange(minutes + 1, dtype=np.int64) * 60_000
        readings.add(name, times, np.cumsum([0, *steps]), -3)
    return Case(parse_model(text, "m"), list(parse_events("\n".join(told), "e")), readings)


def test_the_derivative_is_that_of_the_recompute_for_every_account_and_meter() -> None:
    """The tank runs empty on the way, and the battery fills the reserve by way of the board."""
    plant = stored()
    truth = plant.truth()
    assert {"batch:A", "batch:B", "store:battery", "store:tank", "residual:far"} <= truth.keys()
    step = Fraction(1, 10**5)
    moved = {
        m.id: [plant.truth({m.id: 1 + sign * step}) for sign in (1, -1)] for m in plant.model.meters
    }
    for account, figures in truth.items():
        for at, kg in ((0, False), (1, True)):
            found = plant.sensitivity(account, kg=kg)
            assert found.value() == pytest.approx(figures[at], rel=1e-7, abs=1e-7)
            for meter, by_bias in jacobian(found).items():
                up, down = (moved[meter][side].get(account, (0.0, 0.0))[at] for side in (0, 1))
                slope = (up - down) / float(2 * step)
                assert by_bias == pytest.approx(slope, abs=max(abs(figures[at]), 1) * 1e-4)


def test_a_batch_of_the_night_errs_with_what_charged_the_battery_before_it() -> None:
    moved = jacobian(stored().sensitivity("batch:B"))
    for earlier in ("m-charge", "m-gas", "m-spare", "m-fill"):
        assert abs(moved[earlier]) > 0.01


@pytest.mark.parametrize("draws", [200, pytest.param(4000, marks=pytest.mark.full)])
def test_monte_carlo_through_the_recompute_agrees(draws: int, record_property) -> None:
    plant, rng = stored(), random.Random(20260102)
    room = 3 / math.sqrt(2 * draws)  # three standard deviations of a standard deviation
    drawn: dict[str, list[tuple[float, float]]] = {}
    for _ in range(draws):
        scales = {
            m.id: Fraction(round(1e9 * (1 + rng.uniform(-0.01, 0.01))), 10**9)
            for m in plant.model.meters
        }
        for account, figures in plant.truth(scales).items():
            drawn.setdefault(account, []).append(figures)
    for account in ("batch:A", "batch:B", "store:battery", "residual:far"):
        for at, kg in ((0, False), (1, True)):
            u = plant.uncertainty(account, kg=kg).meters
            ratio = stdev(row[at] for row in drawn[account]) / u
            record_property(f"{account} {'kg' if kg else 'kWh'}", f"{ratio:.4f}")
            assert ratio == pytest.approx(1, abs=room)
    one, other = drawn["batch:A"], drawn["batch:B"]
    means = fmean(row[1] for row in one), fmean(row[1] for row in other)
    together = fmean((a[1] - means[0]) * (b[1] - means[1]) for a, b in zip(one, other, strict=True))
    a, b = (plant.uncertainty(account, kg=True) for account in ("batch:A", "batch:B"))
    record_property("covariance A B", f"{together / covariance(a, b):.4f}")
    assert together == pytest.approx(covariance(a, b), abs=2 * room * a.meters * b.meters)


SMALL = """
format = 1
site = "p"
slot_s = 60
[carriers]
electricity = { unit = "kWh", quanta_per_unit = 1_000_000_000 }
gas = { unit = "Nm3", quanta_per_unit = 1_000_000_000 }
heat = { unit = "kWh", quanta_per_unit = 1_000_000_000 }
[sources]
grid = { carrier = "electricity" }
pv = { carrier = "electricity" }
gas = { carrier = "gas" }
[buses]
main = { carrier = "electricity" }
sub = { carrier = "electricity" }
[utilities]
chp = {}
trafo = { loss = "0.1" }
[stores.battery]
carrier = "electricity"
efficiency = "0.8"
[nodes.n1]
[nodes.n2]
[[links]]
from = "trafo"
to = "sub"
"""


def small(edges: list[tuple[str, str, str, str, list[int]]], **more: str) -> Case:
    """Registers by minute, in whole units."""
    text, readings = SMALL, Readings()
    for name, start, end, unit, counted in edges:
        text += f'[[meters]]\nid = "{name}"\nfrom = "{start}"\nto = "{end}"\nunit = "{unit}"\n'
        text += more.get(name.replace("-", "_"), "") + 'class = "1"\n'
        times = T0 + np.arange(len(counted) + 1, dtype=np.int64) * 60_000
        readings.add(name, times, np.cumsum([0, *counted]), 0)
    return Case(parse_model(text, "m"), [], readings)


def same(plant: Case, theirs: dict[str, object]) -> None:
    """Value, uncertainty and correlation of each pair as GTC has them."""
    ours = {account: plant.uncertainty(account) for account in theirs}
    for account, number in theirs.items():
        assert ours[account].value == pytest.approx(GTC.value(number), rel=1e-9)
        assert ours[account].meters == pytest.approx(GTC.uncertainty(number), rel=1e-9)
        for other, another in theirs.items():
            product = ours[account].meters * ours[other].meters
            correlation = covariance(ours[account], ours[other]) / product
            theirs_too = GTC.get_correlation(number, another) if other != account else 1.0
            assert correlation == pytest.approx(theirs_too, rel=1e-8)


def biases(*names: str) -> list[object]:
    return [GTC.ureal(1, 0.01 / math.sqrt(3), label=name) for name in names]


def test_another_engine_agrees_on_a_battery_charged_twice_and_used_by_two() -> None:
    """Charged from a mixed board, used in part, charged again, used in part by two."""
    plant = small(
        [
            ("m-grid", "grid", "main", "kWh", [60, 0, 30, 0]),
            ("m-pv", "pv", "main", "kWh", [40, 0, 0, 0]),
            ("m-n1", "main", "n1", "kWh", [50, 0, 10, 0]),
            ("m-charge", "main", "battery", "kWh", [40, 0, 20, 0]),
            ("m-b1", "battery", "n1", "kWh", [0, 10, 0, 6]),
            ("m-b2", "battery", "n2", "kWh", [0, 0, 0, 12]),
        ]
    )
    grid, pv, n1, charge, b1, b2 = biases("grid", "pv", "n1", "charge", "b1", "b2")
    first = 60 * grid + 40 * pv
    content, level = first * (40 * charge) / first, 0.8 * 40 * charge
    to_n1 = first * (50 * n1) / first + content * (10 * b1) / level
    content, level = content - content * (10 * b1) / level, level - 10 * b1
    second = 30 * grid
    to_n1 = to_n1 + second * (10 * n1) / second
    content, level = content + second * (20 * charge) / second, level + 0.8 * 20 * charge
    to_n1 = to_n1 + content * (6 * b1) / level
    to_n2 = content * (12 * b2) / level
    same(plant, {"pool:n1": to_n1, "pool:n2": to_n2})


def test_another_engine_agrees_on_a_battery_that_is_run_empty() -> None:
    """More is taken than there is: both take their part of all that was put in."""
    plant = small(
        [
            ("m-grid", "grid", "main", "kWh", [60, 0]),
            ("m-charge", "main", "battery", "kWh", [20, 0]),
            ("m-b1", "battery", "n1", "kWh", [0, 8]),
            ("m-b2", "battery", "n2", "kWh", [0, 12]),
        ]
    )
    _, charge, b1, b2 = biases("grid", "charge", "b1", "b2")
    out = 8 * b1 + 12 * b2
    theirs = {"pool:n1": 20 * charge * 8 * b1 / out, "pool:n2": 20 * charge * 12 * b2 / out}
    same(plant, theirs)


def test_another_engine_agrees_on_heat_and_power_and_a_transformer() -> None:
    """What the transformer passes on weighs the board behind it; outputs weigh energy / efficiency."""
    plant = small(
        [
            ("m-gas", "gas", "chp", "Nm3", [100]),
            ("m-el", "chp", "main", "kWh", [30]),
            ("m-heat", "chp", "n2", "kWh", [50]),
            ("m-grid", "grid", "main", "kWh", [70]),
            ("m-trafo", "main", "trafo", "kWh", [80]),
            ("m-pv", "pv", "sub", "kWh", [28]),
            ("m-n1", "sub", "n1", "kWh", [60]),
        ],
        m_el='reference_efficiency = "0.5"\n',
        m_heat='carrier = "heat"\nreference_efficiency = "0.9"\n',
    )
    gas, el, heat, grid, trafo, pv, n1 = biases("gas", "el", "heat", "grid", "trafo", "pv", "n1")
    power, warmth = 30 * el / 0.5, 50 * heat / 0.9
    to_power = 100 * gas * power / (power + warmth)
    main = to_power + 70 * grid
    passed = main * (80 * trafo) / (30 * el + 70 * grid)
    sub, divisor = passed + 28 * pv, 0.9 * 80 * trafo + 28 * pv
    theirs = {
        "pool:n1": sub * (60 * n1) / divisor,
        "pool:n2": 100 * gas * warmth / (power + warmth),
        "residual:sub": sub * (divisor - 60 * n1) / divisor,
        "residual:main": main * (30 * el + 70 * grid - 80 * trafo) / (30 * el + 70 * grid),
    }
    same(plant, theirs)


def test_only_what_came_into_a_store_through_certified_meters_is_traceable_again() -> None:
    """The grid's 60 are certified all the way, the roof's 40 are not: 0.6 of what the battery gives."""
    plant = small(
        [
            ("m-grid", "grid", "main", "kWh", [60, 0]),
            ("m-pv", "pv", "main", "kWh", [40, 0]),
            ("m-charge", "main", "battery", "kWh", [50, 0]),
            ("m-b1", "battery", "n1", "kWh", [0, 10]),
        ],
        **dict.fromkeys(
            ("m_grid", "m_charge", "m_b1"),
            'certificate = "L-7"\ncertificate_due = 2027-01-01\n',
        ),
    )
    found = plant.sensitivity("pool:n1")
    assert found.value() == pytest.approx(50 * 10 / 40)
    assert traceable(found, plant.model) == pytest.approx(0.6 * found.value())


def test_what_a_store_began_with_is_told_and_came_through_no_meter() -> None:
    plant = stored()
    found = plant.sensitivity("batch:A", "batch:B")
    every = {meter.id: np.ones(found.edges.size - 1) for meter in plant.model.meters}
    assert 0 < found.value() - found.value(every) < 33
