"""What is posted altogether: sums over pages that are taken in and out again."""

from typing import TypeVar

from calc_stream.core.accounts import Account, Cells, Sums
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
            mine = self.sums.setdefault(account, {})
            before.setdefault(account, dict(mine))
            named = self.names.setdefault(account.name, {})
            self._accounts.setdefault(account.name, set()).add(account)
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

    def of(self, name: str) -> Sums:
        """The sums of the accounts of this name."""
        return {account: self.sums[account] for account in self._accounts.get(name, ())}

    def moved(self, before: Before) -> set[str]:
        """Names of accounts of which anything changed."""
        return {a.name for a, cells in before.items() if self.sums.get(a, {}) != cells}

    def changed(self, before: Before) -> dict[str, dict[str, int]]:
        """The new totals of the accounts whose total changed, in byte order."""
        found = {}
        for name in sorted(self.moved(before)):
            less: dict[str, int] = {}
            for account in (a for a in before if a.name == name):
                for cells, sign in ((self.sums.get(account, {}), 1), (before[account], -1)):
                    for (_, source), quanta in cells.items():
                        less[source] = less.get(source, 0) + sign * quanta
            if any(less.values()):
                found[name] = dict(sorted(self.names.get(name, {}).items()))
        return found

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
