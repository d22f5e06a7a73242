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
from dataclasses import dataclass, field, replace
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


class Tally:
    """Adds up what parts of a time leave open, in order: a month need not be in memory at once."""

    def __init__(self, readings: Readings) -> None:
        self._readings = readings
        self._value = 0.0
        self._whole: dict[str, float] = {}  # J by meter
        self._known: dict[str, float] = {}  # J u
        self._unknown: dict[str, float] = {}  # J, of parts in which nothing is known of the meter
        self._gaps: dict[str, _Gaps] = {}
        self._until_ms = 0

    def add(
        self, found: Sensitivity, biases: Mapping[str, Bias], moved: Sensitivity | None = None
    ) -> None:
        """The next part, by the biases that hold in it. `moved`: what moves with the same meters, and is
        nothing by itself: shares that go by energy."""
        if found.edges.size < 2:
            return
        first = int(found.edges[0])
        slopes = {slope.meter.id: slope for slope in found.slopes()}
        for more in moved.slopes() if moved is not None else ():
            own = slopes[more.meter.id]
            slopes[more.meter.id] = replace(own, slope=own.slope + more.slope)
        for name, gaps in self._gaps.items():
            if first != self._until_ms or name not in slopes:
                gaps.end(self._until_ms)
        for name, slope in slopes.items():
            by_bias = float(np.add.reduce(slope.slope * slope.flow))
            self._whole[name] = self._whole.get(name, 0.0) + by_bias
            bias = biases.get(name)
            to, weight = (self._unknown, 1.0) if bias is None else (self._known, bias.u)
            to[name] = to.get(name, 0.0) + by_bias * weight
            gaps = self._gaps.setdefault(name, _Gaps(self._readings.totals(name)))
            gaps.go_on(slope, found.edges)
        self._value += found.value()
        self._until_ms = int(found.edges[-1])

    def result(self, factors: float = 0.0) -> Uncertainty:
        """`factors`: standard uncertainty that comes with emission factors, in the figure's unit."""
        for gaps in self._gaps.values():
            gaps.end(self._until_ms)
        squares = math.fsum(gaps.squares for gaps in self._gaps.values())
        # What cancels leaves only the floats' own errors.
        least = _ROUNDING * abs(self._value)
        counts = [name for name, by_bias in self._whole.items() if abs(by_bias) > least]
        return Uncertainty(
            self._value,
            {name: self._known[name] for name in counts if name in self._known},
            math.sqrt(squares) / math.sqrt(3),
            math.fsum(gaps.total for gaps in self._gaps.values()),
            factors,
            tuple(name for name, by_bias in self._unknown.items() if abs(by_bias) > least),
        )


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


def traceable(found: Sensitivity, model: SiteModel) -> float:
    """So much of the measure passed only meters whose certificate was valid then."""
    ends = found.edges[1:]
    valid = {
        meter.id: (ends <= due).astype(np.float64)
        for meter in model.meters
        if (due := certified_until(meter)) is not None
    }
    none: Floats = np.zeros(ends.size)
    return found.value({meter.id: valid.get(meter.id, none) for meter in model.meters})


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


@dataclass
class _Gaps:
    """For each reading gap of a meter, what the edges inside it could move of the measure at most.

    Where exactly the meter stood at such an edge is not known: between nothing and all of the gap's
    energy before it, and no more than its rated power allows. Moving a quantum over an edge moves the
    measure by the difference of the slopes on both sides. `total` and `squares`: over all gaps.
    """

    series: Totals
    total: float = 0.0
    squares: float = 0.0
    _last: Slope | None = None
    _gap: int = -1  # that may go on in the next part
    _moved: float = 0.0

    def go_on(self, slope: Slope, edges: Rows) -> None:
        """Up to, not with, the last edge: what comes after it is not known yet."""
        before = self._last.slope[-1] if self._last is not None else 0.0
        self._take(slope, edges[:-1], np.diff(np.concatenate([[before], slope.slope])))
        self._last = slope

    def end(self, t_ms: int) -> None:
        """Nothing counts after this edge."""
        if self._last is not None:
            edge = np.array([t_ms], dtype=np.int64)
            self._take(self._last, edge, -self._last.slope[-1:])
        self._note(-1, 0.0)
        self._last = None

    def _take(self, slope: Slope, edges: Rows, steps: Floats) -> None:
        times = self.series.times
        if times.size < 2:
            return
        at = np.searchsorted(times, edges, "right") - 1
        inside = (at >= 0) & (at < times.size - 1) & (steps != 0)
        inside[inside] = times[at[inside]] != edges[inside]
        if not inside.any():
            return
        moved = self._most(slope, at[inside], np.abs(steps[inside]), edges[inside])
        found, starts = np.unique(at[inside], return_index=True)
        for gap, most in zip(found.tolist(), np.add.reduceat(moved, starts).tolist(), strict=True):
            self._note(gap, most)

    def _most(self, slope: Slope, gap: Rows, step: Floats, t_ms: Rows) -> Floats:
        times, totals = self.series.times, self.series.totals
        rate = float(slope.meter.scale) * 10.0**self.series.exponent
        rise = (totals[gap + 1] - totals[gap]).astype(np.float64) * rate
        before = (t_ms - times[gap]).astype(np.float64)
        after = (times[gap + 1] - t_ms).astype(np.float64)
        most = _most_quanta_per_ms(slope.meter, slope.carrier)
        high = np.minimum(rise, most * before)
        low = np.maximum(0.0, rise - most * after)
        there = rise * before / (before + after)
        moved: Floats = step * np.maximum(np.maximum(high - there, there - low), 0.0)
        return moved

    def _note(self, gap: int, moved: float) -> None:
        if gap != self._gap:
            self.total += self._moved
            self.squares += self._moved * self._moved
            self._gap, self._moved = gap, 0.0
        self._moved += moved


def _most_quanta_per_ms(meter: Meter, carrier: Carrier) -> float:
    """By its rated power in kW; no limit where none is stated."""
    rated = (meter.facts or {}).get("rated_power")
    if not _positive(rated) or kind(carrier.unit) != "energy":
        return math.inf
    per_kwh = carrier.quanta_per_unit * convert("kWh", carrier.unit)
    return float(str(rated)) * float(per_kwh) / 3_600_000


def _root_of_squares(numbers: Iterable[float]) -> float:
    return math.sqrt(math.fsum(number * number for number in numbers))
