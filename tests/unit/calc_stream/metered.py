"""A plant whose meters can be off, and the core's view of it."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from calc_stream.core import (
    Marks,
    Periods,
    Readings,
    SiteModel,
    Versions,
    parse_events,
    parse_model,
    recompute,
)
from calc_stream.core.batches import batches_of
from calc_stream.core.course import timelines
from calc_stream.core.edges import edges_within, extra_cuts, span_of
from calc_stream.core.events import Event, in_force
from calc_stream.core.sensitivity import Sensitivity
from calc_stream.core.uncertainty import Tally, Uncertainty, bias_of

T0 = 1_767_225_600_000  # 2026-01-01T00:00:00Z
KG = {"grid": 0.6, "pv": 0.05, "gas": 0.2}  # kg for a kWh
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


def covariance(one: Uncertainty, other: Uncertainty) -> float:
    """Of two figures that saw the same meters."""
    shared = one.by_meter.keys() & other.by_meter.keys()
    return sum(one.by_meter[meter] * other.by_meter[meter] for meter in sorted(shared))


@dataclass
class Case:
    """A plant with its records, and the core's view of it."""

    model: SiteModel
    events: list[Event]
    readings: Readings

    def __post_init__(self) -> None:
        standing, _ = in_force(self.events)
        versions = Versions.of(self.model)
        self.nodes, _ = timelines(versions, standing, batches_of(standing)[0])
        span = span_of(versions, self.readings)
        periods = Periods(versions, Marks())
        cuts = extra_cuts(versions.reigns[0], self.readings, standing, periods, span)
        self.edges = edges_within(span, self.model.slot_ms, cuts)

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
        tally = Tally(self.readings)
        tally.add(self.sensitivity(*accounts, kg=kg), known)
        return tally.result()

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
