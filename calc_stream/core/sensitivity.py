"""How energy of an account moves with each meter's flow: the derivative of the tracing, by interval.

Forwards a place holds content c, backwards a quantum there has a value: the measure that becomes of it
(`ways` turns both into the derivative by each flow). One solve forwards and one backwards give it for
every meter. With stores each source is followed apart, since a store gives the mix it was given, and a
quantum put in is worth what the store gives of it later (`held`). Floats: what comes out is an
uncertainty, no account. Loops are eliminated element by element in a fixed order, without BLAS.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np

from calc_stream.core.held import Held, Moves, Worth, held, worth
from calc_stream.core.plant import Carrier, Meter, SiteModel
from calc_stream.core.postings import network_of
from calc_stream.core.receivers import Nodes, shares_along
from calc_stream.core.registers import flows_between
from calc_stream.core.series import Readings, Span
from calc_stream.core.tracing import is_loop
from calc_stream.core.ways import Floats, ways_of
from calc_stream.core.whole import Rows

_NOTHING = 1e-12  # a pivot below it: what goes round in the loop does not die away

Values = Mapping[str, Floats]  # by node, export, store, place, and `residual:` of a place
Times = Mapping[tuple[str, str], Sequence[tuple[Span, float]]]  # by node and account


@dataclass(frozen=True)
class Slope:
    """One meter: its flow in quanta, and by how much a quantum more moves the measure, by interval."""

    meter: Meter
    carrier: Carrier
    flow: Floats
    slope: Floats


@dataclass(frozen=True)
class _Layer:
    """What is followed together: `brings`, by source or store, of each quantum that leaves it;
    `values`: what that is worth at a place."""

    brings: Mapping[str, Floats]
    values: Values


class Sensitivity:
    """Of a measure (kWh, kg) of accounts together, between neighbouring `edges`.

    `accounts`: how much of each account counts (a batch 1, what it was made of its quantity over the
    good one, ...); `times`: the same of accounts at a node that count from time to time, each time
    otherwise; `weights`: by source, the measure of one quantum, in each interval. With stores the first
    edge is where these first appeared.
    """

    def __init__(
        self,
        accounts: Mapping[str, float],
        model: SiteModel,
        nodes: Nodes,
        readings: Readings,
        edges: Rows,
        weights: Mapping[str, Floats],
        times: Times | None = None,
    ) -> None:
        self._model, self._nodes, self.edges = model, nodes, edges
        self._rows = max(edges.size - 1, 0)
        self._weights = weights
        flows = flows_between(edges, model.meters, readings)
        whole = {meter: flow.quanta for meter, flow in flows.items()}
        self._flows = {name: flow.astype(np.float64) for name, flow in whole.items()}
        network = network_of(model)
        self._groups, self._ways = network.groups, ways_of(network, whole, self._rows)
        self._zero = np.zeros(self._rows)
        self._count(accounts, times or {})
        self._stores, self._sources = tuple(sorted(model.stores)), tuple(sorted(weights))
        self._held = self._filled() if self._stores else None
        self._all = self._layers({})

    def weighing(self, weights: Mapping[str, Floats]) -> "Sensitivity":
        """The same of another measure of these sources."""
        other = copy(self)
        other._weights = weights
        other._all = other._layers({})
        return other

    def counting(self, times: Times, weights: Mapping[str, Floats]) -> "Sensitivity":
        """The same of a measure of other accounts."""
        other = copy(self)
        other._count({}, times)
        return other.weighing(weights)

    def slopes(self) -> Iterator[Slope]:
        """Every meter's derivative."""
        layers, later = self._all
        contents = [self._forwards(layer.brings) for layer in layers]
        for meter in self._model.meters:
            slope = self._of_stores(meter, later)
            ways = [w for w in self._ways.values() if meter.id in w.weights or meter.id in w.moves]
            for layer, content in zip(layers, contents, strict=True):
                if meter.start in layer.brings:
                    slope = slope + layer.brings[meter.start] * layer.values[meter.end]
                for way in ways:
                    slope = slope + content[way.place.name] * way.turned(meter, layer.values)
            carrier = self._model.carriers[meter.carrier]
            yield Slope(meter, carrier, self._flows[meter.id], slope)

    def value(self, through: Mapping[str, Floats] | None = None) -> float:
        """The measure itself; `through`: only what passed by meters weighed 1 there, by interval, so
        nothing of what stores held when they appeared."""
        through = through or {}
        layers, later = self._layers(through) if through else self._all
        total = later.opening + self._begun() if later and not through else 0.0
        for meter in self._model.meters:
            for layer in layers if meter.start in self._weights else ():
                if meter.start in layer.brings:
                    came = self._flows[meter.id] * layer.brings[meter.start]
                    weighed = came * layer.values[meter.end] * through.get(meter.id, 1.0)
                    total += float(np.add.reduce(weighed))
        return total

    def backwards(self, counted: Values, through: Mapping[str, Floats]) -> dict[str, Floats]:
        """What a quantum is worth at each place, from what it is worth at the ends."""
        zero, values = self._zero, dict(counted)
        for group in reversed(self._groups):
            names = [place.name for place in group]
            stuck = {name: values.setdefault(f"residual:{name}", zero) for name in names}
            given = {name: self._ways[name].stay * stuck[name] for name in names}
            inside: dict[tuple[str, str], Floats] = {}
            for name in names:
                way = self._ways[name]
                for edge, part in zip(way.place.outflows, way.parts, strict=True):
                    part = part * through.get(edge.id, 1.0) if isinstance(edge, Meter) else part
                    if edge.end in names:
                        inside[edge.end, name] = inside.get((edge.end, name), zero) + part
                    else:
                        given[name] = given[name] + part * values[edge.end]
            values |= _solved(names, given, inside, stuck) if is_loop(group) else given
        return values

    def _count(self, accounts: Mapping[str, float], times: Times) -> None:
        self._accounts, self._times = accounts, times
        counted = {name: self._share(name) for name in self._model.nodes}
        counted |= {n: self._zero + accounts.get(f"export:{n}", 0.0) for n in self._model.exports}
        counted |= {n: self._zero + accounts.get(f"store:{n}", 0.0) for n in self._model.stores}
        self._counted = counted

    def _layers(self, through: Mapping[str, Floats]) -> tuple[list[_Layer], Worth | None]:
        """One for all sources; with stores one for each, and what content is worth after each row."""
        residuals = {f"residual:{name}": self._zero + self._residual(name) for name in self._ways}
        values = self.backwards(self._counted | residuals, through)
        if self._held is None:
            return [_Layer(self._weights, values)], None
        into = [self._into(store, through) for store in self._stores]
        later = self._worth(self._held, values, into, through)
        layers = []
        for at, source in enumerate(self._sources):
            weight = self._weights[source]
            of_source = {name: weight * value for name, value in values.items()}
            for store, parts in enumerate(into):
                more = later.content[:, store, at]
                of_source = {n: value + more * parts[n] for n, value in of_source.items()}
            brings = {source: self._zero + 1}
            brings |= {n: self._held.given[:, i, at] for i, n in enumerate(self._stores)}
            layers.append(_Layer(brings, of_source))
        return layers, later

    def _worth(
        self, there: Held, values: Values, into: Sequence[Values], through: Mapping[str, Floats]
    ) -> Worth:
        """`into`: by store, the part of what is at a place that ends there."""
        out = np.stack([self._taken(store) for store in self._stores], axis=1)
        kept = [self._accounts.get(f"store:{store}", 0.0) for store in self._stores]
        brought = np.stack([self._sent(store, values, through) for store in self._stores], axis=1)
        passed = np.stack([self._all_sent(parts, through) for parts in into], axis=2)
        weights = np.stack([self._weights[source] for source in self._sources], axis=1)
        return worth(there, out, passed, brought - out * np.array(kept), weights)

    def _filled(self) -> Held:
        """What was in the stores, by the meters."""
        rows, stores = self._rows, self._stores
        into = [self._into(store, {}) for store in stores]
        arriving = np.zeros((rows, len(stores), len(self._sources)))
        for at, parts in enumerate(into):
            for source, name in enumerate(self._sources):
                arriving[:, at, source] = self._sent(name, parts, {})
        meters = self._model.meters
        entered = [
            sum((self._flows[m.id] for m in meters if m.end == n), self._zero) for n in stores
        ]
        moves = Moves(
            np.stack([self._taken(store) for store in stores], axis=1),
            np.stack(entered, axis=1),
            arriving,
            np.stack([self._all_sent(parts, {}) for parts in into], axis=2),
        )
        return held(self._model.stores, self._sources, moves)

    def _begun(self) -> float:
        """What stores that count themselves held when they appeared."""
        kept = [
            (self._accounts.get(f"store:{n}", 0.0), self._model.stores[n]) for n in self._stores
        ]
        held = [(part * float(q), s) for part, st in kept for s, q in st.content.items() if part]
        return sum(amount * float(self._weights[source][0]) for amount, source in held)

    def _into(self, store: str, through: Mapping[str, Floats]) -> dict[str, Floats]:
        """The part of what is at a place that ends in the store."""
        ends = dict.fromkeys(self._counted, self._zero) | {store: self._zero + 1}
        return self.backwards(ends, through)

    def _all_sent(self, values: Values, through: Mapping[str, Floats]) -> Floats:
        return np.stack([self._sent(name, values, through) for name in self._stores], axis=1)

    def _sent(self, start: str, values: Values, through: Mapping[str, Floats]) -> Floats:
        """What all that left a source or a store is worth where its meters end."""
        found = self._zero
        for meter in self._model.meters:
            if meter.start == start:
                went = self._flows[meter.id] * through.get(meter.id, 1.0)
                found = found + went * values[meter.end]
        return found

    def _taken(self, store: str) -> Floats:
        return self._sent(store, dict.fromkeys(self._counted | self._ways, self._zero + 1), {})

    def _of_stores(self, meter: Meter, later: Worth | None) -> Floats:
        """What a quantum more through a store's meter changes besides where its content goes."""
        slope = self._zero
        if later is None or self._held is None:
            return slope
        if meter.start in self._stores:
            at, kept = self._stores.index(meter.start), self._accounts.get(f"store:{meter.start}")
            slope = slope + later.taken[:, at]
            for source, name in enumerate(self._sources):
                left = later.content[:, at, source] + (kept or 0.0) * self._weights[name]
                slope = slope - self._held.given[:, at, source] * left
        if meter.end in self._stores:
            efficiency = float(self._model.stores[meter.end].efficiency)
            slope = slope + efficiency * later.level[:, self._stores.index(meter.end)]
        return slope

    def _forwards(self, brings: Mapping[str, Floats]) -> dict[str, Floats]:
        """What each place gathered."""
        inbox = dict.fromkeys(self._ways, self._zero)
        for meter in self._model.meters:
            if meter.start in brings and meter.end in inbox:
                inbox[meter.end] = inbox[meter.end] + self._flows[meter.id] * brings[meter.start]
        for group in self._groups:
            names = [place.name for place in group]
            outside: list[tuple[str, str, Floats]] = []
            inside: dict[tuple[str, str], Floats] = {}
            for name in names:
                way = self._ways[name]
                for edge, part in zip(way.place.outflows, way.parts, strict=True):
                    if edge.end in names:
                        inside[name, edge.end] = inside.get((name, edge.end), self._zero) + part
                    elif edge.end in inbox:
                        outside.append((name, edge.end, part))
            if is_loop(group):
                given = {name: inbox[name] for name in names}
                inbox |= _solved(names, given, inside, given)
            for name, end, part in outside:
                inbox[end] = inbox[end] + inbox[name] * part
        return inbox

    def _residual(self, place: str) -> float:
        return self._accounts.get(f"residual:{place}", 0.0)

    def _share(self, node: str) -> Floats:
        """The accounts' part of what arrives at a node."""
        found = np.zeros(self._rows)
        for rows, shares in shares_along(self._model, self._nodes, node, self.edges):
            for share in shares:
                counts = self._counts(node, share.account.name, self.edges[rows])
                if counts is not None:
                    part = share.weights.astype(np.float64) / share.whole.astype(np.float64)
                    found[rows] += counts * part
        return found

    def _counts(self, node: str, name: str, begins: Rows) -> Floats | float | None:
        """How much of an account counts in the intervals that begin then."""
        times = self._times.get((node, name))
        if times is None:
            return self._accounts.get(name)
        found = np.zeros(begins.size)
        for span, part in times:
            lo, hi = begins.searchsorted(span)
            found[lo:hi] = part
        return found


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
