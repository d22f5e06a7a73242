"""Uncertainty against what it stands for: the real recompute with other meters, and another engine."""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from statistics import fmean, stdev

import GTC
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calc_stream.core import Readings, SiteModel, parse_events, parse_model, recompute
from calc_stream.core.edges import edges_within, extra_cuts, span_of
from calc_stream.core.events import Event, in_force
from calc_stream.core.plant import Meter
from calc_stream.core.sensitivity import Sensitivity
from calc_stream.core.timeline import timelines
from calc_stream.core.uncertainty import (
    Uncertainty,
    bias_of,
    certified_until,
    covariance,
    residual_of,
    traceable_share,
    uncertainty_of,
)

T0 = 1_767_225_600_000  # 2026-01-01T00:00:00Z
KG = {"grid": 0.6, "pv": 0.05}  # kg for a kWh
HEAD = """
format = 1
site = "p"
slot_s = 60
[carriers.electricity]
unit = "kWh"
quanta_per_unit = 1_000_000_000
[carriers.air]
unit = "m3"
quanta_per_unit = 1_000_000_000
[sources.grid]
carrier = "electricity"
[sources.pv]
carrier = "electricity"
[buses.main]
carrier = "electricity"
residual = "{residual}"
[buses.air]
carrier = "air"
residual = "spread"
[utilities.compressor]
[nodes.n1]
[nodes.n2]
[nodes.office]
kind = "overhead"
"""
# Grid, PV and compressed air: (id, from, to, unit, what it counts in a minute).
SIMPLE = [
    ("m-grid", "grid", "main", "kWh", 100),
    ("m-pv", "pv", "main", "kWh", 40),
    ("m-n1", "main", "n1", "kWh", 60),
    ("m-n2", "main", "n2", "kWh", 30),
    ("m-comp", "main", "compressor", "kWh", 25),
    ("m-air-n1", "air", "n1", "m3", 150),
    ("m-air-n2", "air", "n2", "m3", 60),
]
# A second board, cold that cools the compressor that feeds the chiller, and a feed-in.
MORE = """
[buses.sub]
carrier = "electricity"
[buses.cold]
carrier = "air"
[utilities.chiller]
[exports.feed-in]
"""
LOOP = [
    *SIMPLE,
    ("m-pv-2", "pv", "sub", "kWh", 5),
    ("m-sub", "main", "sub", "kWh", 9),
    ("m-back", "sub", "main", "kWh", 3),
    ("m-sub-n2", "sub", "n2", "kWh", 7),
    ("m-air-chill", "air", "chiller", "m3", 20),
    ("m-chill", "main", "chiller", "kWh", 6),
    ("m-cold-comp", "cold", "compressor", "m3", 30),
    ("m-cold-n2", "cold", "n2", "m3", 9),
    ("m-feed", "main", "feed-in", "kWh", 4),
]
EVENTS = [
    ("00:01:00", "start", "n1", "A"),
    ("00:02:00", "start", "n2", "B"),
    ("00:03:30", "start", "n1", "B"),
    ("00:05:00", "stop", "n1", "A"),
]


@dataclass
class Case:
    """A plant with its records, and the core's view of it."""

    model: SiteModel
    events: list[Event]
    readings: Readings

    def __post_init__(self) -> None:
        standing, _ = in_force(self.events)
        self.nodes, _ = timelines(self.model, standing)
        cuts = extra_cuts(self.model, self.readings, standing)
        self.edges = edges_within(span_of(self.model, self.readings), self.model.slot_ms, cuts)

    def sensitivity(self, *accounts: str, kg: bool = False, edges=None) -> Sensitivity:
        edges = self.edges if edges is None else edges
        rows = edges.size - 1
        weights = {
            source: np.full(rows, (KG[source] if kg else 1.0) / 1e9)
            for source in self.model.sources
        }
        wanted = dict.fromkeys(accounts, 1.0)
        return Sensitivity(wanted, self.model, self.nodes, self.readings, edges, weights)

    def uncertainty(self, *accounts: str, kg: bool = False) -> Uncertainty:
        biases = {meter.id: bias_of(meter) for meter in self.model.meters}
        known = {name: bias for name, bias in biases.items() if bias is not None}
        return uncertainty_of(self.sensitivity(*accounts, kg=kg), known, self.readings)

    def truth(self, scales: Mapping[str, Fraction] | None = None) -> dict[str, tuple[float, float]]:
        """(kWh, kg) by account from the real recompute, each meter's register times its scale."""
        scales = scales or {}
        model = replace(
            self.model,
            meters=tuple(
                replace(m, scale=m.scale * scales.get(m.id, Fraction(1))) for m in self.model.meters
            ),
        )
        totals = recompute(model, self.events, self.readings).totals()
        return {
            account: (
                sum(quanta / 1e9 for quanta in sums.values()),
                sum(KG[source] * quanta / 1e9 for source, quanta in sums.items()),
            )
            for account, sums in totals.items()
        }


def case(edges, residual: str = "account", facts: str = 'class = "1"') -> Case:
    text = HEAD.format(residual=residual) + (MORE if edges is LOOP else "")
    links = [("compressor", "air", "1")]
    if edges is LOOP:
        links += [("chiller", "office", "1"), ("chiller", "cold", "2")]
    if residual == "links":
        links += [("main", "office", "3"), ("main", "n1", "1")]
    for name, start, end, unit, _ in edges:
        text += f'[[meters]]\nid = "{name}"\nfrom = "{start}"\nto = "{end}"\n'
        text += f'unit = "{unit}"\n{facts}\n'
    for start, end, share in links:
        text += f'[[links]]\nfrom = "{start}"\nto = "{end}"\nshare = "{share}"\n'
    told = [
        f'{{"id":"e{at}","t":"2026-01-01T{t}Z","type":"{what}","node":"{node}","batch":"{batch}"}}'
        for at, (t, what, node, batch) in enumerate(EVENTS)
    ]
    rng, readings = random.Random(1), Readings()
    for name, _, _, _, rate in edges:
        steps = [round(rate * 1000 * rng.uniform(0.7, 1.3)) for _ in range(10)]
        times = T0 + np.arange(11, dtype=np.int64) * 60_000
        readings.add(name, times, np.cumsum([0, *steps]), -3)
    return Case(parse_model(text, "m"), list(parse_events("\n".join(told), "e")), readings)


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
    found = plant.uncertainty("batch:A")
    assert "m-grid" in found.unknown
    assert (found.u, found.u95) == (None, None)


def test_u95_joins_meters_split_and_factors() -> None:
    found = Uncertainty(100.0, {"a": 3.0, "b": -4.0}, split=12.0, factors=84.0)
    assert found.meters == 5
    assert found.u == pytest.approx(85)
    assert found.u95 == pytest.approx(170)


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


def test_the_traceable_share_is_what_passed_certified_meters_only() -> None:
    plant = case(SIMPLE)
    certified = {"certificate": "L-7", "certificate_due": "2027-01-01"}
    without_pv = tuple(
        m if m.id == "m-pv" else replace(m, facts=certified) for m in plant.model.meters
    )
    partly = Case(replace(plant.model, meters=without_pv), plant.events, plant.readings)
    found = partly.sensitivity("batch:A")
    entered = {s.meter.id: s.flow for s in found.slopes() if s.meter.start in KG}
    own = found._parts["main"]
    from_grid = float((entered["m-grid"] * own).sum()) / 1e9
    assert traceable_share(found, partly.model) == pytest.approx(from_grid / found.value())
    assert traceable_share(plant.sensitivity("batch:A"), plant.model) == 0
    everything = tuple(replace(m, facts=certified) for m in plant.model.meters)
    whole = Case(replace(plant.model, meters=everything), plant.events, plant.readings)
    assert traceable_share(whole.sensitivity("batch:A"), whole.model) == pytest.approx(1)


def test_a_certificate_holds_to_the_end_of_its_day_and_not_beyond() -> None:
    meter = Meter("m", "grid", "n1", "kWh", "electricity", Fraction(1))
    due = {"certificate": "L-7", "certificate_due": date(2025, 12, 31)}
    assert certified_until(replace(meter, facts=due)) == T0
    assert certified_until(replace(meter, facts={"certificate_due": "2025-12-31"})) is None
    assert certified_until(replace(meter, facts={**due, "certificate_due": "soon"})) is None
    plant = case(SIMPLE)
    expired = tuple(replace(m, facts=due) for m in plant.model.meters)
    late = Case(replace(plant.model, meters=expired), plant.events, plant.readings)
    assert traceable_share(late.sensitivity("batch:A"), late.model) == 0


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
