"""What the state of a site takes in at once, and what that changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from calc_stream.core.columns import Block
from calc_stream.core.events import Event
from calc_stream.core.periods import Marks
from calc_stream.core.plant import Accepted
from calc_stream.core.series import Readings
from calc_stream.core.swaps import Swap
from calc_stream.core.totals import Moved
from calc_stream.core.whole import Rows, Whole
from wire.errors import BadData
from wire.messages import BOOKED, QUALITIES


@dataclass(frozen=True, slots=True, eq=False)
class Registers:
    """Readings of one meter: int64 ms, and mantissas * 10**exponent in the register's unit."""

    meter: str
    times_ms: Rows
    mantissas: Whole
    exponent: int
    quality: str = "good"

    def check(self) -> None:
        """Raises BadData for columns that do not belong together."""
        if self.times_ms.shape != self.mantissas.shape or self.times_ms.ndim != 1:
            raise BadData(f"{self.meter}: times and registers differ in length")
        if self.quality not in QUALITIES:
            raise BadData(f"{self.meter}: unknown quality {self.quality!a}")

    @property
    def booked(self) -> bool:
        return self.quality in BOOKED


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Records of one site, in any order. `silent`: the meters now declared silent, `held_ms`: from when
    on readings are known to be on their way (LIMIT: none are), `marks`: when factors may change,
    `accepted`: the policies that count, whatever the model's (None: all as before).

    `offset`: the journal offset up to which the state has everything once this chunk is in.
    """

    model: str | None = None
    events: tuple[Event, ...] = ()
    readings: tuple[Registers, ...] = ()
    swaps: Mapping[str, tuple[Swap, ...]] = field(default_factory=dict)
    silent: frozenset[str] | None = None
    held_ms: int | None = None
    marks: Marks | None = None
    accepted: Accepted | None = None
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What chunks changed in what is posted: the spans posted anew, and what `moved` in accounts."""

    spans: tuple[tuple[int, int], ...] = ()
    steps: tuple[Moved, ...] = ()
    frontier_ms: int | None = None

    @property
    def accounts(self) -> Mapping[str, Mapping[str, int]]:
        """Every account whose total changed, with its new totals in quanta by source."""
        return {name: own for step in self.steps for name, own in step.accounts.items()}

    @property
    def moved(self) -> frozenset[str]:
        """Those accounts, and those of which only something within changed: when, where, in which
        state."""
        return frozenset().union(*(step.names for step in self.steps))

    def then(self, later: "Changes") -> "Changes":
        """Both, one after the other."""
        steps = (*self.steps, *later.steps)
        return Changes((*self.spans, *later.spans), steps, later.frontier_ms)


def block_of(readings: Sequence[Registers]) -> Block:
    """Booked registers, not empty and none beyond int64, as one block."""
    return Block(
        [own.meter for own in readings],
        np.array([own.times_ms.size for own in readings], dtype=np.int64),
        np.concatenate([own.times_ms for own in readings]),
        np.concatenate([own.mantissas for own in readings]),
        np.array([own.exponent for own in readings], dtype=np.int64),
    )


def registers_of(readings: Readings) -> tuple[Registers, ...]:
    """The booked columns of readings, as a chunk carries them."""
    return tuple(
        Registers(meter, column.times.copy(), column.mantissas.copy(), column.exponent)
        for meter, column in sorted(readings.columns.items())
    )
