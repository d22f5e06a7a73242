"""What is posted altogether: sums over pages that are taken in and out again."""

from typing import TypeVar

from calc_stream.core.accounts import Account, Cells, Sums
from calc_stream.core.ledger import joined
from calc_stream.core.periods import Periods
from calc_stream.core.postings import Postings

K = TypeVar("K")
Before = dict[Account, Cells]  # what touched accounts held before a change


class Totals:
    """`sums`: quanta by account, and by period and source; `names`: by name of account and source.
    Zeros stay out of both."""

    def __init__(self) -> None:
        self.sums: Sums = {}
        self.names: dict[str, dict[str, int]] = {}
        self._accounts: dict[str, set[Account]] = {}
        self.inflow: dict[str, int] = {}
        self.opening: dict[str, int] = {}

    def take(self, page: Postings, periods: Periods, sign: int, before: Before) -> None:
        """The sums of a page in (sign 1) or out (-1)."""
        for account, cells in page.sums(periods).items():
            mine = self.sums.get(account)
            if mine is None:
                mine = self.sums[account] = {}
                self._accounts.setdefault(account.name, set()).add(account)
            if account not in before:
                before[account] = mine.copy()
            named = self.names.setdefault(account.name, {})
            for key, quanta in cells.items():
                _add(mine, key, sign * quanta)
                _add(named, key[1], sign * quanta)
            if not mine:
                del self.sums[account]
                self._accounts[account.name].discard(account)
            if not named:
                del self.names[account.name]
        for source, inflow, opening in zip(page.sources, page.inflow, page.opening, strict=True):
            self.inflow[source] = self.inflow.get(source, 0) + sign * inflow
            self.opening[source] = self.opening.get(source, 0) + sign * opening

    def exchange(
        self, out: Postings | None, into: Postings | None, periods: Periods, before: Before
    ) -> None:
        """Takes postings of a page in, in the place of others; only what differs moves a sum."""
        parts = [] if into is None else [into]
        parts += [] if out is None else [out.negative()]
        if parts:
            self.take(joined(parts, parts[0].sources), periods, 1, before)

    def of(self, name: str) -> Sums:
        """The sums of the accounts of this name."""
        return {account: self.sums[account] for account in self._accounts.get(name, ())}

    def moved(self, before: Before) -> set[str]:
        """Names of accounts of which anything changed."""
        return {a.name for a, cells in before.items() if self.sums.get(a, {}) != cells}

    def changed(self, before: Before) -> dict[str, dict[str, int]]:
        """The new totals of the accounts whose total changed, in byte order."""
        less: dict[str, dict[str, int]] = {}
        for account, cells in before.items():
            mine = less.setdefault(account.name, {})
            for (_, source), quanta in self.sums.get(account, {}).items():
                mine[source] = mine.get(source, 0) + quanta
            for (_, source), quanta in cells.items():
                mine[source] = mine.get(source, 0) - quanta
        changed = sorted(name for name, own in less.items() if any(own.values()))
        return {name: dict(sorted(self.names.get(name, {}).items())) for name in changed}

    def closure(self) -> dict[str, int]:
        """What entered, or was there, minus the sum over all accounts, by source; zero, always."""
        rest = {source: quanta + self.opening[source] for source, quanta in self.inflow.items()}
        for own in self.names.values():
            for source, quanta in own.items():
                rest[source] -= quanta
        return rest


def _add(amounts: dict[K, int], key: K, quanta: int) -> None:
    total = amounts.get(key, 0) + quanta
    if total:
        amounts[key] = total
    else:
        amounts.pop(key, None)
