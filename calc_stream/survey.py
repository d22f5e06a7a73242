"""Looks through the segments of a journal for those that figures need, without keeping what they hold."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from calc_stream.core import Registers
from calc_stream.core.series import Span
from calc_stream.core.whole import LIMIT, Rows
from calc_stream.decode import decode
from calc_stream.evidence.nearby import widened
from calc_stream.statements import Statements
from wire.errors import BadData
from wire.journal import Record

_NEVER = LIMIT + 1


@dataclass
class _Nearest:
    """Of one meter, by time that is needed: the last reading up to it, the first from its end on, and
    the record that holds each."""

    before: Rows
    before_at: Rows
    after: Rows
    after_at: Rows


class Survey:
    """`take` every segment in order, then ask.

    `spans`: the times needed; `units` of the meters by register.
    """

    def __init__(
        self, spans: Sequence[Span], units: Mapping[str, str], statements: Statements
    ) -> None:
        self._spans = spans
        self._first = np.array([first for first, _ in spans], np.int64)
        self._last = np.array([last for _, last in spans], np.int64)
        self._until_ms = max((last for _, last in spans), default=0)
        self._units, self._statements = units, statements
        self._times: dict[int, tuple[int, int]] = {}  # first and last by offset
        self._nearest: dict[str, _Nearest] = {}
        self._identities: dict[str, int] = {}
        self._swaps: set[int] = set()

    def take(self, record: Record) -> None:
        try:
            decoded = decode(record, self._units, self._statements)
        except BadData:
            return  # the engine passed it over, too; verify says so where it matters
        if decoded.segment is None:
            return
        header = decoded.segment.header
        self._times[record.offset] = header.t_first_ms, header.t_last_ms
        if decoded.chunk.swaps and header.t_first_ms <= self._until_ms:
            self._swaps.add(record.offset)
        for event in decoded.segment.events:
            if event.event == "identity":
                self._identities[event.meter] = record.offset
        for block in decoded.chunk.readings:
            if block.booked and block.meter in self._units and block.times_ms.size:
                self._see(block, record.offset)

    def chosen(self) -> set[int]:
        """The offsets of the segments that are needed."""
        found = self._swaps | set(self._identities.values())
        for its in self._nearest.values():
            found.update(its.before_at[its.before > -_NEVER].tolist())
            found.update(its.after_at[its.after < _NEVER].tolist())
        offsets = list(self._times)
        begins = np.array([first for first, _ in self._times.values()], np.int64)
        ends = np.array([last for _, last in self._times.values()], np.int64)
        for first, last in self._widened():
            meets = np.flatnonzero((begins <= last) & (ends >= first))
            found.update(offsets[at] for at in meets.tolist())
        return found

    def everything(self) -> set[int]:
        """All of them."""
        return set(self._times)

    def since_ms(self) -> int:
        """From when on all that came is needed."""
        return min((first for first, _ in self._widened()), default=LIMIT)

    def _see(self, block: Registers, offset: int) -> None:
        times = np.sort(block.times_ms)
        size = self._first.size
        its = self._nearest.get(block.meter)
        if its is None:
            never = np.full(size, _NEVER, np.int64)
            zeros = np.zeros(size, np.int64)
            its = self._nearest[block.meter] = _Nearest(-never, zeros, never, zeros.copy())
        at = np.searchsorted(times, self._first, "right") - 1
        found = times[np.maximum(at, 0)]
        nearer = (at >= 0) & (found > its.before)
        its.before[nearer], its.before_at[nearer] = found[nearer], offset
        at = np.searchsorted(times, self._last, "left")
        found = times[np.minimum(at, times.size - 1)]
        nearer = (at < times.size) & (found < its.after)
        its.after[nearer], its.after_at[nearer] = found[nearer], offset

    def _widened(self) -> Iterator[Span]:
        for at, span in enumerate(self._spans):
            near = [
                (
                    int(its.before[at]) if its.before[at] > -_NEVER else None,
                    int(its.after[at]) if its.after[at] < _NEVER else None,
                )
                for its in self._nearest.values()
            ]
            yield widened(span, near)
