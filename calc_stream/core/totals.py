"""What is posted altogether: sums in columns, over pages that are taken in and out again."""

from collections.abc import Iterator, Mapping
from functools import cached_property

import numpy as np

from calc_stream.core.accounts import Account, Sums
from calc_stream.core.periods import Periods
from calc_stream.core.postings import Postings
from calc_stream.core.whole import LIMIT, Rows, Whole, narrow, peak

Cell = tuple[Account, int, str]  # an account, a period and a source
_MOST_PLACES = 256


class Totals:
    """Quanta by cell, and by name of the account and source; cells and names in the order they came.

    `cells` and `names` by row of their columns, `name_of`: the row of a cell's name and source.
    """

    def __init__(self) -> None:
        self.inflow: dict[str, int] = {}
        self.opening: dict[str, int] = {}
        self.cells: list[Cell] = []
        self.names: list[tuple[str, str]] = []
        self.name_of: Rows = np.empty(0, dtype=np.int64)
        self.named = _Column()
        self._quanta = _Column()
        self._by_cell: dict[Cell, int] = {}
        self._by_name: dict[tuple[str, str], int] = {}
        self._of: dict[str, list[int]] = {}  # cells by name
        self._moves: list[tuple[Rows, Whole]] = []  # since they were asked for last
        self._last: tuple[Postings, Periods, list[tuple[Rows, Whole, int]]] | None = None
        self._known: dict[tuple[int, int, str], tuple[tuple[Account, ...], Rows]] = {}

    def take(self, page: Postings, periods: Periods, sign: int) -> None:
        """The sums of a page in (sign 1) or out (-1)."""
        for cells, quanta, most in self._counted(page, periods):
            quanta = quanta if sign > 0 else -quanta
            self._quanta.add(cells, quanta, most)
            self.named.add(self.name_of[cells], quanta, most)
            self._moves.append((cells, quanta))
        for source, inflow, opening in zip(page.sources, page.inflow, page.opening, strict=True):
            self.inflow[source] = self.inflow.get(source, 0) + sign * inflow
            self.opening[source] = self.opening.get(source, 0) + sign * opening

    def _counted(self, page: Postings, periods: Periods) -> list[tuple[Rows, Whole, int]]:
        """The cells of a page, their quanta and how large a sum of these may be. Of the page asked for
        last that is known: what was taken in is the next to be taken out."""
        if self._last is None or self._last[0] is not page or self._last[1] is not periods:
            found = []
            for period_ms, source, mine in _parts(page, periods):
                quanta = narrow(page.quanta[mine])
                cells = self._rows(page.accounts, page.account[mine], period_ms, source)
                found.append((cells, quanta, peak(quanta) * quanta.size))
            self._last = page, periods, found
        return self._last[2]

    def sums(self) -> Sums:
        """By account, and by period and source; zeros left out."""
        return self._sums(np.flatnonzero(self._quanta.sums).tolist())

    def of(self, name: str) -> Sums:
        """The same of the accounts of one name."""
        return self._sums(self._of.get(name, []))

    def by_name(self) -> dict[str, dict[str, int]]:
        """By name of the account and source; zeros left out."""
        found: dict[str, dict[str, int]] = {}
        for (name, source), quanta in zip(self.names, self.named.sums.tolist(), strict=False):
            if quanta:
                found.setdefault(name, {})[source] = quanta
        return {name: dict(sorted(own.items())) for name, own in found.items()}

    def moved(self) -> "Moved":
        """What was touched since this was asked last."""
        moves, self._moves = self._moves, []
        return Moved(self, moves)

    def closure(self) -> dict[str, int]:
        """What entered, or was there, minus the sum over all accounts, by source; zero, always."""
        rest = {source: quanta + self.opening[source] for source, quanta in self.inflow.items()}
        for own in self.by_name().values():
            for source, quanta in own.items():
                rest[source] -= quanta
        return rest

    def _sums(self, rows: list[int]) -> Sums:
        sums: Sums = {}
        for row, quanta in zip(rows, self._quanta.sums[rows].tolist(), strict=True):
            account, period_ms, source = self.cells[row]
            if quanta:
                sums.setdefault(account, {})[period_ms, source] = quanta
        return sums

    def _rows(self, accounts: tuple[Account, ...], at: Whole, period_ms: int, source: str) -> Rows:
        """The cells of postings to some of these accounts; such tuples are known by themselves."""
        key = id(accounts), period_ms, source
        known = self._known.get(key)
        if known is None or known[0] is not accounts:
            if len(self._known) >= _MOST_PLACES:
                self._known.clear()
            known = self._known[key] = accounts, np.full(len(accounts), -1)
        rows = known[1][at]
        if np.minimum.reduce(rows, initial=0) < 0:
            for one in np.unique(at[rows < 0]).tolist():
                known[1][one] = self._row((accounts[one], period_ms, source))
            rows = known[1][at]
        return rows

    def _row(self, cell: Cell) -> int:
        row = self._by_cell.get(cell)
        if row is not None:
            return row
        row = self._by_cell[cell] = len(self.cells)
        name, _, source = cell[0].name, *cell[1:]
        named = self._by_name.setdefault((name, source), len(self.names))
        if named == len(self.names):
            self.names.append((name, source))
            self.named.grow(len(self.names))
        self.cells.append(cell)
        self._of.setdefault(name, []).append(row)
        self._quanta.grow(len(self.cells))
        if row == self.name_of.size:
            self.name_of = np.resize(self.name_of, max(2 * row, 64))
        self.name_of[row] = named
        return row


class Moved:
    """What one step touched; worked out when somebody asks."""

    def __init__(self, totals: Totals, moves: list[tuple[Rows, Whole]]) -> None:
        self._totals, self._moves = totals, moves
        self._after = totals.named.sums.copy() if moves else totals.named.sums

    @cached_property
    def names(self) -> frozenset[str]:
        """Accounts of which anything changed."""
        rows = self._changed(self._moves, len(self._totals.cells))
        return frozenset(self._totals.cells[row][0].name for row in rows)

    @cached_property
    def accounts(self) -> Mapping[str, Mapping[str, int]]:
        """The new totals of the accounts whose total changed, in byte order."""
        moves = [(self._totals.name_of[cells], quanta) for cells, quanta in self._moves]
        names = self._totals.names
        changed = {names[row][0] for row in self._changed(moves, len(names))}
        found: dict[str, dict[str, int]] = {name: {} for name in sorted(changed)}
        for row, (name, source) in enumerate(names[: self._after.size]):
            if name in changed and self._after[row]:
                found[name][source] = int(self._after[row])
        return {name: dict(sorted(own.items())) for name, own in found.items()}

    def _changed(self, moves: list[tuple[Rows, Whole]], size: int) -> list[int]:
        """The rows where what was taken out and in differs."""
        net = _Column()
        net.grow(size)
        for rows, quanta in moves:
            net.add(rows, quanta, peak(quanta) * quanta.size)
        changed: list[int] = np.flatnonzero(net.sums).tolist()
        return changed


class _Column:
    """Sums, exact however large."""

    def __init__(self) -> None:
        self.sums: Whole = np.zeros(64, dtype=np.int64)
        self._most = 0  # no sum is larger

    def grow(self, rows: int) -> None:
        """Room for so many; new ones are zero."""
        if rows > self.sums.size:
            self.sums = np.concatenate([self.sums, np.zeros_like(self.sums, shape=rows)])

    def add(self, rows: Rows, quanta: Whole, most: int) -> None:
        """`most`: no sum of some of the quanta is larger."""
        self._most += most
        if self._most >= LIMIT and self.sums.dtype != object:
            self._most = peak(self.sums) + most
            self.sums = self.sums if self._most < LIMIT else self.sums.astype(object)
        np.add.at(self.sums, rows, quanta)


def _parts(page: Postings, periods: Periods) -> Iterator[tuple[int, str, Rows | slice]]:
    """The postings of a page by period and source."""
    for at, source in enumerate(page.sources):
        mine = slice(None) if len(page.sources) == 1 else np.flatnonzero(page.source == at)
        if periods.single:
            yield periods.versions.reigns[0].from_ms, source, mine
            continue
        starts = periods.starts(source, page.starts[mine])
        for period_ms in np.unique(starts).tolist():
            rows = np.flatnonzero(starts == period_ms)
            yield period_ms, source, rows if isinstance(mine, slice) else mine[rows]
