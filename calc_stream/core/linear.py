"""Sparse linear systems x = given + shares * x, exact, eliminated in a fixed order.

In whole numbers: a row that is combined with another is multiplied, never divided, and freed of what
all its numbers have in common, so no fraction has to be kept in lowest terms on the way.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import gcd, lcm
from typing import TypeVar

K = TypeVar("K", str, tuple[int, str])
Vector = dict[K, Fraction]
Row = dict[str, int]


def solve(
    names: Sequence[str],
    given: Mapping[str, Vector[K]],
    shares: Mapping[tuple[str, str], Fraction],
) -> dict[str, Vector[K]] | None:
    """x[to] = given[to] + sum over `from` of shares[from, to] * x[from]; None when it never ends."""
    rows: dict[str, dict[str, Fraction]] = {name: {name: Fraction(1)} for name in names}
    for (start, end), share in shares.items():
        rows[end][start] = rows[end].get(start, Fraction(0)) - share
    left: dict[str, Row] = {}
    right: dict[str, dict[K, int]] = {}
    for name in names:
        own: Vector[K] = given.get(name, {})
        whole = lcm(*(value.denominator for value in rows[name].values()))
        whole = lcm(whole, *(value.denominator for value in own.values()))
        left[name] = {key: int(value * whole) for key, value in rows[name].items() if value}
        right[name] = {source: int(value * whole) for source, value in own.items()}
    if not eliminate(names, left, right):
        return None
    return {
        place: {key: Fraction(number, left[place][place]) for key, number in row.items()}
        for place, row in right.items()
    }


def eliminate(
    names: Sequence[str], left: dict[str, Row], right: Mapping[str, dict[K, int]]
) -> bool:
    """Brings left * x = right, a row a name, to left[name][name] * x[name] = right[name], in place.

    False when it never ends: every pivot must be above zero, which for shares that are not negative
    is exactly the condition under which what goes round dies away (Hawkins and Simon 1949).
    """
    for at, name in enumerate(names):
        if left[name].get(name, 0) <= 0:
            return False
        for other in names[at + 1 :]:
            if left[other].get(name):
                _take_out(name, left[name], right[name], left[other], right[other])
    for at in range(len(names) - 1, 0, -1):
        name = names[at]
        for other in names[:at]:
            if left[other].get(name):
                _take_out(name, left[name], right[name], left[other], right[other])
    return True


def _take_out(
    name: str, left: Row, right: dict[K, int], other_left: Row, other_right: dict[K, int]
) -> None:
    """Rids another row of `name` with the help of its own row."""
    pivot, factor = left[name], other_left[name]
    _combine(other_left, left, pivot, factor)
    _combine(other_right, right, pivot, factor)
    common = gcd(*other_left.values(), *other_right.values())
    if common > 1:
        for key in other_left:
            other_left[key] //= common
        for right_key in other_right:
            other_right[right_key] //= common


def _combine(target: dict[K, int], row: dict[K, int], pivot: int, factor: int) -> None:
    """target * pivot - row * factor."""
    for key in target:
        target[key] *= pivot
    for key, value in row.items():
        number = target.get(key, 0) - factor * value
        if number:
            target[key] = number
        else:
            target.pop(key, None)
