"""The ledger: what every account received of every source, interval by interval."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from calc_stream.core.events import Problem
from calc_stream.core.postings import Postings
from calc_stream.core.whole import Whole, narrow


@dataclass(frozen=True, slots=True)
class Ledger:
    """Postings of a span with what must be said beside them.

    `ignored`: readings left out for their quality; `problems`: events that contradict each other
    (the first one standing in order was followed).
    """

    site: str
    postings: Postings
    incomplete: tuple[str, ...]
    untraced: tuple[str, ...]
    ignored: int
    problems: tuple[Problem, ...]

    @property
    def intervals(self) -> int:
        return self.postings.intervals

    @property
    def sources(self) -> tuple[str, ...]:
        return self.postings.sources

    @property
    def inflow(self) -> dict[str, int]:
        """Quanta that entered, by source."""
        return dict(zip(self.sources, self.postings.inflow, strict=True))

    def totals(self) -> dict[str, dict[str, int]]:
        """Quanta by account and source; zeros left out."""
        return {
            account: {s: q for s, q in zip(self.sources, sums, strict=True) if q}
            for account, sums in sorted(self.postings.totals().items())
            if any(sums)
        }

    def closure(self) -> dict[str, int]:
        """Inflow minus the sum over all accounts, by source; zero, always."""
        rest = dict(self.inflow)
        for sums in self.totals().values():
            for source, quanta in sums.items():
                rest[source] -= quanta
        return rest


def joined(parts: Iterable[Postings], sources: tuple[str, ...]) -> Postings:
    """Postings of spans that follow each other, as one; accounts in byte order."""
    parts = list(parts)
    names = tuple(sorted({n for p in parts for n in _used(p)}))
    place = {name: at for at, name in enumerate(names)}
    moved = [_renumbered(part, place) for part in parts]
    return Postings(
        _cat([p.starts for p in parts], np.int64),
        _cat([p.ends for p in parts], np.int64),
        _cat(moved, np.int32),
        _cat([p.source for p in parts], np.int32),
        narrow(_cat([p.quanta for p in parts], np.int64)),
        _cat([p.gapped for p in parts], np.bool_),
        names,
        sources,
        sum(p.intervals for p in parts),
        tuple(sum(column) for column in zip(*(p.inflow for p in parts), strict=True))
        or (0,) * len(sources),
        frozenset().union(*(p.untraced for p in parts)),
    )


def _used(part: Postings) -> set[str]:
    return {part.accounts[at] for at in np.unique(part.account).tolist()}


def _renumbered(part: Postings, place: dict[str, int]) -> Whole:
    table = np.array([place.get(name, -1) for name in part.accounts], dtype=np.int32)
    return table[part.account] if table.size else part.account


def _cat(columns: list[Whole], dtype: type[np.generic]) -> Whole:
    return np.concatenate(columns) if columns else np.empty(0, dtype=dtype)
