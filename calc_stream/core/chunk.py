"""What the state of a site takes in at once, and what that changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from calc_stream.core.blocks import Block, Registers
from calc_stream.core.events import Event
from calc_stream.core.periods import Marks
from calc_stream.core.plant import Accepted
from calc_stream.core.series import Readings
from calc_stream.core.swaps import Swap
from calc_stream.core.totals import Moved


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Records of one site, in any order. `silent`: the meters now declared silent, `held_ms`: from when
    on readings are known to be on their way (LIMIT: none are), `marks`: when factors may change,
    `accepted`: the policies that count, whatever the model's (None: all as before).

    `offset`: the journal offset up to which the state has everything once this chunk is in.
    """

    model: str | None = None
    events: tuple[Event, ...] = ()
    readings: Sequence[Registers] = ()  # a Block is taken in at once
    swaps: Mapping[str, tuple[Swap, ...]] = field(default_factory=dict)
    silent: frozenset[str] | None = None
    held_ms: int | None = None
    marks: Marks | None = None
    accepted: Accepted | None = None
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What chunks changed in what is posted: the spans posted anew, and what `moved` in accounts.

    `pages`: those that are others now, or gone; `told`: the batches of which events say something else.
    """

    spans: tuple[tuple[int, int], ...] = ()
    steps: tuple[Moved, ...] = ()
    frontier_ms: int | None = None
    pages: frozenset[int] = frozenset()
    told: frozenset[str] = frozenset()

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
        return Changes(
            (*self.spans, *later.spans),
            (*self.steps, *later.steps),
            later.frontier_ms,
            self.pages | later.pages,
            self.told | later.told,
        )


def registers_of(readings: Readings) -> tuple[Registers, ...]:
    """The booked columns of readings, as a chunk carries them."""
    return tuple(
        Registers(meter, column.times.copy(), column.mantissas.copy(), column.exponent)
        for meter, column in sorted(readings.columns.items())
    )


__all__ = ["Block", "Changes", "Chunk", "Registers", "registers_of"]
