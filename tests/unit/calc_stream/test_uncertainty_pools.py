"""Uncertainty of what pools gave that are spread by energy: the parts err with the meters, too."""

import math
import random
from fractions import Fraction
from statistics import stdev

import GTC
import pytest

from calc_stream.evidence.budget import Doubt
from tests.unit.calc_stream.pools import BATTERY, DAY, METERS, SHIFTS, Pools

LIMITS = {name: limit / 100 for name, *_, limit in (*METERS, *BATTERY)}
MONTH = 'window = "month"'
ALONE = [("A",), ("B",), ("C",), ("D",)]
FIGURES = [*ALONE, ("A", "B"), ("A", "B", "C", "D")]


def slopes(doubt: Doubt) -> dict[str, float]:
    """By how much a bias of each meter moves the figure, without its sign."""
    return {p.meter: float(p.u95) / 2 * math.sqrt(3) / LIMITS[p.meter] for p in doubt.meters}


def meters(doubt: Doubt) -> float:
    """Their standard uncertainty together, without that of edges between readings."""
    return math.hypot(*(float(part.u95) for part in doubt.meters)) / 2


@pytest.mark.parametrize(
    ("policy", "store", "later"),
    [(DAY, False, ""), (SHIFTS, True, ""), (MONTH, False, "direct_energy"), (DAY, False, "pieces")],
)
def test_the_derivative_is_that_of_recompute_and_spreading_for_every_figure_and_meter(
    policy: str, store: bool, later: str
) -> None:
    plant, step = Pools(policy, store, later=later), Fraction(1, 10**5)
    truth = plant.truth()
    moved = {
        m.id: [plant.truth({m.id: 1 + sign * step}) for sign in (1, -1)]
        for m in plant.models[0].meters
    }
    for names in FIGURES:
        its = plant.budget(*names)
        for at, doubt in enumerate((its.kwh, its.kg)):
            assert doubt is not None
            value = sum(truth[name][at] for name in names)
            assert float(doubt.value) == pytest.approx(value, rel=1e-5)
            for meter, (up, down) in moved.items():
                slope = sum(up[name][at] - down[name][at] for name in names) / float(2 * step)
                found = slopes(doubt).get(meter, 0)
                assert found == pytest.approx(abs(slope), abs=value * 1e-5), (names, meter)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_monte_carlo_through_recompute_and_spreading_agrees(record_property) -> None:
    """1200 plants with each meter off by a factor of its own."""
    plant, draws, rng = Pools(SHIFTS), 1200, random.Random(20261121)
    drawn = []
    for _ in range(draws):
        errors = {m.id: LIMITS[m.id] * rng.uniform(-1, 1) for m in plant.models[0].meters}
        scales = {name: Fraction(round(1e9 * (1 + by)), 10**9) for name, by in errors.items()}
        drawn.append(plant.truth(scales))
    for names in FIGURES:
        its = plant.budget(*names)
        for at, doubt in enumerate((its.kwh, its.kg)):
            assert doubt is not None
            spread = stdev(sum(figures[name][at] for name in names) for figures in drawn)
            ratio = spread / meters(doubt)
            record_property(f"{' '.join(names)} {'kg' if at else 'kWh'}", f"{ratio:.4f}")
            assert ratio == pytest.approx(1, abs=3 / math.sqrt(2 * draws))


def test_another_engine_gives_the_same_uncertainty() -> None:
    """A day of steady meters with GTC: n1 bears A for 5 hours (one of set-up, and half of two that it
    shares with B), B for 2, C for 3 and is idle for the rest; B is on n2 and D on n3 for 7 hours each."""
    plant, gas_kwh = Pools(DAY, steady=True), 10
    grid, pv, n1, n2, n3, office, comp, air_1, air_hall, gas_2, gas_office = (
        rate * GTC.ureal(1, LIMITS[name] / math.sqrt(3)) for name, *_, rate, _ in METERS
    )
    # What the meters of the main board saw leave gets all that came, and air goes on as it is metered.
    power = (grid + pv) / (n1 + n2 + n3 + office + comp)
    air = power * comp / (air_1 + air_hall)
    at_1, at_2, at_3 = power * n1 + air * air_1, power * n2, power * n3
    own = {"A": [5 * at_1, 0], "B": [2 * at_1 + 7 * at_2, 7 * gas_2]}
    own |= {"C": [3 * at_1, 0], "D": [7 * at_3, 0]}
    energy = {name: kwh + gas_kwh * gas for name, (kwh, gas) in own.items()}
    at_n1 = {"A": 5, "B": 2, "C": 3}
    on_l2 = {"B": 7 * (at_2 + gas_kwh * gas_2), "D": 7 * at_3}
    idle = {"n1": 14 * at_1, "n2": 17 * at_2, "n3": 17 * at_3}
    borne = {}
    for name, (kwh, gas) in own.items():
        kwh += idle["n1"] * at_n1.get(name, 0) / 10
        kwh += idle["n2"] * (name == "B") + idle["n3"] * (name == "D")
        gas += 17 * gas_2 * (name == "B")
        part = energy[name] / sum(energy.values())
        kwh += 24 * power * office * part
        gas += 24 * gas_office * part
        if name in on_l2:
            kwh += 24 * air * air_hall * on_l2[name] / sum(on_l2.values())
        borne[name] = kwh, gas
    borne["D"] = tuple(one + a / 2 for one, a in zip(borne["D"], borne["A"], strict=True))
    for names in FIGURES:
        its = plant.budget(*names)
        kwh, gas = (sum(borne[name][at] for name in names) for at in (0, 1))
        for doubt, theirs in ((its.kwh, kwh), (its.kg, 0.5777 * kwh + (2.16 + 0.608) * gas)):
            assert doubt is not None
            assert float(doubt.value) == pytest.approx(GTC.value(theirs), rel=1e-5)
            assert meters(doubt) == pytest.approx(GTC.uncertainty(theirs), rel=1e-5)
