"""Where a model's meters are among the last readings of all, and what is known of these."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from calc_stream.core.plant import Meter
from calc_stream.core.tails import Known
from calc_stream.core.whole import LIMIT, Flags, Rows, Whole, column, peak


class Rates(NamedTuple):
    """Quanta for one unit of each register, as over / under, a row each; `peaks`: none of either is
    larger; `even`: all `under` are 1."""

    over: Whole
    under: Whole
    peaks: tuple[int, int]
    even: bool

    @classmethod
    def of(cls, rates: Iterable[tuple[int, int]]) -> "Rates":
        over, under = (column(list(own))[:, None] for own in zip(*rates, strict=True))
        return cls(over, under, (peak(over), peak(under)), bool((under == 1).all()))

    def rows(self, mine: Flags) -> "Rates":
        """Those of some."""
        return self._replace(over=self.over[mine], under=self.under[mine])


@dataclass(slots=True)
class Places:
    """The rows of meters among the tails, and what holds until these turn: `since_ms`: from when on all
    are there; `rates`: of their registers; `found`: where edges were."""

    meters: tuple[Meter, ...]
    rows: Rows
    index: Mapping[str, int]
    turns: int = -1
    since_ms: int = LIMIT
    rates: Rates | None = None
    found: Known = field(default_factory=dict)
