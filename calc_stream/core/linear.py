"""Sparse linear systems x = given + shares * x in exact fractions, eliminated in a fixed order."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TypeVar

K = TypeVar("K", str, tuple[int, str])
Vector = dict[K, Fraction]


def solve(
    names: Sequence[str],
    given: Mapping[str, Vector[K]],
    shares: Mapping[tuple[str, str], Fraction],
) -> dict[str, Vector[K]] | None:
    """x[to] = given[to] + sum over `from` of shares[from, to] * x[from]; None when it never ends.

    Every pivot must be above zero: for shares that are not negative that is exactly the condition
    under which what goes round dies away (Hawkins and Simon 1949).
    """
    rows: dict[str, Vector[str]] = {name: {name: Fraction(1)} for name in names}
    for (start, end), share in shares.items():
        rows[end][start] = rows[end].get(start, Fraction(0)) - share
    right = {name: dict(given.get(name, {})) for name in names}
    for at, name in enumerate(names):
        pivot = rows[name].get(name, Fraction(0))
        if pivot <= 0:
            return None
        rows[name] = {key: value / pivot for key, value in rows[name].items() if value}
        right[name] = {key: value / pivot for key, value in right[name].items()}
        for other in names[at + 1 :]:
            factor = rows[other].pop(name, None)
            if factor:
                _subtract(rows[other], {k: v for k, v in rows[name].items() if k != name}, factor)
                _subtract(right[other], right[name], factor)
    for at in range(len(names) - 1, 0, -1):
        name = names[at]
        for other in names[:at]:
            factor = rows[other].pop(name, None)
            if factor:
                _subtract(right[other], right[name], factor)
    return right


def _subtract(target: Vector[K], row: Vector[K], factor: Fraction) -> None:
    for key, value in row.items():
        target[key] = target.get(key, Fraction(0)) - factor * value
