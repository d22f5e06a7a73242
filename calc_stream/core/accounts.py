"""Accounts, and their sums by account, period and source."""

from collections.abc import Mapping
from typing import NamedTuple

OPENING = "opening"  # the state of what stores held when they first appeared


class Account(NamedTuple):
    """Who got it: `name` is the account; `node` and `state` say where and while doing what."""

    name: str
    node: str = ""
    state: str = ""


Cell = tuple[int, str]  # a period, told by its start in ms, and a source
Cells = dict[Cell, int]
Sums = dict[Account, Cells]


def by_name(sums: Mapping[Account, Cells]) -> dict[str, dict[str, int]]:
    """Quanta by account and source, in byte order; zeros left out."""
    found: dict[str, dict[str, int]] = {}
    for account in sorted(sums):
        own = found.setdefault(account.name, {})
        for (_, source), quanta in sums[account].items():
            own[source] = own.get(source, 0) + quanta
    kept = {name: {s: own[s] for s in sorted(own) if own[s]} for name, own in found.items()}
    return {name: own for name, own in kept.items() if own}
