"""Looks through the segments of a journal for those a figure needs, without keeping what they hold."""

from collections.abc import Sequence

from calc_stream.core.whole import LIMIT
from calc_stream.decode import decode
from calc_stream.evidence.nearby import Neighbours, widened
from calc_stream.restated import Ground
from calc_stream.statements import Statements
from wire.errors import BadData
from wire.journal import Record


class Survey:
    """`take` every segment in order, then ask."""

    def __init__(self, its: Ground, told: Sequence[Record]) -> None:
        self._spans = its.spans
        self._until_ms = max((last for _, last in its.spans), default=0)
        self._units = {meter.id: meter.unit for meter in its.basis.versions.meters.values()}
        self._statements = Statements(record for record in told if record.kind == "correction")
        self._times: dict[int, tuple[int, int]] = {}  # first and last by offset
        self._before: dict[tuple[int, str], tuple[int, int]] = {}  # by span and meter: time, offset
        self._after: dict[tuple[int, str], tuple[int, int]] = {}
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
            if not block.booked or block.meter not in self._units:
                continue
            for at, (first, last) in enumerate(self._spans):
                ahead = block.times_ms[block.times_ms <= first]
                behind = block.times_ms[block.times_ms >= last]
                if ahead.size:
                    found = int(ahead.max()), record.offset
                    self._before[at, block.meter] = max(
                        self._before.get((at, block.meter), found), found, key=lambda own: own[0]
                    )
                if behind.size:
                    found = int(behind.min()), record.offset
                    self._after[at, block.meter] = min(
                        self._after.get((at, block.meter), found), found, key=lambda own: own[0]
                    )

    def chosen(self) -> set[int]:
        """The offsets of the segments that are needed."""
        found = self._swaps | set(self._identities.values())
        found |= {offset for _, offset in (*self._before.values(), *self._after.values())}
        for at in range(len(self._spans)):
            first, last = self._widened(at)
            found |= {
                offset for offset, (begin, end) in self._times.items()
                if begin <= last and first <= end
            }  # fmt: skip
        return found

    def everything(self) -> set[int]:
        """All of them."""
        return set(self._times)

    def since_ms(self) -> int:
        """From when on all that came is needed."""
        return min((self._widened(at)[0] for at in range(len(self._spans))), default=LIMIT)

    def _widened(self, at: int) -> tuple[int, int]:
        near: list[Neighbours] = [
            (self._before.get((at, meter), (None,))[0], self._after.get((at, meter), (None,))[0])
            for meter in self._units
        ]
        return widened(self._spans[at], near)
