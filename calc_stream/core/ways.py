"""How each place shares out, in floats, and how that turns with the flow of each meter.

With D the divisor of a bus (see `outlets`), content c there and v what a quantum is worth at an end, on
average here or in the rest: d/df of an outflow is c (v_end - v_rest) / D, and a quantum that makes D
larger moves c (v_rest - v_here) / D. Where outflows alone make D, so utilities that share out by what
is metered, v_here stands for v_rest and each outflow counts with its weight.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calc_stream.core.known import Edge, Known, added, flows_of_links
from calc_stream.core.outlets import Place, outlets
from calc_stream.core.plant import Link, Meter, SiteModel
from calc_stream.core.tracing import Network
from calc_stream.core.whole import Whole

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Way:
    """Part by outflow, what stays, and what a flow is divided by where one turns the shares.

    `weights`: by outflow meter, how it counts; `moves`: by how much a quantum through a meter makes
    the divisor of a bus larger, the meters upstream of links of known flow among them.
    """

    place: Place
    parts: list[Floats]
    stay: Floats
    divisor: Floats
    weights: Mapping[str, float]
    moves: Mapping[str, float]

    def turned(self, meter: Meter, values: Mapping[str, Floats]) -> Floats:
        """What a quantum through the meter adds to the value of a unit of the place's content."""
        here, found = values[self.place.name], np.zeros_like(self.divisor)
        by_arrivals = self.place.mixes and not self.place.spreads
        rest = self._rest(values) if by_arrivals else here
        if meter.id in self.weights:
            found = found + (values[meter.end] - rest) * self.weights[meter.id]
        if meter.id in self.moves:
            found = found + (rest - here) * self.moves[meter.id]
        return over(found, self.divisor)

    def _rest(self, values: Mapping[str, Floats]) -> Floats:
        """What a quantum is worth in what no meter of a bus explains: its links, or its residual."""
        links = [edge for edge in self.place.outflows if isinstance(edge, Link)]
        if not links:
            return values[f"residual:{self.place.name}"]
        shares = [float(edge.share if edge.share is not None else 1) for edge in links]
        found = np.zeros(self.stay.size)
        for edge, share in zip(links, shares, strict=True):
            found = found + share / sum(shares) * values[edge.end]
        return found


def ways_of(network: Network, flows: Mapping[str, Whole], rows: int) -> dict[str, Way]:
    """Of every place of a network. `flows`: quanta by meter."""
    known = flows_of_links(network.model, network.known, flows, rows)
    moved = _unit_flows(network)
    found = {}
    for place in (place for group in network.groups for place in group):
        ways = outlets(place, flows, known, rows)
        whole = np.broadcast_to(ways.whole, ways.stay.shape).astype(np.float64)
        weights = _weights(place)
        moves = _moves(network.model, place, moved)
        found[place.name] = Way(
            place,
            [out.astype(np.float64) / whole for out in ways.out],
            ways.stay.astype(np.float64) / whole,
            _divisor(place, weights, flows, known, rows),
            weights,
            moves,
        )
    return found


def over(numbers: Floats, divisor: Floats) -> Floats:
    """Divided; nothing where nothing flows."""
    empty = divisor == 0
    result: Floats = np.where(empty, 0.0, numbers / np.where(empty, 1.0, divisor))
    return result


def _weights(place: Place) -> dict[str, float]:
    """Of the meters whose flow turns the shares."""
    meters = [(e, w) for e, w in zip(place.outflows, place.weights, strict=True) if _metered(e)]
    if place.mixes:
        return {edge.id: 1.0 for edge, _ in meters if isinstance(edge, Meter)}
    fixed = len({edge.end for edge in place.outflows}) < 2 or any(
        edge.share is not None for edge in place.outflows
    )
    most = max(place.weights, default=1)  # whole numbers of any size; only their proportion counts
    return {} if fixed else {e.id: w / most for e, w in meters if isinstance(e, Meter)}


def _divisor(
    place: Place,
    weights: Mapping[str, float],
    flows: Mapping[str, Whole],
    known: Mapping[Link, Known],
    rows: int,
) -> Floats:
    if place.mixes and not place.spreads:
        arrived = added(place.inflows, flows, known, rows)
        return arrived.numbers.astype(np.float64) / arrived.over
    total = np.zeros(rows)
    for meter, weight in weights.items():
        total = total + flows[meter].astype(np.float64) * weight
    return total


def _moves(
    model: SiteModel, place: Place, moved: tuple[Mapping[str, Whole], Mapping[Link, Known]]
) -> dict[str, float]:
    """How a bus's divisor follows each meter; links of known flow are linear in them."""
    if not place.mixes or place.spreads:
        return {}
    arrived = added(place.inflows, *moved, len(model.meters))
    each = arrived.numbers.astype(np.float64) / arrived.over
    return {m.id: by for m, by in zip(model.meters, each.tolist(), strict=True) if by}


def _unit_flows(network: Network) -> tuple[Mapping[str, Whole], Mapping[Link, Known]]:
    """A quantum through one meter a row and nothing else, and what then flows through links."""
    meters = network.model.meters
    units = dict(zip((m.id for m in meters), np.eye(len(meters), dtype=np.int64), strict=True))
    return units, flows_of_links(network.model, network.known, units, len(meters))


def _metered(edge: Edge) -> bool:
    return isinstance(edge, Meter)
