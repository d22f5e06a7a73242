"""The life of each batch: live, provisional, closed, settled, restated. A function of the journal.

The book is asked after every single record, in their order, and knows no clock: "now" is when the
ingestor wrote the record. So the same journal gives the same revisions however often the process
was killed in between, and a row once closed is only ever followed by another.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TypeVar

import msgspec

from calc_stream.core import Batch, SiteState
from calc_stream.core.edges import reach_of
from calc_stream.core.genealogy import inherited
from calc_stream.ledger.figures import Basis, Told, figures
from calc_stream.ledger.gaps import Gaps
from calc_stream.ledger.rows import CLOSED, BatchRow, State, same_figures

T = TypeVar("T")


@dataclass(frozen=True)
class Because:
    """The journal record that made the difference."""

    kind: str
    key: str
    offset: int

    def __str__(self) -> str:
        return f"{self.kind} {self.key} (offset {self.offset})"


class Book:
    """`rows`: every batch as it stands; `latest`: its newest revision, if it ever closed."""

    def __init__(
        self,
        lateness_ms: int,
        rows: Iterable[BatchRow] = (),
        latest: Iterable[BatchRow] = (),
    ) -> None:
        self.rows = {row.batch: row for row in rows}
        self.latest = {row.batch: row for row in latest}
        self._lateness_ms = lateness_ms
        self._gaps = Gaps()
        self._where: dict[str, tuple[str, ...]] = {}
        self._active: frozenset[str] = frozenset()
        self._reach: object = None

    def resume(self, state: SiteState) -> None:
        """Before the first record: remember what a book that was never closed would remember."""
        self._look(state)
        self._gaps.follow(state.pages)
        self._reach = _reach(state)

    def follow(
        self, state: SiteState, basis: Basis, because: Because, changed: Iterable[str]
    ) -> tuple[list[BatchRow], list[BatchRow]]:
        """(rows that moved, revisions made) by a record whose accounts `changed`."""
        own = _batches(state.totals())
        heirs = any(batch.drawn for batch in state.batches.values())
        came_with = inherited(state.batches, own)[0] if heirs else {}
        concerned = self._concerned(state, because, changed)
        moved: set[str] = set()
        for name in sorted({*state.batches, *self.rows}):
            row = self.rows.get(name)
            if not (concerned is None or heirs or name in concerned or row is None or _open(row)):
                continue
            batch = state.batches.get(name) or Batch(name)
            told = self._told(state, batch, own.get(name, {}), came_with.get(name, {}))
            after = self._judge(state, basis, told, because)
            if after is not None and after != row:
                self.rows[name] = after
                moved.add(name)
        moved |= self._settle(state, because)
        made = {name: self.rows[name] for name in sorted(moved) if self._is_new(self.rows[name])}
        self.latest |= made
        return [self.rows[name] for name in sorted(moved)], list(made.values())

    def _concerned(
        self, state: SiteState, because: Because, changed: Iterable[str]
    ) -> set[str] | None:
        """Closed batches to look at again besides all open ones; None for all of them.

        A segment concerns those whose account or gaps it changed, unless it changed which times
        the meters were read; any other record may concern all.
        """
        gaps, before = self._gaps.follow(state.pages), self._reach
        self._reach = _reach(state)
        if because.kind != "segment":
            self._look(state)
            return None
        return None if before != self._reach else set(_batches(dict.fromkeys([*changed, *gaps])))

    def _look(self, state: SiteState) -> None:
        """Where each batch was and which ones are running, after the events so far."""
        where: dict[str, set[str]] = {}
        for node, timeline in state.nodes.items():
            for stretch in timeline.stretches:
                for batch, _ in stretch.active:
                    where.setdefault(batch, set()).add(node)
        self._where = {batch: tuple(sorted(nodes)) for batch, nodes in where.items()}
        last = [timeline.stretches[-1] for timeline in state.nodes.values()]
        self._active = frozenset(batch for stretch in last for batch, _ in stretch.active)

    def _told(
        self,
        state: SiteState,
        batch: Batch,
        own: Mapping[str, int],
        came_with: Mapping[str, Fraction],
    ) -> Told:
        running = batch.id in self._active
        ended_ms = None if running else batch.last_stop_ms
        until_ms = ended_ms or max(state.frontier_ms or 0, batch.first_start_ms or 0)
        return Told(
            batch,
            own,
            came_with,
            self._gaps.of(f"batch:{batch.id}"),
            self._where.get(batch.id, ()),
            until_ms,
            running,
            _incomplete(state, batch.first_start_ms, ended_ms),
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
        reached = self._reached(state, told)
        closed = before is not None and before.state in CLOSED
        if before is not None and closed and not told.running and not reached:
            return before  # beyond the frontier nothing is posted: what was stated stands
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
        return _following(latest, row, "restated", cause)

    def _reached(self, state: SiteState, told: Told) -> bool:
        """Nothing runs, and every meter has told what came after the last stop plus lateness."""
        if told.running:
            return False
        if told.batch.first_start_ms is None:  # its start was voided: nothing to wait for
            return True
        stop_ms = told.batch.last_stop_ms
        if stop_ms is None or state.frontier_ms is None:
            return False
        return state.frontier_ms >= stop_ms + self._lateness_ms

    def _settle(self, state: SiteState, because: Because) -> set[str]:
        """Closed batches whose inputs, all the way back, are closed too.

        One that closes with this very record is settled at once; one that was stated before gets
        a revision with the same figures, for what was stated stays.
        """
        settled = {}
        for name, row in self.rows.items():
            if row.settled or row.state not in CLOSED or not self._inputs_closed(state, name):
                continue
            if not self._is_new(row):
                row = msgspec.structs.replace(row, offset=because.offset)
                row = _following(self.latest[name], row, row.state, str(because))
            phase = "settled" if row.state == "closed" else row.state
            settled[name] = msgspec.structs.replace(row, settled=True, state=phase)
        self.rows |= settled
        return set(settled)

    def _is_new(self, row: BatchRow) -> bool:
        """Whether it is a revision that was not stated before."""
        latest = self.latest.get(row.batch)
        return row.revision > (latest.revision if latest else 0)

    def _inputs_closed(self, state: SiteState, name: str) -> bool:
        """What has no row here was bought, or never began: nothing to wait for."""
        seen, ahead = {name}, [name]
        while ahead:
            batch = state.batches.get(ahead.pop())
            for of in batch.drawn if batch else ():
                row = self.rows.get(of)
                if row is not None and row.state not in CLOSED:
                    return False
                if of not in seen:
                    seen.add(of)
                    ahead.append(of)
        return True


def _batches(accounts: Mapping[str, T]) -> dict[str, T]:
    """The batch accounts, by batch."""
    mine = "batch:"
    return {n.removeprefix(mine): value for n, value in accounts.items() if n.startswith(mine)}


def _reach(state: SiteState) -> tuple[object, ...]:
    """What `_incomplete` looks at: first readings, and last ones of silent meters."""
    reaches = []
    for meter in state.model.meters if state.model else ():
        reach = reach_of(state.readings, meter.id)
        reaches.append(reach and (reach[0], reach[1] if meter.id in state.silent else None))
    return state.silent, tuple(reaches)


def _open(row: BatchRow) -> bool:
    return row.state not in CLOSED


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
    """Whether a meter of the site was not read over the whole time."""
    if state.model is None:
        return True
    for meter in state.model.meters:
        reach = reach_of(state.readings, meter.id)
        if reach is None or (from_ms is not None and reach[0] > from_ms):
            return True
        if meter.id in state.silent and (to_ms is None or reach[1] < to_ms):
            return True
    return False
