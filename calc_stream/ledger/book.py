"""The life of each batch: live, provisional, closed, settled, restated. A function of the journal.

The book is asked after every single record, in their order, and knows no clock: "now" is when the
ingestor wrote the record. So the same journal gives the same revisions however often the process
was killed in between, and a row once closed is only ever followed by another.

Only batches are looked at that a record touched, with all that was made of them, and those that waited
for what it brought: what is settled costs nothing until something of it is touched.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from calc_stream.core import Batch, Burden, Changes, SiteState, burdens
from calc_stream.core.accounts import Cell
from calc_stream.core.genealogy import made_of
from calc_stream.core.whole import LIMIT
from calc_stream.factors.contracts import Contracts
from calc_stream.ledger.closing import Closing
from calc_stream.ledger.figures import Basis, Told, figures
from calc_stream.ledger.rows import CLOSED, BatchRow, State, same_figures
from calc_stream.ledger.touched import Touched

# Kinds of records after which everything is looked at again.
ANEW = ("model", "factor", "correction")


@dataclass(frozen=True)
class Because:
    """The journal record that made the difference."""

    kind: str
    key: str
    offset: int

    def __str__(self) -> str:
        return f"{self.kind} {self.key} (offset {self.offset})"


class Book:
    """`rows`: every batch as it stands; `latest`: its newest revision, if it ever closed; `gone`:
    rows of batches that never began after all, until they are forgotten on disk, too."""

    def __init__(
        self,
        lateness_ms: int,
        rows: Iterable[BatchRow] = (),
        latest: Iterable[BatchRow] = (),
    ) -> None:
        self.rows = {row.batch: row for row in rows}
        self.latest = {row.batch: row for row in latest}
        self.gone: set[str] = set()
        self._lateness_ms = lateness_ms
        self._touched = Touched()
        self._closing = Closing(lateness_ms)
        self._begun = False  # whether any record was followed since the start
        self._events_ms = LIMIT
        self._upto_ms = -LIMIT
        self._reign_ms = 0
        self._contracts = Contracts(())
        self._waiting: set[str] = set()  # not closed, or closed and now beyond what all have told
        self._unsettled: set[str] = set()  # closed, and a window is not over, or open again

    def follow(
        self,
        state: SiteState,
        basis: Basis,
        because: Because,
        changes: Changes,
        events_ms: int = LIMIT,
    ) -> tuple[list[BatchRow], list[BatchRow]]:
        """(rows that moved, revisions made) by a record that made these changes. `events_ms`: up to
        when all who send events have told everything (LIMIT: nobody is waited for)."""
        self._events_ms = events_ms
        self._contracts = basis.plain.contracts if basis.plain else Contracts(())
        anew = because.kind in ANEW or not self._begun
        names = self._concerned(state, changes, anew)
        self._begun = True
        moved: set[str] = set()
        borne = self._burdens(state, names)
        for name in sorted(names):
            row = self.rows.get(name)
            told = self._told(state, _batch(state, name), borne)
            after = self._judge(state, basis, told, because)
            if after is None and row is not None:
                del self.rows[name]  # its start was voided before anything was stated of it
                self.gone.add(name)
            elif after is not None and after != row:
                self.rows[name] = after
                self.gone.discard(name)
                moved.add(name)
        moved |= self._settle(state, names, because)
        self._remember(state, names)
        made = {name: self.rows[name] for name in sorted(moved) if self._is_new(self.rows[name])}
        self.latest |= made
        return [self.rows[name] for name in sorted(moved)], list(made.values())

    def _concerned(self, state: SiteState, changes: Changes, anew: bool) -> set[str]:
        """The batches to look at again."""
        names = self._touched.follow(state, changes)
        before_ms = self._upto_ms
        self._upto_ms = upto_ms(state, self._events_ms, self._lateness_ms)

        def closed(name: str) -> bool:
            return self._reached(state, state.batches[name])

        told = self._touched.told
        reign_ms, self._reign_ms = self._reign_ms, _reign_ms(state)
        given, turned = self._closing.follow(state, changes, told, closed, anew, self._events_ms)
        over, opened = self._windows_between(before_ms)
        if anew or opened or self._uncovered(state, changes):
            return {*state.batches, *self.rows}
        names |= given
        if turned or over:
            names |= self._waiting | self._unsettled
        elif reign_ms != self._reign_ms:
            names |= self._waiting  # what goes on has another model now
        else:
            names |= {name for name in self._waiting if self._reached(state, _batch(state, name))}
        return self._touched.with_heirs(names)

    def _windows_between(self, before_ms: int) -> tuple[bool, bool]:
        """Whether windows of contracts are over that were not, and whether some are open again."""
        first, last = sorted((before_ms, self._upto_ms))
        if not self._contracts or first == last:
            return False, False
        crossed = first <= -LIMIT or any(
            first < end <= last for _, end in self._contracts.windows((first, last))
        )
        return crossed and before_ms < self._upto_ms, crossed and before_ms > self._upto_ms

    def _uncovered(self, state: SiteState, changes: Changes) -> bool:
        """Whether something was posted anew in a contract's window that was over."""
        if not self._contracts or state.versions is None:
            return False
        firsts = {first for first, _ in changes.spans}
        windows = [self._contracts.window(s, t) for s in state.versions.sources for t in firsts]
        return any(window is not None and window[1] <= self._upto_ms for window in windows)

    def _burdens(
        self, state: SiteState, names: Collection[str]
    ) -> tuple[dict[str, Burden], dict[str, Burden]]:
        """What batches bear without what pools and campaigns give, and with it."""
        family = {of for name in names for of in made_of(state.batches, name)}
        batches = {name: state.batches[name] for name in sorted(family & state.batches.keys())}
        sums = {a: cells for name in batches for a, cells in state.sums_of(f"batch:{name}").items()}
        alone, _ = burdens(batches, sums, ())
        transfers = list(self._closing.transfers(batches))
        return alone, burdens(batches, sums, transfers)[0] if transfers else alone

    def _told(
        self, state: SiteState, batch: Batch, borne: tuple[dict[str, Burden], dict[str, Burden]]
    ) -> Told:
        running = batch.id in self._touched.active
        ended_ms = None if running else batch.last_stop_ms
        until_ms = ended_ms or max(state.frontier_ms or 0, batch.first_start_ms or 0)
        spread = self._is_spread(state, batch.id)
        return Told(
            batch,
            borne[spread].get(batch.id, Burden()),
            state.lots,
            self._touched.gaps.of(f"batch:{batch.id}"),
            state.where(batch.id),
            until_ms,
            running,
            _incomplete(state, batch.first_start_ms, ended_ms),
            spread,
        )

    def _judge(
        self, state: SiteState, basis: Basis, told: Told, because: Because
    ) -> BatchRow | None:
        """The row after a record; None for what never began."""
        batch = told.batch
        before, latest = self.rows.get(batch.id), self.latest.get(batch.id)
        if batch.first_start_ms is None and latest is None:
            return None
        row = figures(basis, told, because.offset)
        reached = self._reached(state, batch)
        closed = before is not None and before.state in CLOSED
        if before is not None and closed and not told.running and not reached:
            return before  # not all is told or posted yet: what was stated stands
        if before is not None and before.settled and not told.spread:
            return before  # a window was opened again: what was stated stands until it is over
        if not reached:
            cause = None if latest is None else str(because) if closed else before and before.cause
            row = msgspec.structs.replace(
                row,
                state="live" if told.running or batch.last_stop_ms is None else "provisional",
                revision=latest.revision if latest else 0,
                cause=cause,
            )
            return before if before is not None and _nothing_new(before, row) else row
        if latest is None:
            return msgspec.structs.replace(row, state="closed", revision=1)
        if same_figures(latest, row):
            return before if closed else latest
        cause = str(because) if closed else (before and before.cause) or str(because)
        # What pools and campaigns give was still to come: that it came now corrects nothing.
        awaited = closed and before is not None and told.spread and not before.spread
        return _following(latest, row, "closed" if awaited else "restated", cause)

    def _reached(self, state: SiteState, batch: Batch) -> bool:
        """Nothing runs, and all meters and senders have told what came after the last stop plus
        lateness."""
        if batch.id in self._touched.active:
            return False
        if batch.first_start_ms is None:  # its start was voided: nothing to wait for
            return True
        stop_ms = batch.last_stop_ms
        if stop_ms is None or state.frontier_ms is None:
            return False
        return self._upto_ms >= stop_ms

    def _settle(self, state: SiteState, names: Iterable[str], because: Because) -> set[str]:
        """Closed batches among these whose inputs, all the way back, are closed too, and all windows over.

        One that closes with this very record is settled at once; one that was stated before gets
        a revision, with the same figures where pools gave nothing, for what was stated stays.
        """
        settled = {}
        for name in names:
            row = self.rows.get(name)
            if row is None or row.settled or row.state not in CLOSED:
                continue
            if not self._inputs_closed(state, name) or not self._is_spread(state, name):
                continue
            if not self._is_new(row):
                row = msgspec.structs.replace(row, offset=because.offset)
                row = _following(self.latest[name], row, row.state, str(because))
            phase = "settled" if row.state == "closed" else row.state
            settled[name] = msgspec.structs.replace(row, settled=True, spread=True, state=phase)
        self.rows |= settled
        return set(settled)

    def _is_new(self, row: BatchRow) -> bool:
        """Whether it is a revision that was not stated before."""
        latest = self.latest.get(row.batch)
        return row.revision > (latest.revision if latest else 0)

    def _remember(self, state: SiteState, names: Iterable[str]) -> None:
        """What these wait for from now on."""
        for name in names:
            row = self.rows.get(name)
            self._waiting.discard(name)
            self._unsettled.discard(name)
            if row is None:
                continue
            if row.state not in CLOSED or not self._reached(state, _batch(state, name)):
                self._waiting.add(name)
            if row.state in CLOSED and not (row.settled and self._is_spread(state, name)):
                self._unsettled.add(name)

    def _inputs_closed(self, state: SiteState, name: str) -> bool:
        """What has no row here never began: nothing to wait for."""
        inputs = (self.rows.get(of) for of in made_of(state.batches, name) if of != name)
        return all(row is None or row.state in CLOSED for row in inputs)

    def _is_spread(self, state: SiteState, name: str) -> bool:
        """Whether all that pools and campaigns give to a batch and its inputs is in, and what contracts
        cover of all that is known."""
        if not self._closing.spreads and not self._contracts:
            return True
        for of in made_of(state.batches, name):
            cells = [cell for own in state.sums_of(f"batch:{of}").values() for cell in own]
            batch = _batch(state, of)
            if self._closing.spreads and (
                of in self._touched.active
                or not self._closing.is_over(batch, [t for t, _ in cells])
            ):
                return False
            if self._contracts and not self._is_covered(of, cells):
                return False
        return True

    def _is_covered(self, name: str, cells: list[Cell]) -> bool:
        """Whether all that decides about what contracts cover of this is over."""
        given = [(t.period, t.source) for t in self._closing.transfers([name])]
        return all(
            self._contracts.is_over(source, period, self._upto_ms)
            for period, source in (*cells, *given)
        )


def _batch(state: SiteState, name: str) -> Batch:
    """What is told of a batch; of one nobody tells of any more, nothing."""
    return state.batches.get(name) or Batch(name)


def upto_ms(state: SiteState, events_ms: int, lateness_ms: int) -> int:
    """Up to when what all have told is final."""
    if state.frontier_ms is None:
        return -LIMIT
    return min(state.frontier_ms, events_ms) - lateness_ms


def _reign_ms(state: SiteState) -> int:
    """Since when the model is in force that is so at the frontier."""
    return state.versions.reign_at(state.frontier_ms or 0).from_ms if state.versions else 0


def _nothing_new(before: BatchRow, after: BatchRow) -> bool:
    """Only the offset moved: the row keeps the offset it last changed at."""
    return before == msgspec.structs.replace(after, offset=before.offset)


def _following(latest: BatchRow, row: BatchRow, state: State, cause: str) -> BatchRow:
    """The revision after `latest`."""
    kg = None
    if row.kg_co2e is not None and latest.kg_co2e is not None:
        kg = str(Decimal(row.kg_co2e) - Decimal(latest.kg_co2e))
    return msgspec.structs.replace(
        row,
        state=state,
        revision=latest.revision + 1,
        cause=cause,
        difference_kwh=str(Decimal(row.energy_kwh) - Decimal(latest.energy_kwh)),
        difference_kg=kg,
    )


def _incomplete(state: SiteState, from_ms: int | None, to_ms: int | None) -> bool:
    """Whether a meter of the site was not read over the whole time it was in force."""
    first, last = -LIMIT if from_ms is None else from_ms, LIMIT if to_ms is None else to_ms
    for reign, (since, until) in state.versions.within((first, last)) if state.versions else ():
        meters, readings = reign.model.meters, state.readings
        firsts, lasts = readings.reaches(meters)
        if (firsts == LIMIT).any() or (since > -LIMIT and (firsts > since).any()):
            return True
        if (lasts[readings.among(meters, state.silent)] < until).any():
            return True
    return state.versions is None
