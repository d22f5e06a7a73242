"""How energy of an account moves with each meter's flow: the derivative of the tracing, by interval.

Forwards a place holds content c, backwards the account has a part p of what leaves there. More flow f
through an outlet takes from what the place's other outlets share, so with D the divisor of a bus
(see `outlets`) d/df of an outflow is c (p_end - p_rest) / D, and of an inflow -c (p - p_rest) / D: one
solve forwards and one backwards give the derivative for every meter. Floats: what comes out is an
uncertainty, no account. Loops are eliminated element by element in a fixed order, without BLAS.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calc_stream.core.known import known_links
from calc_stream.core.outlets import Place, outlets
from calc_stream.core.plant import Carrier, Meter, SiteModel
from calc_stream.core.postings import network_of
from calc_stream.core.receivers import Nodes, shares_at
from calc_stream.core.registers import flows_between
from calc_stream.core.series import Readings
from calc_stream.core.tracing import is_loop
from calc_stream.core.whole import Rows, Whole

Floats = npt.NDArray[np.float64]
_NOTHING = 1e-12  # a pivot below it: what goes round in the loop does not die away


@dataclass(frozen=True)
class Slope:
    """One meter: its flow in quanta, and by how much a quantum more moves the measure, by interval."""

    meter: Meter
    carrier: Carrier
    flow: Floats
    slope: Floats


@dataclass
class _Way:
    """How a place shares out: part by outflow, what stays, and what a flow is divided by."""

    place: Place
    parts: list[Floats]
    stay: Floats
    divisor: Floats | None  # None: the shares do not depend on flows


def is_covered(model: SiteModel) -> bool:
    """Whether the derivative below holds for a model: not yet with stores, links of known flow or
    outputs made apart by reference efficiencies."""
    known = known_links(model) or model.stores
    return not known and all(meter.reference is None for meter in model.meters)


class Sensitivity:
    """Of a measure (kWh, kg) of accounts together, between neighbouring `edges`.

    `accounts`: how much of each account counts (a batch 1, what it was made of its quantity over the
    good one, ...); `weights`: by source, the measure of one quantum, in each interval.
    """

    def __init__(
        self,
        accounts: Mapping[str, float],
        model: SiteModel,
        nodes: Nodes,
        readings: Readings,
        edges: Rows,
        weights: Mapping[str, Floats],
    ) -> None:
        self._model, self._accounts, self.edges = model, accounts, edges
        self._rows = max(edges.size - 1, 0)
        self._weights = weights
        whole = {
            meter: flow.quanta
            for meter, flow in flows_between(edges, model.meters, readings).items()
        }
        self._flows = {name: flow.astype(np.float64) for name, flow in whole.items()}
        self._groups = network_of(model).groups
        self._ways = {p.name: self._way(p, whole) for group in self._groups for p in group}
        self._given = {name: self._share(nodes, name) for name in model.nodes}
        self._parts = self.backwards({})

    def slopes(self) -> Iterator[Slope]:
        """Every meter's derivative."""
        contents = self._forwards()
        for meter in self._model.meters:
            slope = np.zeros(self._rows)
            if meter.start in self._weights:
                slope = slope + self._weights[meter.start] * self._part(meter.end)
            for name, outwards in ((meter.start, True), (meter.end, False)):
                way = self._ways.get(name)
                if way is not None and way.divisor is not None:
                    slope = slope + contents[name] * self._turned(way, meter, outwards)
            carrier = self._model.carriers[meter.carrier]
            yield Slope(meter, carrier, self._flows[meter.id], slope)

    def value(self, through: Mapping[str, Floats] | None = None) -> float:
        """The measure itself; `through`: only what passed by meters weighed 1 there, by interval."""
        through = through or {}
        parts = self.backwards(through) if through else self._parts
        total = 0.0
        for meter in self._model.meters:
            if meter.start in self._weights:
                came = self._flows[meter.id] * self._weights[meter.start]
                weighed = came * parts[meter.end] * through.get(meter.id, 1.0)
                total += float(np.add.reduce(weighed))
        return total

    def backwards(self, through: Mapping[str, Floats]) -> dict[str, Floats]:
        """The accounts' part of what is at each place, node and export."""
        zero = np.zeros(self._rows)
        parts = dict.fromkeys(self._model.exports, zero)
        parts |= {n: zero + self._accounts.get(f"export:{n}", 0.0) for n in self._model.exports}
        parts |= self._given
        for group in reversed(self._groups):
            names = [place.name for place in group]
            given = {name: self._ways[name].stay * self._residual(name) for name in names}
            inside: dict[tuple[str, str], Floats] = {}
            for name in names:
                way = self._ways[name]
                for edge, part in zip(way.place.outflows, way.parts, strict=True):
                    part = part * through.get(edge.id, 1.0) if isinstance(edge, Meter) else part
                    if edge.end in names:
                        inside[edge.end, name] = inside.get((edge.end, name), zero) + part
                    else:
                        given[name] = given[name] + part * parts[edge.end]
            stuck = {name: zero + self._residual(name) for name in names}
            parts |= _solved(names, given, inside, stuck) if is_loop(group) else given
        return parts

    def _forwards(self) -> dict[str, Floats]:
        """The measure of what each place gathered."""
        zero = np.zeros(self._rows)
        inbox = dict.fromkeys(self._ways, zero)
        for meter in self._model.meters:
            if meter.start in self._weights and meter.end in inbox:
                came = self._flows[meter.id] * self._weights[meter.start]
                inbox[meter.end] = inbox[meter.end] + came
        for group in self._groups:
            names = [place.name for place in group]
            outside: list[tuple[str, str, Floats]] = []
            inside: dict[tuple[str, str], Floats] = {}
            for name in names:
                way = self._ways[name]
                for edge, part in zip(way.place.outflows, way.parts, strict=True):
                    if edge.end in names:
                        inside[name, edge.end] = inside.get((name, edge.end), zero) + part
                    elif edge.end in inbox:
                        outside.append((name, edge.end, part))
            if is_loop(group):
                given = {name: inbox[name] for name in names}
                inbox |= _solved(names, given, inside, given)
            for name, end, part in outside:
                inbox[end] = inbox[end] + inbox[name] * part
        return inbox

    def _turned(self, way: _Way, meter: Meter, outwards: bool) -> Floats:
        """By how much a quantum through the meter turns a unit of the place's content to us."""
        divisor = way.divisor
        assert divisor is not None  # noqa: S101
        here = self._parts[way.place.name]
        follows_outflow = way.place.spreads or not way.place.mixes
        if not outwards:
            return (
                np.zeros(self._rows) if follows_outflow else _over(self._rest(way) - here, divisor)
            )
        before = here if follows_outflow else self._rest(way)
        return _over(self._part(meter.end) - before, divisor)

    def _rest(self, way: _Way) -> Floats:
        """The accounts' part of what no meter of a bus explains: its links', or its residual's."""
        links = [
            (edge, part)
            for edge, part in zip(way.place.outflows, way.parts, strict=True)
            if not isinstance(edge, Meter)
        ]
        if not links:
            return np.zeros(self._rows) + self._residual(way.place.name)
        shares = [float(edge.share if edge.share is not None else 1) for edge, _ in links]
        found = np.zeros(self._rows)
        for (edge, _), share in zip(links, shares, strict=True):
            found = found + share / sum(shares) * self._part(edge.end)
        return found

    def _part(self, end: str) -> Floats:
        return self._parts[end]

    def _residual(self, place: str) -> float:
        return self._accounts.get(f"residual:{place}", 0.0)

    def _share(self, nodes: Nodes, node: str) -> Floats:
        """The accounts' part of what arrives at a node."""
        found = np.zeros(self._rows)
        for share in shares_at(self._model, nodes, node, self.edges[:-1], self.edges[1:]):
            counts = self._accounts.get(share.account.name, 0.0)
            if counts:
                part = share.weights.astype(np.float64) / share.whole.astype(np.float64)
                found = found + counts * part
        return found

    def _way(self, place: Place, flows: dict[str, Whole]) -> _Way:
        ways = outlets(place, flows, {}, self._rows)
        whole = np.broadcast_to(ways.whole, ways.stay.shape).astype(np.float64)
        parts = [out.astype(np.float64) / whole for out in ways.out]
        stay = ways.stay.astype(np.float64) / whole
        return _Way(place, parts, stay, self._divisor(place))

    def _divisor(self, place: Place) -> Floats | None:
        drawn = [self._flows[e.id] for e in place.outflows if isinstance(e, Meter)]
        arrived = [self._flows[e.id] for e in place.inflows if isinstance(e, Meter)]
        if place.mixes:
            return _sum(drawn if place.spreads else arrived, self._rows)
        by_flow = len({edge.end for edge in place.outflows}) > 1 and not any(
            edge.share is not None for edge in place.outflows
        )
        return _sum(drawn, self._rows) if by_flow else None


def _sum(columns: list[Floats], rows: int) -> Floats:
    total = np.zeros(rows)
    for column in columns:
        total = total + column
    return total


def _over(numbers: Floats, divisor: Floats) -> Floats:
    """Divided; nothing where nothing flows."""
    empty = divisor == 0
    result: Floats = np.where(empty, 0.0, numbers / np.where(empty, 1.0, divisor))
    return result


def _solved(
    names: list[str],
    given: Mapping[str, Floats],
    shares: Mapping[tuple[str, str], Floats],
    stuck: Mapping[str, Floats],
) -> dict[str, Floats]:
    """x[to] = given[to] + sum of shares[from, to] * x[from], row by row; `stuck` where it never ends."""
    size, zero = len(names), np.zeros_like(given[names[0]])
    matrix = [
        [(zero + (row == col)) - shares.get((names[col], names[row]), zero) for col in range(size)]
        for row in range(size)
    ]
    right = [zero + given[name] for name in names]
    endless = np.zeros(zero.shape, dtype=np.bool_)
    for at in range(size):
        endless |= matrix[at][at] < _NOTHING
        pivot = np.where(endless, 1.0, matrix[at][at])
        for row in range(at + 1, size):
            factor = matrix[row][at] / pivot
            for col in range(at, size):
                matrix[row][col] = matrix[row][col] - factor * matrix[at][col]
            right[row] = right[row] - factor * right[at]
    found: list[Floats] = [zero] * size
    for at in reversed(range(size)):
        rest = right[at]
        for col in range(at + 1, size):
            rest = rest - matrix[at][col] * found[col]
        found[at] = rest / np.where(endless, 1.0, matrix[at][at])
    return {n: np.where(endless, stuck[n], found[at]) for at, n in enumerate(names)}
