"""Uncertainty against what it stands for: the real recompute with other meters, and another engine."""

import math
import random
from collections.abc import Mapping
from fractions import Fraction
from statistics import fmean, stdev

import GTC
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calc_stream.core import Readings, parse_events, parse_model
from calc_stream.core.sensitivity import Sensitivity
from calc_stream.core.uncertainty import Bias, Tally, bias_of
from tests.unit.calc_stream.metered import KG, LOOP, SIMPLE, T0, Case, case, covariance


def jacobian(found: Sensitivity) -> dict[str, float]:
    return {s.meter.id: float((s.slope * s.flow).sum()) for s in found.slopes()}


@pytest.mark.parametrize("residual", ["account", "spread", "links"])
def test_the_derivative_is_that_of_the_recompute_for_every_account_and_meter(residual: str) -> None:
    plant = case(LOOP, residual)
    truth = plant.truth()
    assert len(truth) >= 7
    found = {account: jacobian(plant.sensitivity(account)) for account in truth}
    step = Fraction(1, 10**5)
    for meter in plant.model.meters:
        up, down = (plant.truth({meter.id: 1 + sign * step}) for sign in (1, -1))
        for account, (kwh, _) in truth.items():
            slope = (up[account][0] - down[account][0]) / float(2 * step)
            assert found[account][meter.id] == pytest.approx(slope, abs=max(kwh, 1) * 1e-4)


@pytest.mark.parametrize("residual", ["account", "spread", "links"])
def test_a_bias_that_all_meters_share_moves_every_account_by_itself(residual: str) -> None:
    plant = case(LOOP, residual)
    for account, (kwh, kg) in plant.truth().items():
        for value, found in ((kwh, False), (kg, True)):
            sensitivity = plant.sensitivity(account, kg=found)
            assert sensitivity.value() == pytest.approx(value, rel=1e-7)
            assert sum(jacobian(sensitivity).values()) == pytest.approx(value, rel=1e-7)


def test_accounts_together_are_what_entered_and_keep_only_the_source_meters_errors() -> None:
    plant = case(LOOP)
    found = plant.sensitivity(*plant.truth())
    entered = {
        m.id: float(s.flow.sum()) / 1e9 for s in found.slopes() if (m := s.meter).start in KG
    }
    moved = jacobian(found)
    for meter, by_bias in moved.items():
        assert by_bias == pytest.approx(entered.get(meter, 0.0), abs=1e-6)


def test_monte_carlo_through_the_recompute_agrees(record_property) -> None:
    """2000 plants, each meter off by a factor of its own: spread, and what two batches share."""
    plant, draws, rng = case(SIMPLE), 2000, random.Random(20260101)
    limit = 0.01
    drawn: dict[str, list[tuple[float, float]]] = {}
    for _ in range(draws):
        scales = {
            m.id: Fraction(round(1e9 * (1 + rng.uniform(-limit, limit))), 10**9)
            for m in plant.model.meters
        }
        for account, figures in plant.truth(scales).items():
            drawn.setdefault(account, []).append(figures)
    for account, figures in sorted(drawn.items()):
        for at, kg in ((0, False), (1, True)):
            u = plant.uncertainty(account, kg=kg).meters
            ratio = stdev(row[at] for row in figures) / u
            record_property(f"{account} {'kg' if kg else 'kWh'}", f"{ratio:.4f}")
            assert ratio == pytest.approx(1, abs=0.05)  # 3 / sqrt(2 x 2000) is 4.7 %
    one, other = drawn["batch:A"], drawn["batch:B"]
    means = fmean(row[0] for row in one), fmean(row[0] for row in other)
    together = fmean((a[0] - means[0]) * (b[0] - means[1]) for a, b in zip(one, other, strict=True))
    a, b = plant.uncertainty("batch:A"), plant.uncertainty("batch:B")
    record_property("covariance A B", f"{together / covariance(a, b):.4f}")
    assert together == pytest.approx(covariance(a, b), abs=0.07 * a.meters * b.meters)
    assert covariance(a, a) == pytest.approx(a.meters**2)


def test_another_engine_gives_the_same_uncertainty_and_correlation() -> None:
    """Worked example 5 with GTC: grid 80, PV 20; A 60, compressor 30, rest 10; air A 200, B 100."""
    edges = [
        ("m-grid", "grid", "main", "kWh", 80),
        ("m-pv", "pv", "main", "kWh", 20),
        ("m-n1", "main", "n1", "kWh", 60),
        ("m-comp", "main", "compressor", "kWh", 30),
        ("m-air-n1", "air", "n1", "m3", 200),
        ("m-air-n2", "air", "n2", "m3", 100),
    ]
    plant = case(edges)
    readings = Readings()
    for name, _, _, _, rate in edges:
        readings.add(name, np.array([T0, T0 + 60_000]), np.array([0, rate]), 0)
    plant = Case(plant.model, [], readings)
    u = 0.01 / math.sqrt(3)
    grid, pv, n1, comp, air1, air2 = (rate * GTC.ureal(1, u) for *_, rate in edges)
    content = {"kWh": grid + pv, "kg": KG["grid"] * grid + KG["pv"] * pv}
    divisor = grid + pv
    for kg in (False, True):
        whole = content["kg" if kg else "kWh"]
        to_air = whole * comp / divisor
        theirs = {
            "pool:n1": whole * n1 / divisor + to_air * air1 / (air1 + air2),
            "pool:n2": to_air * air2 / (air1 + air2),
            "residual:main": whole * (divisor - n1 - comp) / divisor,
        }
        ours = {account: plant.uncertainty(account, kg=kg) for account in theirs}
        for account, number in theirs.items():
            assert ours[account].value == pytest.approx(GTC.value(number), rel=1e-9)
            assert ours[account].meters == pytest.approx(GTC.uncertainty(number), rel=1e-9)
        one, other = ours["pool:n1"], ours["pool:n2"]
        correlation = covariance(one, other) / one.meters / other.meters
        assert correlation == pytest.approx(
            GTC.get_correlation(theirs["pool:n1"], theirs["pool:n2"]), rel=1e-9
        )


ONE_METER = """
format = 1
site = "s"
[carriers.electricity]
unit = "kWh"
quanta_per_unit = 1_000_000_000
[sources.grid]
carrier = "electricity"
[nodes.n]
[[meters]]
id = "m"
from = "grid"
to = "n"
unit = "kWh"
class = "1"
"""
# Worked example 4: P from 30 s to 90 s, Q from 90 s to 180 s; read at 0, 60 and 180 s.
P_AND_Q = "\n".join(
    f'{{"id":"{at}","t":"2026-01-01T00:{t}Z","type":"{what}","node":"n","batch":"{batch}"}}'
    for at, (t, what, batch) in enumerate(
        [
            ("00:30", "start", "P"),
            ("01:30", "stop", "P"),
            ("01:30", "start", "Q"),
            ("03:00", "stop", "Q"),
        ]
    )
)


def one_meter(read: Mapping[int, int], rated: str = "") -> Case:
    readings = Readings()
    times = np.array([T0 + at * 1000 for at in sorted(read)])
    readings.add("m", times, np.array([read[at] for at in sorted(read)]), -3)
    return Case(parse_model(ONE_METER + rated, "m"), list(parse_events(P_AND_Q, "e")), readings)


def test_an_edge_inside_a_reading_gap_is_bounded_by_the_gaps_energy_and_the_rated_power() -> None:
    read = {0: 1000, 60: 1100, 180: 1130}
    found = one_meter(read).uncertainty("batch:P")
    assert found.value == pytest.approx(0.0575)
    # 50 Wh of 100 at 30 s: 50 more or less; 7.5 of 30 at 90 s: up to 22.5 more.
    assert found.split_bound == pytest.approx(0.050 + 0.0225)
    assert found.split == pytest.approx(math.hypot(0.050, 0.0225) / math.sqrt(3))
    assert one_meter(read).uncertainty("batch:Q").split_bound == pytest.approx(0.0225)
    # 8 kW give 66.7 Wh in 30 s: at 30 s the meter stood between 33.3 and 66.7.
    rated = one_meter(read, 'rated_power = "8"\n').uncertainty("batch:P")
    assert rated.split_bound == pytest.approx(0.1 / 6 + 0.0225)


def test_both_batches_together_are_split_only_at_their_outer_edges() -> None:
    plant = one_meter({0: 1000, 60: 1100, 180: 1130})
    assert plant.uncertainty("batch:P", "batch:Q").split_bound == pytest.approx(0.050)


@pytest.mark.parametrize("step", [1, 2, 3, 5])
@pytest.mark.parametrize("account", ["batch:A", "batch:B", "residual:main"])
def test_a_time_in_pieces_leaves_open_what_it_does_whole(account: str, step: int) -> None:
    """The edges of batches lie inside reading gaps, and gaps go on over the pieces' borders."""
    plant = case(LOOP)
    biases = {m.id: bias for m in plant.model.meters if (bias := bias_of(m)) is not None}
    tally = Tally(plant.readings)
    for begin in range(0, plant.edges.size - 1, step):
        edges = plant.edges[begin : begin + step + 1]
        tally.add(plant.sensitivity(account, edges=edges), biases)
    found, whole = tally.result(), plant.uncertainty(account)
    assert found.by_meter == pytest.approx(whole.by_meter, rel=1e-9)
    assert (whole.split_bound > 0) == account.startswith("batch")
    for key in ("value", "split", "split_bound"):
        assert getattr(found, key) == pytest.approx(getattr(whole, key), rel=1e-9)


def test_a_gap_between_two_pieces_ends_what_was_counted_before_it() -> None:
    """Left out is the middle of one reading gap of P's time: both its ends are edges in that gap."""
    plant = one_meter({0: 1000, 60: 1100, 180: 1130})
    edges = T0 + np.array([60_000, 80_000, 100_000, 120_000])
    tally, biases = Tally(plant.readings), {"m": Bias("m", 0.01, "")}
    tally.add(plant.sensitivity("batch:Q", edges=edges[:1]), biases)  # no time at all
    for part in (edges[:2], edges[2:]):
        wanted = plant.sensitivity("batch:P", "batch:Q", edges=part)
        tally.add(wanted, biases)
    # Edges at 80, 100 and 120 s in the gap from 60 s to 180 s: of 30 Wh, 5, 10 and 15 stood before.
    assert tally.result().split_bound == pytest.approx(0.025 + 0.020 + 0.015)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 100), min_size=5, max_size=5),
    st.lists(st.integers(0, 30), min_size=5, max_size=5),
)
def test_no_meter_that_fits_the_readings_moves_a_batch_beyond_the_bound(first, second) -> None:
    read = {0: 1000, 60: 1100, 180: 1130}
    coarse = one_meter(read)
    known = dict(read)
    known |= {at * 10: 1000 + wh for at, wh in enumerate(sorted(first), 1)}
    known |= {60 + at * 20: 1100 + wh for at, wh in enumerate(sorted(second), 1)}
    fine = one_meter(known)
    for batch in ("batch:P", "batch:Q"):
        moved = fine.truth().get(batch, (0.0, 0.0))[0] - coarse.truth()[batch][0]
        assert abs(moved) <= coarse.uncertainty(batch).split_bound + 1e-9
