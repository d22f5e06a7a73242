"""How a measure moves with what stores hold: the derivative of `stores.carry`, backwards in time.

A quantum put in now is worth what the store will give of it later, and one more in the level thins
what the store gives from then on. With D the level, or what is taken where that is more, a store gives
c / D of its content c for each quantum taken. Floats: what comes out is an uncertainty, no account.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from calc_stream.core.plant import Store
from calc_stream.core.ways import Floats
from calc_stream.core.whole import Flags


@dataclass(frozen=True)
class Moves:
    """Row by row first, then by store (and source): quanta that left and entered each store.

    `arriving`: of each source, what came in by no store; `passed`: from each store into each store.
    """

    out: Floats
    into: Floats
    arriving: Floats
    passed: Floats


@dataclass(frozen=True)
class Held:
    """`divisor`: D at each row's start, zero where nothing is and nothing leaves; `given`: c / D by
    store and source; `emptied`: everything was taken; `opening`: the content the stores began with."""

    divisor: Floats
    given: Floats
    emptied: Flags
    opening: Floats


class Worth(NamedTuple):
    """What more of something after a row is worth: `content` by store and source, `level` by store.

    `taken`: what a quantum taken from a store brings besides the content it moves; `opening`: what
    the content is worth that the stores began with.
    """

    content: Floats
    level: Floats
    taken: Floats
    opening: float


_SAME = 1 - 1e-12  # floats of a level that is exactly what was taken

# Row by row in Python's own floats: a site has few stores, and numpy's cost would be paid for each.


def held(stores: Mapping[str, Store], sources: tuple[str, ...], moves: Moves) -> Held:
    """What was in the stores, in byte order, at the start of each row."""
    own = [stores[name] for name in sorted(stores)]
    level = [float(store.level) for store in own]
    opening = content = [[float(store.content.get(s, 0)) for s in sources] for store in own]
    divisors, gave, emptied = [], [], []
    columns = moves.out, moves.into, moves.arriving, moves.passed
    for out, into, arriving, passed in zip(*(column.tolist() for column in columns), strict=True):
        emptied.append([o >= at * _SAME for o, at in zip(out, level, strict=True)])
        divisor = [max(pair) for pair in zip(level, out, strict=True)]
        given = [[q * _inverse(d) for q in mix] for mix, d in zip(content, divisor, strict=True)]
        content = [
            [
                content[at][s] - given[at][s] * out[at] + arriving[at][s] + put
                for s, put in enumerate(_sums([by[at] for by in passed], given))
            ]
            for at in range(len(own))
        ]
        level = [
            max(at - o, 0.0) + float(store.efficiency) * i
            for at, o, i, store in zip(level, out, into, own, strict=True)
        ]
        divisors.append(divisor)
        gave.append(given)
    shape = moves.arriving.shape
    return Held(
        np.array(divisors).reshape(shape[:2]),
        np.array(gave).reshape(shape),
        np.array(emptied, dtype=np.bool_).reshape(shape[:2]),
        np.array(opening).reshape(shape[1:]),
    )


def worth(there: Held, out: Floats, passed: Floats, brought: Floats, weights: Floats) -> Worth:
    """From the last row to the first.

    `brought`: what all that a store gave in a row is worth where it ended, were each quantum worth 1;
    `weights`: what a quantum of each source is worth in the row; `passed`: as `Moves`.
    """
    stores, sources = there.opening.shape
    after, level = [[0.0] * sources for _ in range(stores)], [0.0] * stores
    contents, levels, taken = [], [], []
    columns = there.divisor, there.given, there.emptied, out, passed, brought, weights
    rows = zip(*(column[::-1].tolist() for column in columns), strict=True)
    for divisor, given, emptied, drawn, sent, there_worth, weight in rows:
        contents.append(after)
        levels.append(level)
        more, further, besides = [], [], []
        for at in range(stores):
            inverse, into = _inverse(divisor[at]), _sums(sent[at], after)
            gave = [there_worth[at] * w + own for w, own in zip(weight, into, strict=True)]
            pairs = list(zip(given[at], after[at], gave, strict=True))
            thinner = sum(g * (drawn[at] * own - gone) for g, own, gone in pairs) * inverse
            besides.append(thinner if emptied[at] else -level[at])
            further.append(0.0 if emptied[at] else level[at] + thinner)
            left = 1 - drawn[at] * inverse
            more.append([own * left + gone * inverse for _, own, gone in pairs])
        after, level = more, further
        taken.append(besides)
    shape = there.divisor.shape
    return Worth(
        np.array(contents[::-1]).reshape(there.given.shape),
        np.array(levels[::-1]).reshape(shape),
        np.array(taken[::-1]).reshape(shape),
        float(np.add.reduce((there.opening * np.array(after)).ravel())),
    )


def _sums(parts: list[float], rows: list[list[float]]) -> list[float]:
    """The rows, so much of each, added up."""
    found = [0.0] * len(rows[0])
    for part, row in zip(parts, rows, strict=True):
        if part:
            found = [own + part * more for own, more in zip(found, row, strict=True)]
    return found


def _inverse(divisor: float) -> float:
    return 1 / divisor if divisor else 0.0
