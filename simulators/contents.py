"""Pure: what one unit on each bus holds of what entered the plant.

A bus passes its content on evenly to all that flows out of it; a utility passes on all it takes
with what it gives. Where buses hold parts of each other (a chiller cools the compressor that moves
its valves) that is a linear system, solved in fractions.
"""

from collections.abc import Mapping
from fractions import Fraction

from simulators.plant import Edge, Plant

Content = dict[str, Fraction]


def carried(plant: Plant, bus: str) -> list[Edge]:
    """Who carries what flows into a bus: all that takes of it, but where nobody meters what feeds
    it the metered carry the rest."""
    linked = plant.is_linked(bus)
    return [edge for edge in plant.below(bus) if not (linked and edge[1] in plant.unmetered)]


def unit_contents(
    plant: Plant,
    entering: Mapping[str, Content],
    taken: Mapping[Edge, int | Fraction],
    given: Mapping[str, int | Fraction],
) -> dict[str, Content]:
    """bus -> source -> units of the source in one unit of the bus.

    `entering`: the same for buses with sources. `taken`: rates of what utilities take. `given`:
    rates of what those who carry it take of each bus a utility feeds.
    """
    held: dict[str, dict[str, Fraction]] = {}  # bus -> other bus -> units of it in one unit
    own: dict[str, Content] = {}
    for bus, facts in plant.buses.items():
        held[bus], own[bus] = {}, dict(entering.get(bus, {}))
        if facts.fed_from in plant.buses:
            held[bus][facts.fed_from] = Fraction(1)
        elif facts.fed_from is not None:
            for intake in plant.utilities[facts.fed_from].takes:
                held[bus][intake] = Fraction(taken[intake, facts.fed_from]) / given[bus]
    return _solved(held, own)


def _solved(held: dict[str, dict[str, Fraction]], own: dict[str, Content]) -> dict[str, Content]:
    """Replace every bus in the rows of the others by what it holds itself, one after the other."""
    for bus in held:
        if around := held[bus].pop(bus, Fraction(0)):
            for row in (held[bus], own[bus]):
                for key in row:
                    row[key] /= 1 - around
        for other in held:
            if other == bus or not (part := held[other].pop(bus, Fraction(0))):
                continue
            for target, row in ((held[other], held[bus]), (own[other], own[bus])):
                for key, amount in row.items():
                    target[key] = target.get(key, Fraction(0)) + part * amount
    return own
