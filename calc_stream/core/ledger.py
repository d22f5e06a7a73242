"""The ledger: what every account received of every source, interval by interval."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from calc_stream.core.accounts import Account, Sums, by_name
from calc_stream.core.events import Problem
from calc_stream.core.periods import Periods
from calc_stream.core.postings import Postings
from calc_stream.core.series import Span
from calc_stream.core.whole import Whole, narrow


@dataclass(frozen=True, slots=True)
class Ledger:
    """Postings of a span with what must be said beside them.

    `ignored`: readings left out for their quality; `problems`: events that contradict each other
    (the first one standing in order was followed). `span`: of what is posted, None when nothing is.
    """

    site: str
    postings: Postings
    periods: Periods
    span: Span | None
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

    @property
    def opening(self) -> dict[str, int]:
        """Quanta that were in stores when these first appeared, by source."""
        return dict(zip(self.sources, self.postings.opening, strict=True))

    def sums(self) -> Sums:
        """Quanta by account, and by period and source; zeros left out."""
        return self.postings.sums(self.periods)

    def totals(self) -> dict[str, dict[str, int]]:
        """Quanta by account and source; zeros left out."""
        return by_name(self.sums())

    def closure(self) -> dict[str, int]:
        """What entered, or was there, minus the sum over all accounts, by source; zero, always."""
        rest = {source: quanta + self.opening[source] for source, quanta in self.inflow.items()}
        for sums in self.totals().values():
            for source, quanta in sums.items():
                rest[source] -= quanta
        return rest


def joined(parts: Iterable[Postings], sources: tuple[str, ...]) -> Postings:
    """Postings of spans that follow each other, as one; accounts in byte order. `sources`: all."""
    parts = list(parts)
    names = tuple(sorted({name for part in parts for name in _used(part)}))
    return Postings(
        _cat([p.starts for p in parts], np.int64),
        _cat([p.ends for p in parts], np.int64),
        _cat([_renumbered(p.account, p.accounts, names) for p in parts], np.int32),
        _cat([_renumbered(p.source, p.sources, sources) for p in parts], np.int32),
        narrow(_cat([p.quanta for p in parts], np.int64)),
        _cat([p.gapped for p in parts], np.bool_),
        names,
        sources,
        sum(p.intervals for p in parts),
        _added(sources, [dict(zip(p.sources, p.inflow, strict=True)) for p in parts]),
        frozenset().union(*(p.untraced for p in parts)),
        _added(sources, [dict(zip(p.sources, p.opening, strict=True)) for p in parts]),
        parts[0].begun if parts else {},
        parts[-1].ended if parts else {},
        _short(parts),
    )


def _used(part: Postings) -> set[Account]:
    return {part.accounts[at] for at in np.unique(part.account).tolist()}


def _renumbered(column: Whole, old: tuple[object, ...], new: tuple[object, ...]) -> Whole:
    place = {name: at for at, name in enumerate(new)}
    table = np.array([place.get(name, -1) for name in old], dtype=np.int32)
    return table[column] if table.size else column


def _added(sources: tuple[str, ...], amounts: list[dict[str, int]]) -> tuple[int, ...]:
    return tuple(sum(own.get(source, 0) for own in amounts) for source in sources)


def _short(parts: list[Postings]) -> Mapping[str, Fraction]:
    found: dict[str, Fraction] = {}
    for part in parts:
        for store, quanta in part.short.items():
            found[store] = found.get(store, Fraction(0)) + quanta
    return dict(sorted(found.items()))


def _cat(columns: list[Whole], dtype: type[np.generic]) -> Whole:
    return np.concatenate(columns) if columns else np.empty(0, dtype=dtype)
