"""Pure: a recording that runs at any speed, and its meters as sources for simulated ones.

A value is exactly the recorded one and stands until the next. Where the recording begins again,
counters go on counting from where they were; a meter whose counter ever fell, or that was exchanged,
comes back as another meter with another number, which is what a new index means.
"""

from bisect import bisect_right
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from simulators.replay.recording import Recorded, Recording
from wire.quantities import QUANTITIES

_HELD_MS = 300_000  # what an agent takes into account of the time a register stood still


class Position(NamedTuple):
    """How often the recording has run to its end, and where in it we are."""

    passes: int
    at_ms: int


class Tape:
    """A recording, begun at `began_ms` at `speed` times its own pace."""

    def __init__(self, recording: Recording, began_ms: int, speed: Fraction, loop: bool) -> None:
        self.first_ms = recording.first_ms
        self._began_ms, self._speed, self._loop = began_ms, speed, loop
        # The last reading stands as long as readings do on average.
        readings = max(
            len(s.times_ms) for r in recording.meters.values() for s in r.series.values()
        )
        self.length_ms = recording.last_ms - recording.first_ms
        self._turn_ms = self.length_ms + max(1, self.length_ms // max(1, readings - 1))

    def position(self, t_ms: int) -> Position:
        """Where it is at `t_ms`. Without a loop it stays at its end."""
        gone_ms = int((t_ms - self._began_ms) * self._speed)
        if not self._loop:
            return Position(0, self.first_ms + min(gone_ms, self.length_ms))
        passes, into_ms = divmod(gone_ms, self._turn_ms)
        return Position(passes, self.first_ms + min(into_ms, self.length_ms))

    def is_over(self, t_ms: int) -> bool:
        """Whether nothing will change any more."""
        return not self._loop and self.left_s(t_ms) == 0

    def left_s(self, t_ms: int) -> float:
        """Seconds until this round's last reading."""
        left_ms = self.length_ms - (self.position(t_ms).at_ms - self.first_ms)
        return float(left_ms / self._speed / 1000)


class Replayed:
    """One recorded meter, the `number`-th of the recording."""

    def __init__(
        self, recorded: Recorded, number: int, tape: Tape, now_ms: Callable[[], int]
    ) -> None:
        self._recorded, self._number, self._tape, self._now_ms = recorded, number, tape, now_ms
        counters = [s for name, s in recorded.series.items() if QUANTITIES[name].cumulative]
        self._goes_on = not recorded.swaps_ms and all(s.rise is not None for s in counters)

    @property
    def serial(self) -> int:
        """Its own number now: another one after each exchange."""
        passes, at_ms = self._tape.position(self._now_ms())
        swaps = self._recorded.swaps_ms
        exchanged = bisect_right(swaps, at_ms)
        if not self._goes_on:
            exchanged += passes * (len(swaps) + 1)
        return self._number * 100_000 + exchanged % 100_000

    def value(self, quantity: str, t_ms: int) -> Fraction:
        """The recorded value; 0 of what was not recorded."""
        series = self._recorded.series.get(quantity)
        if series is None:
            return Fraction(0)
        passes, at_ms = self._tape.position(t_ms)
        if self._goes_on and QUANTITIES[quantity].cumulative:
            return series.at(at_ms) + passes * (series.rise or 0)
        return series.at(at_ms)


def steepest(recorded: Recorded, quantity: str, speed: Fraction) -> Fraction:
    """The most a counter rises in an hour of the replay, in its unit, as an agent reckons it."""
    rates = []
    for gap_ms, step in recorded.series[quantity].steps():
        stands_ms = min(Fraction(_HELD_MS), max(Fraction(1), Fraction(gap_ms) / speed))
        rates.append(step * 3_600_000 / stands_ms)
    return max(rates, default=Fraction(0))
