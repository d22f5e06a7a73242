"""Places that feed each other (a chiller cools the compressor that feeds its valves), solved.

Row by row in whole numbers. A loop that cannot be solved keeps what enters it, where it enters.
"""

from dataclasses import replace
from fractions import Fraction
from math import gcd, lcm

from calc_stream.core.components import components
from calc_stream.core.content import Content
from calc_stream.core.linear import Vector, eliminate, solve
from calc_stream.core.outlets import Outlets, Place
from calc_stream.core.whole import column, narrow

Stuck = tuple[int, frozenset[str]]
Shares = dict[tuple[str, str], Fraction]
Solved = tuple[dict[str, int], int]  # numbers by source, over a whole one


def solve_loop(
    group: tuple[Place, ...], entered: dict[str, Content], ways: dict[str, Outlets], rows: int
) -> tuple[dict[str, Content], dict[str, Outlets], list[Stuck]]:
    """Content of each place, its outlets (nothing leaves a stuck place), and what was stuck."""
    names = [place.name for place in group]
    lists = {n: {s: p.tolist() for s, p in entered[n].parts.items()} for n in names}
    wholes = {name: entered[name].whole.tolist() for name in names}
    divisors = {name: ways[name].whole.tolist() for name in names}
    outs = {
        place.name: [
            (edge.end, out.tolist())
            for edge, out in zip(place.outflows, ways[place.name].out, strict=True)
            if edge.end in names
        ]
        for place in group
    }
    solved: dict[str, list[Solved]] = {name: [] for name in names}
    stuck: list[Stuck] = []
    for row in range(rows):
        # A place's content over its divisor is unknown: then all numbers are whole.
        left = {name: {name: divisors[name][row] * wholes[name][row]} for name in names}
        right = {n: {s: p[row] for s, p in lists[n].items() if p[row]} for n in names}
        for name in names:
            for end, out in outs[name]:
                if out[row]:
                    left[end][name] = left[end].get(name, 0) - out[row] * wholes[end][row]
        if eliminate(names, left, right):
            for name in names:
                found = {s: number * divisors[name][row] for s, number in right[name].items()}
                common = gcd(left[name][name], *found.values())
                parts = {source: number // common for source, number in found.items()}
                solved[name].append((parts, left[name][name] // common))
            continue
        given = {name: _vector(entered[name], row) for name in names}
        answer, held = _part_by_part(names, given, _shares(group, ways, row))
        stuck += [(row, loop) for loop in held]
        for name in names:
            whole = lcm(*(value.denominator for value in answer[name].values()))
            solved[name].append(({s: int(v * whole) for s, v in answer[name].items()}, whole))
    contents = {name: _content(own) for name, own in solved.items()}
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


def _content(solved: list[Solved]) -> Content:
    """Columns of them, row by row."""
    sources = sorted({source for parts, _ in solved for source in parts})
    parts = {source: column([own.get(source, 0) for own, _ in solved]) for source in sources}
    return Content(parts, column([whole for _, whole in solved]))
