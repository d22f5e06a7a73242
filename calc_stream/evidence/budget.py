"""What a batch's figures leave open: U95 of energy and of mass, meter by meter, and what is traceable.

The batch's own account and those of what it was made of count together, each by the quantity that was
drawn, so that what they got through the same meter errs together.
"""

import math
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import msgspec
import numpy as np

from calc_stream.core import Batch, Event, Periods, Readings, SiteModel
from calc_stream.core.decimals import significant
from calc_stream.core.edges import edges_within, extra_cuts
from calc_stream.core.genealogy import inherited, made_of
from calc_stream.core.receivers import Nodes, shares_along
from calc_stream.core.sensitivity import Sensitivity
from calc_stream.core.series import Span
from calc_stream.core.uncertainty import (
    COVERAGE,
    Tally,
    Uncertainty,
    bias_of,
    traceable,
)
from calc_stream.core.ways import Floats
from calc_stream.core.whole import Rows
from calc_stream.evidence.pooled import NONE, Pooled
from calc_stream.factors import Mass, Rates
from wire.units import convert, kind

# Of intervals times meters at once: a month of minutes with 200 meters takes 80 MB, not 740.
_MOST_CELLS = 500_000


class Part(msgspec.Struct, frozen=True):
    """What one meter's bias adds: half of its 95 % interval, and what is known of the meter."""

    meter: str
    u95: str
    origin: str


class Doubt(msgspec.Struct, frozen=True):
    """A figure's expanded uncertainty (k = 2) and what it is made of, the largest meter first.

    `split_bound`: what edges inside reading gaps could move at most; a share of it is in `u95`.
    `u95` is None while a meter it depends on has neither class nor certificate (`unknown`).
    """

    value: str
    u95: str | None
    percent: str | None
    meters: tuple[Part, ...]
    split_bound: str
    factors_u95: str
    unknown: tuple[str, ...]


class Budget(msgspec.Struct, frozen=True):
    """Energy and mass apart: a factor's doubt must not hide a bad meter's."""

    kwh: Doubt
    kg: Doubt | None
    traceable_share: str | None


@dataclass(frozen=True)
class Grounds:
    """What a batch's figures stand on. `periods`: when other factors begin to hold, from the start."""

    model: SiteModel
    nodes: Nodes
    batches: Mapping[str, Batch]
    readings: Readings
    edges: Rows
    periods: Sequence[int]


def grounds_over(
    periods: Periods,
    standing: Sequence[Event],
    nodes: Nodes,
    batches: Mapping[str, Batch],
    readings: Readings,
    span: Span,
) -> list[Grounds]:
    """One for each version in force in this time, in order."""
    found: list[Grounds] = []
    for reign, part in periods.versions.within(span):
        if part[0] == part[1] < span[1] or (found and part[0] == part[1]):
            continue  # it ends where the time begins, or begins where it ends
        model = reign.model
        edges = edges_within(
            part, model.slot_ms, extra_cuts(reign, readings, standing, periods, part)
        )
        starts = [periods.starts(source, edges[:-1]) for source in model.sources]
        begins = tuple(np.unique(np.concatenate(starts)).tolist()) if starts else ()
        found.append(Grounds(model, nodes, batches, readings, edges, begins))
    return found


def budget_of(
    parts: Sequence[Grounds],
    counts: Mapping[str, Fraction],
    rates: Rates | None,
    mass: Mass | None,
    pooled: Pooled = NONE,
) -> Budget:
    """Of accounts together, each counted so often: what they got through one meter errs together.

    `parts`: the time, version by version; `pooled`: their part of pools and campaigns, besides.
    """
    accounts = {name: float(part) for name, part in {**counts, **pooled.campaigns}.items()}
    times = pooled.times()
    energy, weight = Tally(parts[0].readings), Tally(parts[0].readings)
    origins: dict[str, str] = {}
    valid = 0.0
    for its in _pieces(parts, {*accounts, *pooled.accounts}):
        model, rows = its.model, its.edges.size - 1
        biases = {m.id: bias for m in model.meters if (bias := bias_of(m)) is not None}
        origins |= {meter: bias.origin for meter, bias in biases.items()}
        by_kwh = {s: np.full(rows, _kwh_of(model, s)) for s in model.sources}
        given = accounts, model, its.nodes, its.readings, its.edges
        found = Sensitivity(*given, by_kwh, times)
        energy.add(found, biases, _turned(found, its, pooled, None))
        valid += traceable(found, model)
        if rates is not None and mass is not None:
            by_kg = {s: _kg_per_quantum(its, rates, s, its.edges) for s in model.sources}
            weight.add(found.weighing(by_kg), biases, _turned(found, its, pooled, rates))
    kwh = energy.result()
    kg = None
    if rates is not None and mass is not None:
        kg = _doubt(weight.result(_of_factors(mass)), origins)
    share = _text(valid / kwh.value) if kwh.value else None
    return Budget(_doubt(kwh, origins), kg, share)


def _pieces(parts: Sequence[Grounds], names: Collection[str]) -> Iterator[Grounds]:
    """The time in which the accounts get anything, in pieces that fit into memory; what is in stores
    comes from before, so with them it stays whole."""
    for its in parts:
        edges = window(its, names)
        most = max(_MOST_CELLS // max(len(its.model.meters), 1), 1)
        step = edges.size if its.model.stores else most
        for begin in range(0, edges.size - 1, max(step, 1)):
            yield replace(its, edges=edges[begin : begin + step + 1])


def accounts_of(batches: Mapping[str, Batch], *names: str) -> dict[str, Fraction]:
    """The batch accounts the figures of these batches add up, with how much of each."""
    family = {of: batches[of] for of in made_of(batches, *names) if of in batches}
    came, _ = inherited(family, {name: {name: 1} for name in family})
    counts: dict[str, Fraction] = {}
    for name in names:
        for of, part in {**came.get(name, {}), name: came.get(name, {}).get(name, 0) + 1}.items():
            counts[of] = counts.get(of, Fraction(0)) + part
    return {f"batch:{name}": count for name, count in sorted(counts.items()) if count}


def window(grounds: Grounds, accounts: Collection[str]) -> Rows:
    """The edges from where one of the accounts first gets anything to where it last does; with
    stores from where these appear, since what they give is what they were given."""
    edges = grounds.edges
    gets = np.zeros(max(edges.size - 1, 0), dtype=np.bool_)
    for node in grounds.model.nodes:
        for rows, shares in shares_along(grounds.model, grounds.nodes, node, edges):
            for share in shares:
                if share.account.name in accounts:
                    gets[rows] |= share.weights != 0
    got = np.flatnonzero(gets)
    if not got.size:
        return edges[:0]
    return edges[0 if grounds.model.stores else int(got[0]) : int(got[-1]) + 2]


def _turned(
    found: Sensitivity, its: Grounds, pooled: Pooled, rates: Rates | None
) -> Sensitivity | None:
    """What parts of pools that go by energy move: kg, without rates kWh. None where there are none."""
    if not pooled.driven:
        return None
    model = its.model

    def quantum(source: str, period: int) -> float:
        return _kwh_of(model, source) if rates is None else _kg_of(model, rates, source, period)

    weights: dict[str, Floats] = {}
    for source in model.sources:
        carrier = model.carrier_of(source)
        held = float(carrier.kwh_per_unit / carrier.quanta_per_unit)
        weights[source] = np.full(its.edges.size - 1, held)
    span = int(its.edges[0]), int(its.edges[-1])
    return found.counting(pooled.turned(span, quantum), weights)


def _kwh_of(model: SiteModel, source: str) -> float:
    """Of a quantum."""
    carrier = model.carrier_of(source)
    if kind(carrier.unit) != "energy":
        return 0.0
    return float(convert(carrier.unit, "kWh") / carrier.quanta_per_unit)


def _kg_per_quantum(grounds: Grounds, rates: Rates, source: str, edges: Rows) -> Floats:
    """By interval, with the factors that hold in it."""
    weights = {begin: _kg_of(grounds.model, rates, source, begin) for begin in grounds.periods}
    starts = [
        grounds.periods[max(bisect_right(grounds.periods, t) - 1, 0)] for t in edges[:-1].tolist()
    ]
    return np.array([weights[begin] for begin in starts], dtype=np.float64)


def _kg_of(model: SiteModel, rates: Rates, source: str, period: int) -> float:
    """Of a quantum."""
    counted = (r.kg for r in rates.of(source, period) or () if rates.counts(r.column))
    return float(sum(counted) / model.carrier_of(source).quanta_per_unit)


def _of_factors(mass: Mass) -> float:
    """Standard uncertainty of the factors that state one, in kg; those of different rows apart."""
    parts = [
        float(kg) * float(mass.rows[row].u95 or 0) / COVERAGE for row, kg in mass.counted.items()
    ]
    return math.hypot(*parts) if parts else 0.0


def _doubt(found: Uncertainty, origins: Mapping[str, str]) -> Doubt:
    parts = sorted(found.by_meter.items(), key=lambda item: (-abs(item[1]), item[0]))
    u95 = found.u95
    return Doubt(
        _text(found.value),
        None if u95 is None else _text(u95),
        None if u95 is None or not found.value else _text(100 * u95 / abs(found.value), 3),
        tuple(Part(m, _text(COVERAGE * abs(ju)), origins[m]) for m, ju in parts),
        _text(found.split_bound),
        _text(COVERAGE * found.factors),
        found.unknown,
    )


def _text(number: float, digits: int = 6) -> str:
    """Two digits would do for an uncertainty; six let people compute on."""
    return significant(Fraction(number), digits)
