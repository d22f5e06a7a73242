"""Everything a result follows from, and what is posted by it: all of it, or a time's part."""

from collections.abc import Sequence
from dataclasses import dataclass

from calc_stream.core import Event, Ledger, Marks, Readings, Versions, recompute
from calc_stream.core.accounts import Sums
from calc_stream.core.postings import Postings
from calc_stream.core.series import Span
from calc_stream.factors import FactorSet, Method, Rates, given_of, marks_of
from wire.errors import BadData


@dataclass(frozen=True)
class Case:
    """`to_ms`: computed up to there; None: to the last reading."""

    versions: Versions
    events: Sequence[Event]
    readings: Readings
    factors: FactorSet
    method: Method
    to_ms: int | None = None

    def until(self, t_ms: int) -> int:
        return t_ms if self.to_ms is None else min(t_ms, self.to_ms)


@dataclass(frozen=True)
class Part:
    """What was posted in a time whose ends are edges, and the rates that hold. `marks`: its edges,
    too."""

    sums: Sums
    rates: Rates
    marks: Marks


def posted(case: Case, marks: Marks | None = None) -> Ledger:
    """From the first reading on; `marks`: other ones than those of the factors. Raises BadData for
    events that contradict each other."""
    marks = marks_of(case.versions, case.factors) if marks is None else marks
    return _posted(case, None, case.to_ms, marks)


def rates_of(case: Case, ledger: Ledger) -> Rates:
    """The rates of all periods, contracts included."""
    return Rates(case.versions, case.factors, case.method, given_of(ledger.sums()))


def posted_within(case: Case, span: Span) -> Part:
    """Where there are contracts all that is known is computed: what one covers of the time depends on
    all that its source gave before and after. Raises BadData for events that contradict each other."""
    first, last = span[0], case.until(span[1])
    marks = marks_of(case.versions, case.factors)
    at = {
        source: tuple({*marks.at.get(source, ()), first, last}) for source in case.versions.sources
    }
    marks = Marks(at, marks.hourly)
    posted_from, posted_to = (None, case.to_ms) if case.factors.instruments else (first, last)
    ledger = _posted(case, posted_from, posted_to, marks)
    sums = _between(ledger.postings, first, last).sums(ledger.periods)
    return Part(sums, rates_of(case, ledger), marks)


def _posted(case: Case, from_ms: int | None, to_ms: int | None, marks: Marks) -> Ledger:
    ledger = recompute(case.versions, case.events, case.readings, from_ms, to_ms, marks)
    for problem in ledger.problems:
        raise BadData(f"event {problem.event.id}: {problem.key}: {problem.text}")
    return ledger


def _between(postings: Postings, from_ms: int, to_ms: int) -> Postings:
    mine = (postings.starts >= from_ms) & (postings.ends <= to_ms)
    return postings.rows(mine)
