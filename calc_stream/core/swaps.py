"""Where one register ends and the next starts, and whose word for it counts.

A gateway knows what it read: the last value before, the first after, and what was counted between
two of its own. Who stood there knows more. A `swap` that a person tells takes the place of what the
gateway saw of the same discontinuity: the one that no booked reading parts it from.
"""

from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from calc_stream.core.whole import Rows, Whole

Decimal = tuple[int, int]  # mantissa, exponent


@dataclass(frozen=True, slots=True, order=True)
class Swap:
    """One register ends and the next starts at `t_ms`; registers as (mantissa, exponent)."""

    t_ms: int
    closing: Decimal
    opening: Decimal


class Misplaced(NamedTuple):
    """A person's swap that cannot be: which key of it, and why (a code of `reasons`)."""

    swap: Swap
    key: str
    code: str


class Standing(NamedTuple):
    """The swaps that count, by time; when those were that a person's word stands for; and the words
    that stand for none."""

    swaps: tuple[Swap, ...] = ()
    confirmed: frozenset[int] = frozenset()
    misplaced: tuple[Misplaced, ...] = ()


def standing(
    times: Rows, registers: tuple[Whole, int], seen: Collection[Swap], told: Collection[Swap]
) -> Standing:
    """`registers`: what was read at `times`, and the exponent of that; `seen` by gateways."""
    counts = {swap: swap for swap in sorted(seen)}
    misplaced = []
    confirmed = set()
    for word in sorted(told):
        free = [s for s in counts if s.t_ms not in confirmed and not _parted(times, word, s)]
        if not free:
            misplaced.append(Misplaced(word, "t", "no_end"))
            continue
        its = min(free, key=lambda swap: (abs(swap.t_ms - word.t_ms), swap))
        at = int(np.searchsorted(times, its.t_ms, "left")) - 1
        last = _value((int(registers[0][at]), registers[1])) if at >= 0 else None
        if last is not None and _value(word.closing) < last:
            misplaced.append(Misplaced(word, "closing", "closing_low"))
        elif _value(word.opening) > _value(its.opening):
            misplaced.append(Misplaced(word, "opening", "opening_high"))
        else:
            closing = _sum(word.closing, its.opening, word.opening)
            counts[its] = Swap(its.t_ms, closing, its.opening)
            confirmed.add(its.t_ms)
    return Standing(tuple(sorted(counts.values())), frozenset(confirmed), tuple(misplaced))


def _parted(times: Rows, one: Swap, other: Swap) -> bool:
    """Whether something was read between the two."""
    first, last = sorted((one.t_ms, other.t_ms))
    between = np.searchsorted(times, last, "left") - np.searchsorted(times, first, "right")
    return bool(between > 0)


def _value(decimal: Decimal) -> Fraction:
    return decimal[0] * Fraction(10) ** decimal[1]


def _sum(closing: Decimal, counted_to: Decimal, counted_from: Decimal) -> Decimal:
    """closing + (counted_to - counted_from), exactly."""
    finest = min(closing[1], counted_to[1], counted_from[1])
    end, to, start = (m * 10 ** (e - finest) for m, e in (closing, counted_to, counted_from))
    return end + to - start, finest
