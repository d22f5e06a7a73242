"""Pure: how far sampling alone may put a batch's figures from the truth.

A batch was measured through registers that are read now and then and count in steps. What one of
its machines took of a bus during a visit can be off, at each of the visit's two ends, by at most

    rated rate of the machine's edge x (first reading after the end - last reading before it)
    + one step of the register

because between two readings the true flow lies anywhere between none and the rated one. That is
`slack`. A reading's time may be up to one answer late; that is within the same gap.

What a unit on a bus holds is exact where the bus is fed by sources: all of it is its own carrier.
What a unit of compressed air or cold holds is a ratio of two measurements, what the utility took
and what it gave, taken anew in every interval of the calculation. A rate measured over a gap lies
between the lowest and the highest true rate in it, give or take a step in a gap. So in an interval
the ratio lies between a `low` and a `high` that take the extremes of the true rates around it the
worst way round; the true ratio lies there, too. With `usual`, any one value for the whole visit,
the batch's part through a utility is off by at most

    slack x usual + sum over the visit's intervals of
                    (most it may be measured to take + what it truly took) x farthest from usual
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

from simulators.contents import Content, carried, unit_contents
from simulators.curve import PER_UNIT, Curve, following
from simulators.instrument import Instrument
from simulators.lane import Visit
from simulators.oracle.registers import MeterTotal
from simulators.plant import Edge
from simulators.scenario import Scenario
from simulators.truth import Made

_Held = dict[str, Content]  # by bus: what one unit on it holds
_CYCLE_MS = 20_000


class Bounds:
    """For one run: its instruments, when each was read (`meters`, by name), and the calculation's
    edges of time, all in UTC ms."""

    def __init__(
        self,
        scenario: Scenario,
        instruments: Iterable[Instrument],
        meters: Mapping[str, MeterTotal],
        edges: Sequence[int],
    ) -> None:
        self._scenario, self._meters, self._edges = scenario, meters, edges
        self._on = {(i.meter.frm, i.meter.to): i for i in instruments}
        plant = scenario.plant
        self._own: _Held = {
            bus: {facts.carrier: Fraction(1)}
            for bus, facts in plant.buses.items()
            if facts.fed_from is None
        }
        self._given = {
            bus: following(_CYCLE_MS, [scenario.loads[edge] for edge in carried(plant, bus)], sum)
            for bus, facts in plant.buses.items()
            if facts.fed_from in plant.utilities
        }
        self._held = lru_cache(maxsize=None)(self._extremes)

    def of(self, made: Made) -> Content:
        """The bound of a finished batch, by carrier of the source, in the carrier's unit."""
        bounds: Content = defaultdict(Fraction)
        for visit in made.visits:
            for bus in self._scenario.plant.nodes[visit.station].uses:
                for carrier, bound in self._of_use((bus, visit.station), visit).items():
                    bounds[carrier] += bound
        return dict(bounds)

    def _of_use(self, edge: Edge, visit: Visit) -> Content:
        begin, end = self._scenario.t0_ms + visit.begin_ms, self._scenario.t0_ms + visit.stop_ms
        slack = self._slack(edge, begin) + self._slack(edge, end)
        inner = self._edges[bisect_right(self._edges, begin) : bisect_left(self._edges, end)]
        spans = list(pairwise([begin, *inner, end]))
        bounds: Content = {}
        for carrier in self._held(*spans[0])[1][edge[0]]:
            held = [
                [each[edge[0]].get(carrier, Fraction(0)) for each in self._held(*span)]
                for span in spans
            ]
            usual = sum((low + high for low, high in held), Fraction(0)) / (2 * len(held))
            bounds[carrier] = slack * usual
            for span, (low, high) in zip(spans, held, strict=True):
                if farthest := max(high - usual, usual - low):
                    bounds[carrier] += farthest * self._taken(edge, *span)
        return bounds

    def _taken(self, edge: Edge, begin: int, end: int) -> Fraction:
        """The most that may be measured in an interval, and what truly flowed."""
        t0_ms, curve = self._scenario.t0_ms, self._scenario.loads[edge]
        flowed = curve.amount(end - t0_ms) - curve.amount(begin - t0_ms)
        most = self._rates(edge, curve, begin, end)[1] * (end - begin)
        return (most + flowed) / PER_UNIT

    def _slack(self, edge: Edge, end: int) -> Fraction:
        instrument = self._on[edge]
        gap_ms = self._meters[instrument.meter.name].gap_ms(end)
        rated = self._scenario.plant.rated(instrument.meter)
        return Fraction(rated * gap_ms, PER_UNIT) + instrument.step(end) * instrument.meter.ct

    def _extremes(self, begin: int, end: int) -> tuple[_Held, _Held]:
        """Least and most that a unit on each bus may be measured to hold in one interval."""
        plant = self._scenario.plant
        taken: list[dict[Edge, Fraction]] = [{}, {}]
        given: list[dict[str, Fraction]] = [{}, {}]
        for name, utility in plant.utilities.items():
            for bus in utility.takes:
                intake = (bus, name)
                rates = self._rates(intake, self._scenario.loads[intake], begin, end)
                for each, rate in zip(taken, rates, strict=True):
                    each[intake] = max(rate, Fraction(0))
        for bus, curve in self._given.items():
            edge = (plant.buses[bus].fed_from or "", bus)
            out = [other for other in self._on if other[0] == bus]
            rates = self._rates(edge, curve, begin, end, *([] if edge in self._on else out))
            for total, rate in zip(given, rates, strict=True):
                total[bus] = max(rate, Fraction(1))
        low = unit_contents(plant, self._own, taken[0], given[1])
        return low, unit_contents(plant, self._own, taken[1], given[0])

    def _rates(
        self, edge: Edge, curve: Curve, begin: int, end: int, *instead: Edge
    ) -> tuple[Fraction, Fraction]:
        """Least and most that the meter on an edge, or those on others, may show in an interval."""
        step, first, last = Fraction(0), begin, end
        for on in instead or (edge,):
            instrument = self._on[on]
            meter = self._meters[instrument.meter.name]
            before, after, least_gap_ms = meter.around(begin, end)
            first, last = min(first, before), max(last, after)
            step += instrument.step(end) * instrument.meter.ct * PER_UNIT / least_gap_ms
        t0_ms = self._scenario.t0_ms
        rates = [piece.rate for piece in curve.pieces(max(first - t0_ms, 0), last - t0_ms)]
        return min(rates) - step, max(rates) + step
