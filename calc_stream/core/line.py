"""The ordered line of accounts, along which exact contents become whole quanta.

Cumulative floor over the accounts in byte order: account k gets floor(c_k) - floor(c_{k-1}), where
c is the running sum of exact contents. An account's own steps of the sum are nobody else's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from calc_stream.core.accounts import Account
from calc_stream.core.content import Content, common_whole
from calc_stream.core.whole import Rows, Whole, floor_div, mul, narrow, running

Accounts = tuple[Account, ...]
Numbers = npt.NDArray[np.integer]
_MOST_LINES = 64


class Bundle(NamedTuple):
    """Contents over one denominator: a row of each part an account."""

    accounts: Accounts
    parts: dict[str, Whole]
    whole: Whole


@dataclass(frozen=True, slots=True)
class Line:
    """`order`: the rows of bundles one behind the other, by account; `ends`: how many of them there are
    up to each account's last (None: one each)."""

    names: Accounts
    order: Rows
    ends: Rows | None

    @classmethod
    def of(cls, bundled: Iterable[Accounts], more: Iterable[Account]) -> "Line":
        """`more`: accounts that stand there, too, with nothing in these bundles."""
        every = [account for accounts in bundled for account in accounts]
        names = tuple(sorted({*every, *more}))
        place = {name: at for at, name in enumerate(names)}
        at = np.array([place[account] for account in every], dtype=np.int64)
        count = np.bincount(at, minlength=len(names))
        ends = None if (count == 1).all() else np.cumsum(count)
        return cls(names, np.argsort(at, kind="stable"), ends)


class Lines:
    """Lines that were there before; the tuples of accounts are known by themselves."""

    def __init__(self) -> None:
        self._alone: dict[Account, Accounts] = {}
        self._known: dict[object, tuple[object, Line]] = {}
        self._joined: dict[object, tuple[object, Accounts, list[Numbers]]] = {}

    def alone(self, account: Account, content: Content) -> Bundle:
        """The content of a single account."""
        accounts = self._alone.setdefault(account, (account,))
        return Bundle(accounts, {s: part[None] for s, part in content.parts.items()}, content.whole)

    def of(self, bundles: Sequence[Bundle], more: Accounts) -> Line:
        bundled = tuple(bundle.accounts for bundle in bundles)
        key = (*map(id, bundled), more)
        if key not in self._known:
            if len(self._known) >= _MOST_LINES:
                self._known.clear()
            self._known[key] = bundled, Line.of(bundled, more)
        return self._known[key][1]

    def joined(self, lines: Sequence[Line]) -> tuple[Accounts, list[Numbers]]:
        """All their accounts, and where among these each line's are."""
        key = tuple(map(id, lines))
        if key not in self._joined:
            if len(self._joined) >= _MOST_LINES:
                self._joined.clear()
            names = tuple(sorted({name for line in lines for name in line.names}))
            place = {name: at for at, name in enumerate(names)}
            at: list[Numbers] = [
                np.array([place[n] for n in line.names], dtype=np.int32) for line in lines
            ]
            self._joined[key] = tuple(lines), names, at
        return self._joined[key][1:]


def quanta_along(line: Line, source: str, bundles: Sequence[Bundle], rows: int) -> Whole:
    """One source's quanta, a row an account of the line."""
    divisors = common_whole([bundle.whole for bundle in bundles], rows)
    nothing: Whole = np.zeros((1, rows), dtype=np.int64)
    parts: list[Whole] = [nothing[1:]]
    factors: dict[int, Whole] = {}
    for bundle in bundles:
        part, own = bundle.parts[source], bundle.whole
        if own is not divisors and id(own) not in factors:
            factors[id(own)] = floor_div(divisors, own)
        parts.append(part if own is divisors else mul(part, factors[id(own)]))
    stacked = narrow(np.concatenate(parts[1:] or parts))
    floors = floor_div(running(stacked[line.order]), divisors)
    if line.ends is not None:
        floors = np.concatenate([nothing, floors])[line.ends]
    quanta = floors.copy()
    quanta[1:] -= floors[:-1]
    return quanta
