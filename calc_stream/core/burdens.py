"""What each batch bears: its own energy in two parts, what it was allocated, what came with inputs.

Everything by period and source, for each period has its factor.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from calc_stream.core.accounts import Cell, Cells, Sums
from calc_stream.core.batches import Batch
from calc_stream.core.events import Problem
from calc_stream.core.genealogy import inherited
from calc_stream.core.linear import Vector
from calc_stream.core.pools import Transfer


@dataclass(slots=True)
class Burden:
    """Quanta of one batch by period and source. `value`: posted while producing; `overhead`: its own
    set-up, cleaning, waiting and faults, with its part of its campaign's set-up; `allocated`: from
    pools; `inherited`: exact, with its inputs; `bought`: units by lot, its own and inherited."""

    value: Cells = field(default_factory=dict)
    overhead: Cells = field(default_factory=dict)
    allocated: Cells = field(default_factory=dict)
    inherited: Vector[Cell] = field(default_factory=dict)
    bought: Vector[str] = field(default_factory=dict)

    def total(self) -> dict[Cell, Fraction]:
        """All of it."""
        found = dict(self.inherited)
        for part in (self.value, self.overhead, self.allocated):
            for key, quanta in part.items():
                found[key] = found.get(key, Fraction(0)) + quanta
        return dict(sorted(found.items()))


def burdens(
    batches: Mapping[str, Batch], sums: Sums, transfers: Iterable[Transfer]
) -> tuple[dict[str, Burden], list[Problem]]:
    """The burden of every batch."""
    found = {name: Burden() for name in batches}
    for account, cells in sums.items():
        name = account.name.removeprefix("batch:")
        if account.name != name and name in found:
            mine = found[name]
            for key, quanta in cells.items():
                _add(mine.value if account.state == "producing" else mine.overhead, key, quanta)
    for transfer in transfers:
        mine = found[transfer.batch]
        pooled = transfer.account.startswith("pool:")
        key = transfer.period, transfer.source
        _add(mine.allocated if pooled else mine.overhead, key, transfer.quanta)
    came_with, problems = inherited(batches, {n: burden.total() for n, burden in found.items()})
    bought = {name: batch.bought for name, batch in batches.items()}
    with_lots, _ = inherited(batches, bought)
    for name, burden in found.items():
        burden.inherited = came_with[name]
        lots = dict(with_lots[name])
        for lot, units in bought[name].items():
            lots[lot] = lots.get(lot, Fraction(0)) + units
        burden.bought = {lot: lots[lot] for lot in sorted(lots) if lots[lot]}
    return found, problems


def by_source(cells: Mapping[Cell, int | Fraction]) -> dict[str, Fraction]:
    """Quanta by source, over all periods; zeros left out."""
    found: dict[str, Fraction] = {}
    for (_, source), quanta in cells.items():
        found[source] = found.get(source, Fraction(0)) + quanta
    return {source: found[source] for source in sorted(found) if found[source]}


def _add(cells: Cells, key: Cell, quanta: int) -> None:
    cells[key] = cells.get(key, 0) + quanta
