"""How a place shares out what it gathered, per interval, as whole numbers over one denominator."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm

import numpy as np

from calc_stream.core.known import Edge, Known, added, known_links
from calc_stream.core.plant import Link, Meter, SiteModel
from calc_stream.core.whole import (
    Flags,
    Matrix,
    Rows,
    Whole,
    add,
    mul,
    peak,
    stack,
    summed,
    total,
    whole,
)


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A bus or a utility with its edges. `mixes`: a bus; `spreads`: D is what flows out; `weights`:
    what a quantum of each outflow weighs where they are shared out by what is metered. `metered`: each
    outflow's place among the model's meters (-1: one of the `links`); `fan`: which of them alone feed a
    node or an export, `tips`, and so need not be looked at one by one; `others`: the rest."""

    name: str
    inflows: tuple[Edge, ...]
    outflows: tuple[Edge, ...]
    mixes: bool
    spreads: bool
    weights: tuple[int, ...]
    metered: Rows
    links: tuple[Link, ...]
    fan: Rows
    tips: tuple[str, ...]
    others: tuple[int, ...]


@dataclass(slots=True)
class Outlets:
    """out[i] / whole leaves by edge i of `Place.outflows` (a row an edge), stay / whole is its residual.

    `untraced`: rows where meters show an outflow that nothing feeds.
    """

    whole: Whole
    out: Whole
    stay: Whole
    untraced: Flags | None = None


def places_of(model: SiteModel) -> dict[str, Place]:
    """Every bus and utility by name, in byte order."""
    edges: tuple[Edge, ...] = (*model.meters, *model.links)
    known = known_links(model)
    numbers = {meter.id: at for at, meter in enumerate(model.meters)}
    fed = Counter(edge.end for edge in edges)
    tips = {end for end in (*model.nodes, *model.exports) if fed[end] == 1 and not model.stores}
    places = {}
    for name in sorted((*model.buses, *model.utilities)):
        inflows = tuple(edge for edge in edges if edge.end == name)
        outflows = tuple(edge for edge in edges if edge.start == name)
        bus = model.buses.get(name)
        blind = any(isinstance(edge, Link) and edge not in known for edge in inflows)
        spreads = bus is not None and (bus.residual == "spread" or blind)
        weights = _weights(model, outflows)
        fan = [at for at, edge in enumerate(outflows) if edge.end in tips]
        places[name] = Place(
            *(name, inflows, outflows, bus is not None, spreads, weights),
            np.array([numbers[e.id] if isinstance(e, Meter) else -1 for e in outflows], np.int64),
            tuple(edge for edge in outflows if isinstance(edge, Link)),
            np.array(fan, dtype=np.int64),
            tuple(outflows[at].end for at in fan),
            tuple(at for at, edge in enumerate(outflows) if edge.end not in tips),
        )
    return places


def outlets(
    place: Place, flows: Mapping[str, Whole], known: Mapping[Link, Known], rows: int
) -> Outlets:
    """How the place shares its content out in each of so many intervals."""
    if place.mixes:
        return _mixed(place, flows, known, rows)
    return _passed_on(place, flows, rows)


def _mixed(
    place: Place, flows: Mapping[str, Whole], known: Mapping[Link, Known], rows: int
) -> Outlets:
    """A bus: each metered outflow f takes f / D of the content; links share what is left."""
    zero = np.zeros(rows, dtype=np.int64)
    metered = _flowing(place, flows, zero)
    drawn = divisor = summed(metered)
    if not place.spreads:
        arrived = added(place.inflows, flows, known, rows)
        divisor = arrived.numbers
        if any(isinstance(edge, Link) for edge in place.inflows):
            # Below zero when more was taken upstream than there was: then all signs turn.
            unit = np.where(divisor < 0, whole(-arrived.over), whole(arrived.over))
            divisor = mul(divisor, np.where(divisor < 0, whole(-1), whole(1)))
            metered, drawn = mul(metered, unit), mul(drawn, unit)
    empty = divisor == 0
    untraced = None
    if empty.any():
        divisor = np.where(empty, whole(1), divisor)
        untraced = empty if peak(drawn[empty]) else None
        metered = np.where(empty, zero, metered)
        drawn = np.where(empty, zero, drawn)
    rest = add(divisor, -drawn)
    if not place.links:
        return Outlets(divisor, metered, rest, untraced)
    shares = _whole_shares([e.share if e.share is not None else Fraction(1) for e in place.links])
    parts = whole(sum(shares))
    given = iter(shares)
    linked = np.where(empty, zero, rest)
    out = [
        mul(linked, whole(next(given))) if isinstance(edge, Link) else mul(flow, parts)
        for edge, flow in zip(place.outflows, metered, strict=True)
    ]
    stay = mul(np.where(empty, rest, zero), parts)
    return Outlets(mul(divisor, parts), stack(out, rows), stay, untraced)


def _flowing(place: Place, flows: Mapping[str, Whole], zero: Whole) -> Whole:
    """What its meters count, a row an outflow; nothing through links."""
    if not isinstance(flows, Matrix) or not flows:  # a version of a model may have no meter
        outflows = place.outflows
        return stack([flows[e.id] if isinstance(e, Meter) else zero for e in outflows], zero.size)
    matrix: Whole = flows.whole[place.metered]
    if place.links:
        matrix[place.metered < 0] = 0
    return matrix


def _passed_on(place: Place, flows: Mapping[str, Whole], rows: int) -> Outlets:
    """A utility: everything goes on; to one output, by declared share, or by metered flow."""
    one, zero = np.ones(rows, dtype=np.int64), np.zeros(rows, dtype=np.int64)
    outflows = place.outflows
    metered = [flows[e.id] for e in outflows if isinstance(e, Meter)]
    all_metered = len(metered) == len(outflows)
    drawn = total(metered, zero)
    shares = [edge.share for edge in outflows if edge.share is not None]
    if len({edge.end for edge in outflows}) == 1:
        numbers = [1] + [0] * (len(outflows) - 1)
    elif shares:
        numbers = _whole_shares(shares)
    else:
        if set(place.weights) != {1}:
            weighed = zip(metered, place.weights, strict=True)
            metered = [mul(flow, whole(weight)) for flow, weight in weighed]
            drawn = total(metered, zero)
        divisor = np.where(drawn == 0, whole(1), drawn)
        stay = np.where(drawn == 0, one, zero)
        return Outlets(divisor, stack(metered, rows), stay)
    idle = drawn == 0 if all_metered else np.zeros(rows, dtype=np.bool_)
    parts = np.repeat(whole(sum(numbers)), rows)
    out = [np.where(idle, zero, np.repeat(whole(number), rows)) for number in numbers]
    return Outlets(parts, stack(out, rows), np.where(idle, parts, zero))


def _weights(model: SiteModel, outflows: tuple[Edge, ...]) -> tuple[int, ...]:
    """Outputs made apart at reference efficiencies weigh energy / efficiency, others flow alike."""
    weights = []
    for edge in outflows:
        reference = edge.reference if isinstance(edge, Meter) else None
        if reference is None or not isinstance(edge, Meter):
            return (1,) * len(outflows)
        carrier = model.carriers[edge.carrier]
        weights.append(carrier.kwh_per_unit / carrier.quanta_per_unit / reference)
    return tuple(_whole_shares(weights))


def _whole_shares(shares: list[Fraction]) -> list[int]:
    """The same proportions in the smallest whole numbers."""
    common = lcm(*(share.denominator for share in shares))
    numbers = [int(share * common) for share in shares]
    divisor = gcd(*numbers) or 1
    return [number // divisor for number in numbers]
