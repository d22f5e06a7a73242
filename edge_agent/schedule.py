"""Whose turn it is on one bus: earliest deadline first, in pure integers.

A device is due at every whole multiple of its interval, so that meters share instants, and at
every boundary (each quarter of an hour unless told otherwise); a boundary read goes before all
else. A slot that passed unread is left out, never made up for. A device that does not answer is
asked once per back-off step, 2 s longer each time up to 5 min, and waits behind its neighbours.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_STEP_MS, _LONGEST_MS = 2_000, 300_000


@dataclass
class _Turn:
    interval_ms: int
    due_ms: int
    failures: int = 0
    busy: bool = False


@dataclass(frozen=True)
class Due:
    """Device `name` is to be asked at `due_ms` or as soon after as the bus is free."""

    name: str
    due_ms: int
    boundary: bool


class Schedule:
    """The devices of one bus; times are UTC ms, given by the caller."""

    def __init__(
        self, intervals_ms: Mapping[str, int], now_ms: int, boundary_ms: int = 900_000
    ) -> None:
        """`intervals_ms`: device -> how often it is read. Everyone is due at once, at `now_ms`."""
        self._turns: dict[str, _Turn] = {}
        self.change(intervals_ms, now_ms, boundary_ms)

    def change(self, intervals_ms: Mapping[str, int], now_ms: int, boundary_ms: int) -> None:
        """From now on these are the devices. Who was there keeps its turn, who is new is due."""
        self._boundary_ms = boundary_ms
        turns = {name: self._turns.get(name) or _Turn(0, now_ms) for name in intervals_ms}
        for name, turn in turns.items():
            turn.interval_ms = intervals_ms[name]
            if not turn.failures:
                soon_ms = min(_next(now_ms, turn.interval_ms), _next(now_ms, boundary_ms))
                turn.due_ms = min(turn.due_ms, soon_ms)
        self._turns = turns

    def next_due(self, now_ms: int) -> Due | None:
        """Who to ask: of those already due the most urgent, else the one due first.

        None while everyone is being asked.
        """
        turns = ((name, turn) for name, turn in self._turns.items() if not turn.busy)
        found = min(turns, key=lambda item: self._urgency(item[1], now_ms), default=None)
        return found and Due(found[0], found[1].due_ms, self._at_boundary(found[1]))

    def begun(self, name: str) -> None:
        """The device is being asked beside others: it is not due until it is told how that went."""
        self._turns[name].busy = True

    def probe_ms(self, name: str) -> int | None:
        """When a device that does not answer is asked next; None for one that does."""
        turn = self._turns[name]
        return turn.due_ms if turn.failures else None

    def again(self, name: str) -> None:
        """The device could not be asked: it stays due."""
        self._turns[name].busy = False

    def answered(self, name: str, now_ms: int) -> None:
        """The device answered: its next turn is its next slot or the next boundary."""
        turn = self._turns[name]
        turn.failures, turn.busy = 0, False
        turn.due_ms = min(_next(now_ms, turn.interval_ms), _next(now_ms, self._boundary_ms))

    def failed(self, name: str, now_ms: int) -> None:
        """The device did not answer: one probe after the next back-off step."""
        turn = self._turns[name]
        turn.failures, turn.busy = turn.failures + 1, False
        turn.due_ms = now_ms + min(_STEP_MS * turn.failures, _LONGEST_MS)

    def clock_stepped(self, now_ms: int) -> None:
        """The clock was set: whoever would wait beyond its own pace is due by it again."""
        for turn in self._turns.values():
            pause_ms = min(_STEP_MS * turn.failures, _LONGEST_MS) if turn.failures else 0
            turn.due_ms = min(turn.due_ms, now_ms + max(pause_ms, turn.interval_ms))

    def _urgency(self, turn: _Turn, now_ms: int) -> tuple[bool, bool, int]:
        """Due before not due; a boundary before all else; then by deadline, or by due time."""
        if turn.due_ms > now_ms:
            return (True, False, turn.due_ms)
        pause_ms = max(turn.interval_ms, _STEP_MS * turn.failures)
        return (False, not self._at_boundary(turn), turn.due_ms + pause_ms)

    def _at_boundary(self, turn: _Turn) -> bool:
        return turn.failures == 0 and turn.due_ms % self._boundary_ms == 0


def _next(now_ms: int, every_ms: int) -> int:
    """The first multiple of `every_ms` after now."""
    return (now_ms // every_ms + 1) * every_ms
