"""Pure: power as pieces of constant watts, and its exact integral.

One watt during one millisecond is one millijoule, so cumulative energy is an exact integer at every
millisecond. Time is ms since t0 and comes in cycles of equal length; the energy of whole cycles is
kept as a running sum, so that asking late in a long run costs no more than asking early.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

MJ_PER_KWH = 3_600_000_000
MJ_PER_MWH = 3_600  # milliwatt hour


class Piece(NamedTuple):
    """Constant power over [from_ms, to_ms). `batch` is the one it is made for, if any."""

    from_ms: int
    to_ms: int
    watts: int
    batch: str | None = None


class Curve:
    """What one consumer takes or one source gives. `cycle(k)` fills [k, k + 1) * cycle_ms."""

    def __init__(self, cycle_ms: int, cycle: Callable[[int], tuple[Piece, ...]]) -> None:
        self._cycle_ms = cycle_ms
        self._cycle = lru_cache(maxsize=64)(cycle)
        self._before = [0]  # energy before cycle k, in mJ

    def energy_mj(self, t_ms: int) -> int:
        """Energy from t0 to `t_ms`."""
        k = t_ms // self._cycle_ms
        if k >= len(self._before):
            missing = range(len(self._before) - 1, k)
            sums = accumulate(map(self._whole_mj, missing), initial=self._before[-1])
            self._before[-1:] = sums
        part = sum(p.watts * (min(p.to_ms, t_ms) - p.from_ms) for p in self._started(k, t_ms))
        return self._before[k] + part

    def watts(self, t_ms: int) -> int:
        """Power at `t_ms`."""
        return self._started(t_ms // self._cycle_ms, t_ms + 1)[-1].watts

    def pieces(self, from_ms: int, to_ms: int) -> Iterator[Piece]:
        """The pieces of [from_ms, to_ms), the first and last cut to fit."""
        for k in range(from_ms // self._cycle_ms, -(-to_ms // self._cycle_ms)):
            for piece in self._cycle(k):
                begin, end = max(piece.from_ms, from_ms), min(piece.to_ms, to_ms)
                if begin < end:
                    yield piece._replace(from_ms=begin, to_ms=end)

    def _started(self, k: int, t_ms: int) -> list[Piece]:
        return [piece for piece in self._cycle(k) if piece.from_ms < t_ms]

    def _whole_mj(self, k: int) -> int:
        return sum(p.watts * (p.to_ms - p.from_ms) for p in self._cycle(k))
