"""Pure: a flow as pieces of constant rate, and its exact integral.

A rate is in thousandths of its carrier's unit per hour: W where the unit is kWh, L/h where it is m3
or Nm3. What flows in a millisecond at rate 1 is the smallest amount there is, and `PER_UNIT` of them
are one unit, so an amount is an exact integer at every millisecond. Time is ms since t0 and comes in
cycles of equal length; the amount of whole cycles is kept as a running sum, so that asking late in
a long run costs no more than asking early.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import NamedTuple

PER_UNIT = 3_600_000_000


class Piece(NamedTuple):
    """Constant rate over [from_ms, to_ms). `batch` is the one it is made for, if any."""

    from_ms: int
    to_ms: int
    rate: int
    batch: str | None = None


class Curve:
    """What one consumer takes or one source gives. `cycle(k)` fills [k, k + 1) * cycle_ms."""

    def __init__(self, cycle_ms: int, cycle: Callable[[int], tuple[Piece, ...]]) -> None:
        self._cycle_ms = cycle_ms
        self._cycle = lru_cache(maxsize=64)(cycle)
        self._before = [0]  # amount before cycle k

    def amount(self, t_ms: int) -> int:
        """What flowed from t0 to `t_ms`."""
        k = t_ms // self._cycle_ms
        if k >= len(self._before):
            missing = range(len(self._before) - 1, k)
            sums = accumulate(map(self._whole, missing), initial=self._before[-1])
            self._before[-1:] = sums
        part = sum(p.rate * (min(p.to_ms, t_ms) - p.from_ms) for p in self._started(k, t_ms))
        return self._before[k] + part

    def rate(self, t_ms: int) -> int:
        """The rate at `t_ms`."""
        return self._started(t_ms // self._cycle_ms, t_ms + 1)[-1].rate

    def pieces(self, from_ms: int, to_ms: int) -> Iterator[Piece]:
        """The pieces of [from_ms, to_ms), the first and last cut to fit."""
        for k in range(from_ms // self._cycle_ms, -(-to_ms // self._cycle_ms)):
            for piece in self._cycle(k):
                begin, end = max(piece.from_ms, from_ms), min(piece.to_ms, to_ms)
                if begin < end:
                    yield piece._replace(from_ms=begin, to_ms=end)

    def _started(self, k: int, t_ms: int) -> list[Piece]:
        return [piece for piece in self._cycle(k) if piece.from_ms < t_ms]

    def _whole(self, k: int) -> int:
        return sum(p.rate * (p.to_ms - p.from_ms) for p in self._cycle(k))


def following(cycle_ms: int, parts: Sequence[Curve], rate: Callable[[Sequence[int]], int]) -> Curve:
    """A curve whose rate is always `rate` of the rates of the parts."""

    def cycle(k: int) -> tuple[Piece, ...]:
        begin, end = k * cycle_ms, (k + 1) * cycle_ms
        pieces = [list(part.pieces(begin, end)) for part in parts]
        cuts = [*cuts_of(pieces), end]
        rows = zip(*(in_force(each, cuts) for each in pieces), strict=True)
        return tuple(
            Piece(at, to, rate([piece.rate for piece in row]))
            for (at, to), row in zip(pairwise(cuts), rows, strict=True)
        )

    return Curve(cycle_ms, cycle)


def cuts_of(curves: Sequence[Sequence[Piece]]) -> list[int]:
    """Every instant at which a piece of one of the curves begins."""
    return sorted({piece.from_ms for pieces in curves for piece in pieces})


def in_force(pieces: Sequence[Piece], cuts: Sequence[int]) -> list[Piece]:
    """For each cut but the last the piece in force from there."""
    out, i = [], 0
    for cut in cuts[:-1]:
        while pieces[i].to_ms <= cut:
            i += 1
        out.append(pieces[i])
    return out
