"""Pure: orders on their way over a lane's stations.

Time comes in slots of one takt. Order k is at station j during slot k + j: a late start, a setup
when the product changed, production (now and then with a short fault), a stop before the slot ends.
So what happens in a slot follows from its number alone.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from simulators.curve import Piece
from simulators.dice import Dice
from simulators.plant import Lane, Plant, Range

_STEP_MS = 2_000  # what a producing machine takes changes this often
_REPORTS = 3  # how often a batch's pieces are counted
_REPORT_MS = 150  # from the work to the count of its pieces


class Visit(NamedTuple):
    """One order at one station. `begin_ms` < `start_ms` where there is a setup."""

    station: str
    order: int
    batch: str
    begin_ms: int
    start_ms: int
    stop_ms: int
    fault_ms: Range | None


class Happening(NamedTuple):
    """A production event before it has a number. Sorts by time."""

    t_ms: int
    type: str
    where: str
    facts: dict[str, str]


class Orders:
    """Everything that happens on one lane, slot by slot. Times in ms since t0."""

    def __init__(self, name: str, lane: Lane, plant: Plant, dice: Dice) -> None:
        self.name, self.lane = name, lane
        self.takt_ms = 1000 * lane.takt_s
        self._plant, self._dice = plant, dice

    def batch(self, order: int) -> str:
        """The batch id of an order."""
        return f"{self.name}-{self._made_before(order) + 1:05d}"

    def product(self, order: int) -> str:
        """What an order makes."""
        return self._product(self._made_before(order))

    def visit(self, station: int, slot: int) -> Visit | None:
        """Who is at station number `station` during `slot`; None while it waits."""
        order = slot - station
        every = self.lane.pause_one_in
        if order < 0 or (every and self._pause(order // every) == order):
            return None
        name, at = self.lane.stations[station], slot * self.takt_ms
        key = (name, slot)
        begin = start = at + self._dice.between(200, 900, "begin", *key)
        made = self._made_before(order)
        if made == 0 or self._product(made) != self._product(made - 1):
            start += self._dice.between(*self.lane.setup_ms, "setup", *key)
        stop = at + self.takt_ms - self._dice.between(300, 900, "stop", *key)
        fault = None
        if self._dice.one_in(self.lane.fault_one_in, "fault", *key):
            fault_at = start + (stop - start) // 3
            fault = (fault_at, fault_at + self._dice.between(400, 900, "mend", *key))
        return Visit(name, order, self.batch(order), begin, start, stop, fault)

    def visits(self, order: int) -> list[Visit]:
        """Every stop of an order on its way; none for a pause."""
        stations = range(len(self.lane.stations))
        found = [self.visit(station, order + station) for station in stations]
        return [visit for visit in found if visit is not None]

    def pieces(self, station: int, bus: str, slot: int) -> tuple[Piece, ...]:
        """What the station takes of a bus during one slot."""
        name, at = self.lane.stations[station], slot * self.takt_ms
        use = self._plant.nodes[name].uses[bus]
        if use.setup is None or use.idle is None:
            raise ValueError(f"{name} is a station without setup or idle on {bus}")

        def drawn(range_: Range, t_ms: int) -> int:
            return self._dice.between(*range_, "rate", name, bus, t_ms)

        end, visit = at + self.takt_ms, self.visit(station, slot)
        if visit is None:
            return (Piece(at, end, drawn(use.idle, at)),)
        batch = visit.batch
        out = [Piece(at, visit.begin_ms, drawn(use.idle, at))]
        if visit.begin_ms < visit.start_ms:
            setup = drawn(use.setup, visit.begin_ms)
            out.append(Piece(visit.begin_ms, visit.start_ms, setup, batch))
        for begin, stop, faulty in _steps(visit):
            out.append(Piece(begin, stop, drawn(use.idle if faulty else use.run, begin), batch))
        out.append(Piece(visit.stop_ms, end, drawn(use.idle, visit.stop_ms)))
        return tuple(out)

    def happenings(self, slot: int) -> Iterator[Happening]:
        """What the lane reports about one slot, in no order."""
        for station, name in enumerate(self.lane.stations):
            if (visit := self.visit(station, slot)) is None:
                continue
            if visit.begin_ms < visit.start_ms:
                yield Happening(visit.begin_ms, "state", name, {"node": name, "state": "setup"})
            batch = {"node": name, "batch": visit.batch}
            product = self.product(visit.order)
            yield Happening(visit.start_ms, "start", name, {**batch, "product": product})
            if visit.fault_ms:
                for t_ms, state in zip(visit.fault_ms, ("fault", "producing"), strict=True):
                    yield Happening(t_ms, "state", name, {"node": name, "state": state})
            yield Happening(visit.stop_ms, "stop", name, batch)
            if station == len(self.lane.stations) - 1:
                yield from self._counts(visit)

    def _counts(self, visit: Visit) -> Iterator[Happening]:
        """Pieces as they leave the last station, so that a batch has a figure while it runs."""
        product = self._plant.products[self.product(visit.order)]
        pieces = self._dice.between(*product.pieces, "pieces", visit.batch)
        scrap = self._dice.between(*product.scrap, "scrap", visit.batch)
        good, lasts_ms = pieces - scrap, visit.stop_ms - visit.start_ms
        for part in range(1, _REPORTS + 1):
            made = good * part // _REPORTS - good * (part - 1) // _REPORTS
            told = {"good": str(made), "scrap": str(scrap if part == _REPORTS else 0)}
            t_ms = visit.start_ms + lasts_ms * part // _REPORTS + _REPORT_MS
            facts = {"batch": visit.batch, **told, "unit": "piece"}
            yield Happening(t_ms, "quantity", visit.station, facts)

    def _product(self, made: int) -> str:
        return self.lane.products[made // self.lane.run % len(self.lane.products)]

    def _made_before(self, order: int) -> int:
        """How many orders are made before this one: pauses take no number."""
        if not (every := self.lane.pause_one_in):
            return order
        rounds = order // every
        return order - rounds - (self._pause(rounds) < order)

    def _pause(self, rounds: int) -> int:
        """The order that stays empty among the `pause_one_in` orders of one round.

        One in each round, so that how many came before an order follows from its number.
        """
        every = self.lane.pause_one_in
        return every * rounds + self._dice.between(0, every - 1, self.name, "pause", rounds)


def _steps(visit: Visit) -> Iterator[tuple[int, int, bool]]:
    """(from, to, faulty) pieces of the time between start and stop."""
    cuts = {*range(visit.start_ms, visit.stop_ms, _STEP_MS), visit.stop_ms}
    cuts.update(visit.fault_ms or ())
    points = sorted(cuts)
    for begin, end in pairwise(points):
        faulty = visit.fault_ms is not None and visit.fault_ms[0] <= begin < visit.fault_ms[1]
        yield begin, end, faulty
