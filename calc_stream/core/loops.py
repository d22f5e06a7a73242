"""Places that feed each other (a chiller cools the compressor that feeds its valves), solved.

Row by row in exact fractions. A loop that cannot be solved keeps what enters it, where it enters.
"""

from dataclasses import replace
from fractions import Fraction
from math import lcm

from calc_stream.core.components import components
from calc_stream.core.content import Content
from calc_stream.core.linear import Vector, solve
from calc_stream.core.outlets import Outlets, Place
from calc_stream.core.whole import column, narrow

Stuck = tuple[int, frozenset[str]]
Shares = dict[tuple[str, str], Fraction]


def solve_loop(
    group: tuple[Place, ...], entered: dict[str, Content], ways: dict[str, Outlets], rows: int
) -> tuple[dict[str, Content], dict[str, Outlets], list[Stuck]]:
    """Content of each place, its outlets (nothing leaves a stuck place), and what was stuck."""
    names = [place.name for place in group]
    solved: dict[str, list[Vector[str]]] = {name: [] for name in names}
    stuck: list[Stuck] = []
    for row in range(rows):
        given = {name: _vector(entered[name], row) for name in names}
        shares = _shares(group, ways, row)
        answer = solve(names, given, shares)
        if answer is None:
            answer, held = _part_by_part(names, given, shares)
            stuck += [(row, loop) for loop in held]
        for name in names:
            solved[name].append(answer[name])
    contents = {name: _content(vectors) for name, vectors in solved.items()}
    return contents, _hold(ways, stuck), stuck


def _part_by_part(
    names: list[str], given: dict[str, Vector[str]], shares: Shares
) -> tuple[dict[str, Vector[str]], list[frozenset[str]]]:
    """Takes the row's own loops one after the other; a stuck one passes nothing on."""
    feeds: dict[str, list[str]] = {name: [] for name in names}
    for start, end in shares:
        feeds[start].append(end)
    answer: dict[str, Vector[str]] = {}
    held: list[frozenset[str]] = []
    for part in components(feeds):
        inside = {ends: share for ends, share in shares.items() if set(ends) <= set(part)}
        entering = {name: dict(given[name]) for name in part}
        for (start, end), share in shares.items():
            if end in part and start in answer and not any(start in loop for loop in held):
                for source, value in answer[start].items():
                    entering[end][source] = entering[end].get(source, Fraction(0)) + share * value
        found = solve(part, entering, inside)
        if found is None:
            held.append(frozenset(part))
        answer |= found or entering
    return answer, held


def _shares(group: tuple[Place, ...], ways: dict[str, Outlets], row: int) -> Shares:
    """What part of each place's content goes to each other place of the group in this row."""
    names = {place.name for place in group}
    shares: Shares = {}
    for place in group:
        way = ways[place.name]
        for edge, out in zip(place.outflows, way.out, strict=True):
            if edge.end in names and out[row]:
                share = Fraction(int(out[row]), int(way.whole[row]))
                key = (place.name, edge.end)
                shares[key] = shares.get(key, Fraction(0)) + share
    return shares


def _hold(ways: dict[str, Outlets], stuck: list[Stuck]) -> dict[str, Outlets]:
    """In stuck rows everything stays where it is."""
    held = dict(ways)
    for name, way in ways.items():
        rows = [row for row, loop in stuck if name in loop]
        if not rows:
            continue
        out, stay = way.out.copy(), way.stay.astype(object)
        out[:, rows] = 0
        stay[rows] = way.whole[rows]
        held[name] = replace(way, out=out, stay=narrow(stay))
    return held


def _vector(content: Content, row: int) -> Vector[str]:
    whole = int(content.whole[row])
    return {s: Fraction(int(part[row]), whole) for s, part in content.parts.items() if part[row]}


def _content(vectors: list[Vector[str]]) -> Content:
    """Fractions back to whole numbers over one denominator a row."""
    wholes = [lcm(*(value.denominator for value in vector.values())) for vector in vectors]
    sources = sorted({source for vector in vectors for source in vector})
    parts = {
        source: column([int(v.get(source, 0) * w) for v, w in zip(vectors, wholes, strict=True)])
        for source in sources
    }
    return Content(parts, column(wholes))
