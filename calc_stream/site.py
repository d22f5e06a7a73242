"""One site: takes the journal's records one by one, in order, and knows what follows from them.

Everything here is a function of the records (and of the settings): no clock, no chunk size. That is
why a restart may resume from any committed offset.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import msgspec

from calc_stream.core import Changes, Chunk, SiteState, Versions, parse_model
from calc_stream.decode import Decoded, decode
from calc_stream.factors import FactorSet, Method, Quanta, Rates, given_of, marks_of
from calc_stream.ledger.book import ANEW, Because, Book
from calc_stream.ledger.figures import Basis
from calc_stream.ledger.rows import BatchRow
from calc_stream.ledger.store import Commit, Store
from calc_stream.silence import Patience, Told, silent_meters
from calc_stream.statements import Statements, statement_of
from wire.errors import BadData, ConfigError
from wire.journal import Record

log = logging.getLogger(__name__)

MOST_PROBLEMS = 100


@dataclass(frozen=True)
class Rules:
    """What a site's results depend on besides its records."""

    site: str
    method: Method
    lateness_ms: int
    patience: Patience


@dataclass(frozen=True)
class Step:
    """What one record did. `gone`: batches that never began after all, by it or a record before."""

    record: Record
    decoded: Decoded
    moved: tuple[BatchRow, ...] = ()
    made: tuple[BatchRow, ...] = ()
    gone: tuple[str, ...] = ()


class Site:
    """The state of a site with its book of batches; `take` records, `commit` now and then.

    `history` yields the site's records from the first one on: read again when a new model gives
    registers other units.
    """

    def __init__(self, rules: Rules, store: Store, history: Callable[[], Iterator[Record]]) -> None:
        self.rules = rules
        self._store = store
        self._history = history
        offset, data, kept = store.state(rules.site)
        self.state = SiteState.from_bytes(data)
        self.told = msgspec.json.decode(kept, type=Told) if kept else Told()
        self.book = Book(rules.lateness_ms, store.rows(rules.site), store.latest(rules.site))
        self.offset = self.committed = offset
        self._models: dict[int, Record] = {}  # by when they come into force
        self._factors: tuple[FactorSet, str] | None = None
        self._rates: Rates | None = None  # of these models and factors
        self._statements = Statements()
        self._dirty: dict[str, BatchRow] = {}
        self._made: list[BatchRow] = []

    def remember(
        self, models: list[Record], factors: list[Record], corrections: list[Record]
    ) -> None:
        """After a start: which of the records up to the committed offset are in force."""
        self._statements = Statements(r for r in corrections if r.offset <= self.offset)
        for record in (r for r in models if r.offset <= self.offset):
            self._adopt_model(record)
        for record in (r for r in factors if r.offset <= self.offset):
            self._adopt_factors(record)

    @property
    def basis(self) -> Basis | None:
        """What figures stand on; None before there is a model."""
        if self.state.versions is None:
            return None
        factors, hash_ = self._factors or (None, None)
        versions, hashes = self.state.versions, {t: r.hash for t, r in self._models.items()}
        if self._rates is None and factors is not None:
            self._rates = Rates(versions, factors, self.rules.method)
        state, method = self.state, self.rules.method

        def given() -> Quanta:
            return given_of(state.sums())

        return Basis(method, versions, hashes, factors, hash_, self._rates, given)

    @property
    def unsaved(self) -> bool:
        return self.offset > self.committed

    def take(self, record: Record) -> Step:
        """The next record. One that cannot be used is noted in `told.problems` and passed over.

        Raises TransientError where the journal has to be read again and cannot be: then the record is
        still the next.
        """
        self.told.now_ms = max(self.told.now_ms, record.t_ms)
        self.told.first_ms = self.told.first_ms if self.told.first_ms is not None else record.t_ms
        decoded, changes = self._apply(record)
        self.offset, self.told.chain = record.offset, record.chain
        changes = changes.then(self._listen())
        basis = self.basis
        if basis is None:
            return Step(record, decoded)
        because = Because(record.kind, record.key, record.offset)
        events_ms = self.told.events_ms(self.rules.patience)
        moved, made = self.book.follow(self.state, basis, because, changes, events_ms)
        self._dirty |= {row.batch: row for row in moved}
        for batch in self.book.gone:
            self._dirty.pop(batch, None)
        self._made += made
        return Step(record, decoded, tuple(moved), tuple(made), tuple(self.book.gone))

    def commit(self) -> None:
        """Everything up to `offset`, in one transaction. Raises TransientError."""
        if not self.unsaved:
            return
        accounts = self.state.totals() if self.state.versions else {}
        kept = msgspec.json.encode(self.told, order="deterministic")
        rows, made = list(self._dirty.values()), list(self._made)
        gone = sorted(self.book.gone)
        commit = Commit(self.offset, self.state.to_bytes(), kept, accounts, rows, made, gone)
        self._store.commit(self.rules.site, commit)
        self.committed = self.offset
        self._dirty.clear()
        self._made.clear()
        self.book.gone.clear()

    def unmapped(self) -> dict[str, str]:
        """Registers that were read and sit nowhere in the model, with a word why.

        An export register that never moved is no news.
        """
        if self.state.model is None:
            return {}
        found = {}
        for register in self.state.unknown_meters():
            totals = self.state.readings.totals(register).totals
            if register.endswith(".export") and totals.size and totals[0] == totals[-1]:
                continue
            found[register] = "no meter of the model has this id"
        return found

    def _apply(self, record: Record) -> tuple[Decoded, Changes]:
        """Decode and hand to the core; what the record is, and what it changed."""
        try:
            self._reconsider(record)
            decoded = decode(record, self._units(), self._statements)
            if record.kind == "model":
                self._make_room(decoded)
            if record.kind == "factor":
                self._adopt_factors(record)
            if decoded.segment is not None:
                self.told.wait(decoded.segment.header)
            if decoded.heartbeat is not None:
                self.told.beat(decoded.heartbeat)
            held_ms = self.told.held_ms(self.rules.patience)
            its = replace(decoded.chunk, held_ms=held_ms, accepted=self.rules.method.accepted)
            changes = self.state.apply(its)
            if record.kind in ANEW:
                self._adopt_model(record)
                self._rates = None
                changes = changes.then(self._mark())
        except (BadData, ConfigError) as exc:
            self._note(f"{record.kind} {record.key}", f"offset {record.offset}: {exc}")
            changes = self.state.apply(Chunk(offset=record.offset))
            return Decoded(Chunk(offset=record.offset)), changes
        if decoded.segment is not None:
            self.told.segments += 1
            self.told.readings += decoded.segment.header.readings
            self.told.hear(decoded.segment.events)
        for register, why in decoded.misfits:
            self._note(register, why)
        return decoded, changes

    def _mark(self) -> Changes:
        """Tell the core when factors change; what that changes."""
        versions = self.state.versions
        if versions is None:
            return Changes(frontier_ms=self.state.frontier_ms)
        marks = marks_of(versions, self._factors[0] if self._factors else None)
        return self.state.apply(Chunk(marks=marks))

    def _adopt_model(self, record: Record) -> None:
        """Remember the record of a version that stands in the state."""
        text = record.data.decode(errors="replace")
        for reign in self.state.versions.reigns if self.state.versions else ():
            if reign.model.text == text:
                self._models[reign.from_ms] = record

    def _listen(self) -> Changes:
        """Whom to wait for, and whom no longer; what that changes."""
        versions = self.state.versions
        if versions is None:
            return Changes()
        silent = silent_meters(versions, self.state.readings, self.told, self.rules.patience)
        held_ms = self.told.held_ms(self.rules.patience)
        if (silent, held_ms) == (self.state.silent, self.state.held_ms):
            return Changes(frontier_ms=self.state.frontier_ms)
        for meter in sorted(silent ^ self.state.silent):
            log.warning("meter %s is %s", meter, "silent" if meter in silent else "back")
        return self.state.apply(Chunk(silent=silent, held_ms=held_ms))

    def _units(self) -> dict[str, str]:
        return _units_of(self.state.versions)

    def _make_room(self, decoded: Decoded) -> None:
        """Before a model that gives known registers other units: read them again in those.

        Raises ConfigError for a model that cannot be used.
        """
        text = decoded.chunk.model or ""
        model = parse_model(text, "model")
        if model.site != self.rules.site:
            raise ConfigError(
                f"model: site: is {model.site!r}, this journal's is {self.rules.site!r}"
            )
        self.rules.method.check(model)
        versions = self.state.versions
        versions = versions.with_(model) if versions else Versions.of(model)
        old, new = self._units(), _units_of(versions)
        read = set(self.state.readings.meters())
        if all(old.get(register) == unit for register, unit in new.items() if register in read):
            return
        log.info("the new model gives registers other units: reading the journal again")
        self._read_again(versions, decoded.chunk.offset or 0)

    def _reconsider(self, record: Record) -> None:
        """After a word that readings are wrong: read all of them again, without those. Raises BadData."""
        told = statement_of(record)
        if told is not None and self._statements.add(told):
            log.info("%s %s: reading the journal again", told.type, told.id)
            self._read_again(self.state.versions, record.offset)

    def _read_again(self, versions: Versions | None, before: int) -> None:
        """The state anew from the records before an offset."""
        fresh, units = SiteState(), _units_of(versions)
        fresh.apply(Chunk(accepted=self.rules.method.accepted))
        for reign in versions.reigns if versions else ():
            fresh.apply(Chunk(model=reign.model.text))
        fresh.apply(Chunk(events=tuple(self.state.events.values())))
        for record in self._history():
            if record.offset >= before:
                break
            if record.kind in ("segment", "reading"):
                try:
                    fresh.apply(decode(record, units, self._statements).chunk)
                except BadData as exc:
                    self._note(f"{record.kind} {record.key}", f"offset {record.offset}: {exc}")
        self.state = fresh

    def _adopt_factors(self, record: Record) -> None:
        try:
            self._factors = FactorSet.decode(record.data), record.hash
        except BadData as exc:
            self._note(f"factor {record.key}", f"offset {record.offset}: {exc}")

    def _note(self, what: str, why: str) -> None:
        problems = self.told.problems
        if what not in problems and len(problems) < MOST_PROBLEMS:
            log.warning("%s: %s", what, why)
            problems[what] = why


def _units_of(versions: Versions | None) -> dict[str, str]:
    return {meter.id: meter.unit for meter in versions.meters.values()} if versions else {}
