"""Pure: a factory that knows what truly happened.

Everything is a function of (plant, seed, t0) and the instant asked for, in integers: a simulator
that was killed and started again goes on as if nothing had happened. Every edge has an exact amount
(`curve.PER_UNIT`) at every millisecond, and what goes into a bus is what comes out of it: one
source, or the utility that feeds it, delivers whatever is taken. What a utility takes follows from
what it gives, so its specific energy is a little better at high load.
"""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache, partial

from simulators.curve import Curve, Piece, following
from simulators.dice import Dice
from simulators.lane import Happening, Orders
from simulators.plant import Edge, Intake, Meter, Plant, Range

SOURCE = "mes-1"  # the name the plant's events are numbered under
_WINDOW_MS = 60_000
_STEADY_MS = 60_000
_STEADY_STEP_MS = 5_000
_FOLLOWING_MS = 20_000


class Scenario:
    """One run of a plant. Instants are UTC ms at or after `t0_ms`."""

    def __init__(self, plant: Plant, seed: int, t0_ms: int) -> None:
        self.plant, self.seed, self.t0_ms = plant, seed, t0_ms
        self.dice = Dice(seed)
        self.lanes = [Orders(*lane, plant, self.dice) for lane in plant.lanes.items()]
        self.loads: dict[Edge, Curve] = {}  # what each consumer takes of each bus
        for bus in plant.buses:
            for consumer in plant.consumers(bus):
                self._load(bus, consumer)
        self.supplies = {
            name: self._steady(source.rate, name)
            for name, source in plant.sources.items()
            if source.rate is not None
        }
        self._counted = [0]  # events before window w
        self._window = lru_cache(maxsize=8)(self._happenings)

    def amount(self, meter: Meter, t_ms: int) -> int:
        """What truly went over a meter's edge from t0 to `t_ms`."""
        at = self._since_t0(t_ms)
        return sum(sign * curve.amount(at) for sign, curve in self._parts(meter))

    def rate(self, meter: Meter, t_ms: int) -> int:
        """The rate on a meter's edge at `t_ms`."""
        at = self._since_t0(t_ms)
        return sum(sign * curve.rate(at) for sign, curve in self._parts(meter))

    def index(self, meter: Meter) -> int:
        """What a meter showed at t0, in units."""
        if meter.index is not None:
            return meter.index
        return self.dice.between(200, 7_000, "index", meter.name)

    def due(self, t_ms: int) -> int:
        """The number of the last event at or before `t_ms`; 0 before the first."""
        at = t_ms - self.t0_ms
        if at < 0:
            return 0
        w = at // _WINDOW_MS
        before = self._events_before(w)
        return before + bisect_right([happening.t_ms for happening in self._window(w)], at)

    def events(self, first: int, last: int) -> Iterator[dict[str, str | int]]:
        """Events number `first` … `last` (from 1), in order of time, as the records have them."""
        w = max(0, bisect_right(self._counted, first - 1) - 1)
        while (n := self._events_before(w)) < last:
            for happening in self._window(w):
                n += 1
                if first <= n <= last:
                    yield self._event(n, happening)
            w += 1

    def _event(self, n: int, happening: Happening) -> dict[str, str | int]:
        t = datetime.fromtimestamp((self.t0_ms + happening.t_ms) / 1000, UTC)
        stamp = t.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        named = {"id": f"{SOURCE}-{n}", "t": stamp, "type": happening.type}
        return {**named, **happening.facts, "source": SOURCE, "n": n}

    def _events_before(self, w: int) -> int:
        while len(self._counted) <= w:
            self._counted.append(self._counted[-1] + len(self._window(len(self._counted) - 1)))
        return self._counted[w]

    def _happenings(self, w: int) -> list[Happening]:
        begin, end = w * _WINDOW_MS, (w + 1) * _WINDOW_MS
        found = [
            happening
            for lane in self.lanes
            for slot in range(begin // lane.takt_ms, -(-end // lane.takt_ms))
            for happening in lane.happenings(slot)
            if begin <= happening.t_ms < end
        ]
        return sorted(found, key=lambda happening: happening[:3])

    def _parts(self, meter: Meter) -> list[tuple[int, Curve]]:
        """The curves, with their sign, whose sum flows over a meter's edge."""
        if (meter.frm, meter.to) in self.loads:
            return [(1, self.loads[meter.frm, meter.to])]
        if meter.frm in self.supplies:
            return [(1, self.supplies[meter.frm])]
        parts = [(1, self.loads[edge]) for edge in self.plant.below(meter.to)]
        if meter.frm in self.plant.sources:
            others = [n for n in self.supplies if self.plant.sources[n].bus == meter.to]
            parts += [(-1, self.supplies[name]) for name in others]
        return parts

    def _load(self, bus: str, consumer: str) -> Curve:
        if (bus, consumer) in self.loads:
            return self.loads[bus, consumer]
        if consumer in self.plant.utilities:
            curve = self._intake(self.plant.utilities[consumer].takes[bus], bus, consumer)
        elif consumer in self.plant.unmetered:
            curve = self._steady(self.plant.unmetered[consumer].run, consumer)
        else:
            curve = self._used(bus, consumer)
        self.loads[bus, consumer] = curve
        return curve

    def _used(self, bus: str, node: str) -> Curve:
        for lane in self.lanes:
            if node in lane.lane.stations:
                station = lane.lane.stations.index(node)
                return Curve(lane.takt_ms, partial(lane.pieces, station, bus))
        return self._steady(self.plant.nodes[node].uses[bus].run, node, bus)

    def _intake(self, intake: Intake, bus: str, utility: str) -> Curve:
        base = self._steady(intake.base, utility, bus)
        if not intake.per_1000:
            return base
        given = [edge for out in self.plant.fed_by(utility) for edge in self.plant.below(out)]
        return following(
            _FOLLOWING_MS,
            [base, *(self._load(*edge) for edge in given)],
            lambda rates: rates[0] + sum(rates[1:]) * intake.per_1000 // 1000,
        )

    def _steady(self, range_: Range, *name: str) -> Curve:
        def cycle(k: int) -> tuple[Piece, ...]:
            steps = range(k * _STEADY_MS, (k + 1) * _STEADY_MS, _STEADY_STEP_MS)
            draw = self.dice.between
            return tuple(
                Piece(t, t + _STEADY_STEP_MS, draw(*range_, "rate", *name, t)) for t in steps
            )

        return Curve(_STEADY_MS, cycle)

    def _since_t0(self, t_ms: int) -> int:
        if t_ms < self.t0_ms:
            raise ValueError(f"{t_ms} is before the plant's first millisecond {self.t0_ms}")
        return t_ms - self.t0_ms
