"""What a figure's meters leave open: one bias for each instrument, shared by all that it saw.

A meter errs by one factor that it keeps, so its error does not average out over intervals, and what
two batches got through it errs together. u(y)^2 = sum over meters of (J u)^2, J the derivative by the
bias (`sensitivity`), u = limit of the class / sqrt 3, or the certificate's U / k (GUM: JCGM 100:2008,
4.3 and 5.2). Shares, losses, efficiencies and what stores began with are taken as the model tells them.
An edge inside a reading gap is a bounded term of its own. Floats, in a fixed order.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import numpy as np

from calc_stream.core.plant import Carrier, Meter, SiteModel
from calc_stream.core.sensitivity import Sensitivity, Slope
from calc_stream.core.series import Readings, Totals
from calc_stream.core.ways import Floats
from calc_stream.core.whole import Rows
from wire.units import convert, kind

COVERAGE = 2.0  # k of an expanded uncertainty of about 95 %
# Limits at reference conditions in percent: EN 50470-3 (MID) by letter; IEC 62053 and 61869 by number.
_LETTERS = {"A": 2.0, "B": 1.0, "C": 0.5}
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s*S?", re.ASCII)
_DAY_MS = 86_400_000
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Bias:
    """The relative standard uncertainty of one meter with its transformers, and what says so."""

    meter: str
    u: float
    origin: str


@dataclass(frozen=True)
class Uncertainty:
    """Standard uncertainties of a figure, in its unit. `by_meter`: J u of each meter, with its sign.

    `split_bound`: what edges inside reading gaps could move at most; `split` its part in u.
    `unknown`: meters without a class or certificate that the figure depends on: u says nothing then.
    """

    value: float
    by_meter: Mapping[str, float] = field(default_factory=dict)
    split: float = 0.0
    split_bound: float = 0.0
    factors: float = 0.0
    unknown: tuple[str, ...] = ()

    @property
    def meters(self) -> float:
        return _root_of_squares(self.by_meter.values())

    @property
    def u(self) -> float | None:
        if self.unknown:
            return None
        return _root_of_squares((self.meters, self.split, self.factors))

    @property
    def u95(self) -> float | None:
        """Half of the interval of about 95 %."""
        return None if self.u is None else COVERAGE * self.u


def bias_of(meter: Meter) -> Bias | None:
    """From the model's facts; None when they say nothing."""
    facts = meter.facts or {}
    expanded, factor = facts.get("certificate_u_percent"), facts.get("certificate_k", 2)
    if expanded is not None and _positive(factor) and _positive(expanded):
        u = float(str(expanded)) / 100 / float(str(factor))
        return Bias(meter.id, u, f"certificate: U {expanded} %, k {factor}")
    limits = {key: _limit(facts[key]) for key in ("class", "ct_class", "pt_class") if key in facts}
    if "class" not in limits or None in limits.values():
        return None
    u = _root_of_squares((limit or 0.0) / 100 / math.sqrt(3) for limit in limits.values())
    return Bias(meter.id, u, ", ".join(f"{key} {facts[key]}" for key in limits))


def uncertainty_of(
    found: Sensitivity, biases: Mapping[str, Bias], readings: Readings, factors: float = 0.0
) -> Uncertainty:
    """`factors`: standard uncertainty that comes with emission factors, in the figure's unit."""
    by_meter: dict[str, float] = {}
    unknown: list[str] = []
    gaps: list[float] = []
    value = found.value()
    for slope in found.slopes():
        by_bias = float(np.add.reduce(slope.slope * slope.flow))
        bias = biases.get(slope.meter.id)
        gaps += _split(slope, readings.totals(slope.meter.id), found.edges)
        if abs(by_bias) <= _ROUNDING * abs(value):
            continue  # it cancels: what is left are the floats' own errors
        if bias is None:
            unknown.append(slope.meter.id)
        else:
            by_meter[slope.meter.id] = by_bias * bias.u
    return Uncertainty(
        value,
        by_meter,
        _root_of_squares(gaps) / math.sqrt(3),
        sum(gaps),
        factors,
        tuple(unknown),
    )


def covariance(one: Uncertainty, other: Uncertainty) -> float:
    """Of two figures that saw the same meters."""
    shared = sorted(one.by_meter.keys() & other.by_meter.keys())
    return math.fsum(one.by_meter[meter] * other.by_meter[meter] for meter in shared)


def residual_of(
    bus: str, model: SiteModel, counted: Mapping[str, int], biases: Mapping[str, Bias]
) -> Uncertainty:
    """What flowed into a bus less what its meters saw flow out, in quanta, with its uncertainty.

    `counted`: quanta by meter over the time in question.
    """
    signs = {m.id: (m.end == bus) - (m.start == bus) for m in model.meters}
    moved = {name: sign * counted.get(name, 0) for name, sign in signs.items() if sign}
    known = {name: flow * biases[name].u for name, flow in moved.items() if name in biases}
    unknown = tuple(name for name, flow in moved.items() if flow and name not in biases)
    return Uncertainty(float(sum(moved.values())), known, unknown=unknown)


def traceable_share(found: Sensitivity, model: SiteModel) -> float | None:
    """The part of the measure that passed only meters whose certificate was valid then."""
    whole = found.value()
    ends = found.edges[1:]
    valid = {
        meter.id: (ends <= due).astype(np.float64)
        for meter in model.meters
        if (due := certified_until(meter)) is not None
    }
    none: Floats = np.zeros(ends.size)
    through = {meter.id: valid.get(meter.id, none) for meter in model.meters}
    return found.value(through) / whole if whole else None


def certified_until(meter: Meter) -> int | None:
    """The end (UTC) of the day a meter's certificate is due on; None without a certificate."""
    facts = meter.facts or {}
    due = facts.get("certificate_due")
    if not facts.get("certificate") or due is None:
        return None
    try:
        day = due if isinstance(due, date) else date.fromisoformat(str(due)[:10])
    except ValueError:
        return None
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return round(begin.timestamp()) * 1000 + _DAY_MS


def _limit(value: object) -> float | None:
    """A class as the limit of error in percent of what is measured."""
    text = str(value).strip().upper()
    if text in _LETTERS:
        return _LETTERS[text]
    number = _NUMBER.fullmatch(text)
    return float(number[1]) if number else None


def _positive(value: object) -> bool:
    number = _NUMBER.fullmatch(str(value).strip())
    return number is not None and float(number[1]) > 0


def _split(slope: Slope, series: Totals, edges: Rows) -> list[float]:
    """For each reading gap, what the edges inside it could move of the measure at most.

    Where exactly the meter stood at such an edge is not known: between nothing and all of the gap's
    energy before it, and no more than its rated power allows. Moving a quantum over an edge moves the
    measure by the difference of the slopes on both sides.
    """
    times = series.times
    if times.size < 2 or edges.size < 2:
        return []
    at = np.searchsorted(times, edges, "right") - 1
    inside = (at >= 0) & (at < times.size - 1)
    inside[inside] = times[at[inside]] != edges[inside]
    steps = np.diff(np.concatenate([[0.0], slope.slope, [0.0]]))
    inside &= steps != 0
    if not inside.any():
        return []
    gap, step, t_ms = at[inside], np.abs(steps[inside]), edges[inside]
    rate = float(slope.meter.scale) * 10.0**series.exponent
    rise = (series.totals[gap + 1] - series.totals[gap]).astype(np.float64) * rate
    before = (t_ms - times[gap]).astype(np.float64)
    after = (times[gap + 1] - t_ms).astype(np.float64)
    most = _most_quanta_per_ms(slope.meter, slope.carrier)
    high = np.minimum(rise, most * before)
    low = np.maximum(0.0, rise - most * after)
    there = rise * before / (before + after)
    moved = step * np.maximum(np.maximum(high - there, there - low), 0.0)
    return [float(np.add.reduce(moved[gap == one])) for one in np.unique(gap).tolist()]


def _most_quanta_per_ms(meter: Meter, carrier: Carrier) -> float:
    """By its rated power in kW; no limit where none is stated."""
    rated = (meter.facts or {}).get("rated_power")
    if not _positive(rated) or kind(carrier.unit) != "energy":
        return math.inf
    per_kwh = carrier.quanta_per_unit * convert("kWh", carrier.unit)
    return float(str(rated)) * float(per_kwh) / 3_600_000


def _root_of_squares(numbers: Iterable[float]) -> float:
    return math.sqrt(math.fsum(number * number for number in numbers))
