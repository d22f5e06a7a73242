"""A settled row computed again from records of the journal, by the definition of the calculation.

What a row says about itself is not in it: which revision it is, at which offset, why, and in which
state. Everything it states is.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import NamedTuple

from calc_stream.core import (
    Burden,
    Periods,
    Spreading,
    Transfer,
    Versions,
    burdens,
    recompute,
)
from calc_stream.core.accounts import Sums
from calc_stream.core.batches import Batch
from calc_stream.core.edges import span_of
from calc_stream.core.events import swaps_told
from calc_stream.core.model import parse_model
from calc_stream.core.series import Readings, Span, united
from calc_stream.core.whole import LIMIT
from calc_stream.evidence.production import Production, production, spans_of
from calc_stream.evidence.told import Told, gather
from calc_stream.factors import FactorSet, Method, Rates, given_of
from calc_stream.ledger.figures import Basis, figures
from calc_stream.ledger.figures import Told as Stated
from calc_stream.ledger.gaps import Quanta, add_up, gapped
from calc_stream.ledger.rows import BatchRow
from calc_stream.statements import Statements
from wire.errors import BadData, ConfigError
from wire.journal import Record


class Posted(NamedTuple):
    """What every account received over the spans, and how much of each lies in long gaps."""

    sums: Sums
    in_gaps: Quanta


@dataclass(frozen=True)
class Ground:
    """What the figures of batches follow from, up to an offset. `spans`: the times whose intervals
    they need; `posted`: in these, computed when somebody asks first."""

    batches: tuple[str, ...]
    offset: int
    basis: Basis
    told: Told
    made: Production
    spans: list[Span]
    posted: Callable[[], Posted]

    @property
    def periods(self) -> Periods:
        return self.told.periods


class Ask(NamedTuple):
    """Batches as they stood at an offset."""

    batches: tuple[str, ...]
    offset: int


def ground(records: Sequence[Record], method: Method, ask: Ask) -> Ground:
    """Of the records up to what is asked for, in order. Raises BadData when there is no model."""
    basis, factors, statements = _basis(records, method)
    told = gather(records, basis.versions, factors, statements)
    made = production(basis.versions, told.events.values())
    told.readings.tell(swaps_told(made.standing))
    spans = united(s for name in ask.batches for s in spans_of(told.periods, made, name))
    if basis.plain is not None and basis.plain.contracts:
        windows = [w for span in spans for w in basis.plain.contracts.windows(span)]
        spans = united([*spans, *windows])
    posted = cache(partial(posted_in, told, spans))
    its = replace(basis, given=lambda: given_of(posted().sums))
    return Ground(ask.batches, ask.offset, its, told, made, spans, posted)


def _basis(records: Sequence[Record], method: Method) -> tuple[Basis, Record | None, Statements]:
    versions, hashes = _versions(records, method)
    factors, factor_set = _factors(records)
    rates = None if factors is None else Rates(versions, factors, method)
    hash_ = factor_set.hash if factor_set else None
    statements = Statements(record for record in records if record.kind == "correction")
    return Basis(method, versions, hashes, factors, hash_, rates), factor_set, statements


def restate(its: Ground) -> Iterator[BatchRow]:
    """The rows of its batches, whose direct energy is final, as live ones of no revision."""
    made, readings = its.made, its.told.readings
    sums, in_gaps = its.posted()
    borne, _ = burdens(made.batches, sums, _transfers(its, sums))
    for name in its.batches:
        batch = made.batches.get(name) or Batch(name)
        ended_ms = batch.last_stop_ms
        stated = Stated(
            batch,
            borne.get(name, Burden()),
            made.lots,
            in_gaps.get(f"batch:{name}", {}),
            made.where(name),
            ended_ms if ended_ms is not None else batch.first_start_ms or 0,
            False,
            _incomplete(its.basis.versions, readings, batch.first_start_ms, ended_ms),
            True,
        )
        yield figures(its.basis, stated, its.offset)


def _versions(records: Sequence[Record], method: Method) -> tuple[Versions, dict[int, str]]:
    """The versions of the model, and the hash of each by when it comes into force."""
    versions: Versions | None = None
    hashes: dict[str, str] = {}
    for record in (record for record in records if record.kind == "model"):
        try:
            model = parse_model(record.data.decode(), "model")
            method.check(model)
            model = method.adapted(model)
            versions = versions.with_(model) if versions else Versions.of(model)
        except (ConfigError, UnicodeDecodeError):
            continue  # the engine passed it over, too, and lists it as a problem
        hashes[model.text] = record.hash
    if versions is None:
        raise BadData("no site model is among the records")
    return versions, {reign.from_ms: hashes[reign.model.text] for reign in versions.reigns}


def _factors(records: Sequence[Record]) -> tuple[FactorSet | None, Record | None]:
    """The set in force last; one that cannot be read was passed over."""
    for record in reversed(records):
        if record.kind == "factor":
            try:
                return FactorSet.decode(record.data), record
            except BadData:
                continue
    return None, None


def posted_in(told: Told, spans: Iterable[Span]) -> Posted:
    """By the definition of the calculation, all the way through."""
    sums: Sums = {}
    in_gaps: Quanta = {}
    marks, events = told.periods.marks, told.events.values()
    for first, last in spans:
        ledger = recompute(told.versions, events, told.readings, first, last, marks)
        _add_up(sums, ledger.sums())
        add_up(in_gaps, gapped(ledger.postings))
    return Posted(sums, in_gaps)


def _add_up(sums: Sums, more: Sums) -> None:
    """Takes more sums in."""
    for name, cells in more.items():
        own = sums.setdefault(name, {})
        for cell, quanta in cells.items():
            own[cell] = own.get(cell, 0) + quanta


def _transfers(its: Ground, sums: Sums) -> Iterator[Transfer]:
    """What pools and campaigns give, of those that are whole in the spans."""
    span = span_of(its.basis.versions, its.told.readings)
    if span is None:
        return
    made = its.made
    spreading = Spreading(its.periods, made.nodes, made.batches, sums, span)
    windows = [w for w in its.periods.windows(span) if any(_is_in(w, own) for own in its.spans)]
    campaigns = [c for c in spreading.campaigns() if c.account in {a.name for a in sums}]
    yield from spreading.of_windows(windows)
    yield from spreading.of_campaigns(campaigns)


def _is_in(inner: Span, outer: Span) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def _incomplete(
    versions: Versions, readings: Readings, first_ms: int | None, last_ms: int | None
) -> bool:
    """Whether a meter of the site was not read over the whole time. A meter that told nothing up to
    the end was silent, or the time would not be over."""
    first, last = -LIMIT if first_ms is None else first_ms, LIMIT if last_ms is None else last_ms
    for reign, (since, until) in versions.within((first, last)):
        for meter in reign.model.meters:
            reach = readings.reach(meter.id)
            if reach is None or (since > -LIMIT and reach[0] > since) or reach[1] < until:
                return True
    return False


def differences(stated: BatchRow, found: BatchRow, names: Iterable[str]) -> Iterator[str]:
    """What two rows do not state alike."""
    for name in names:
        if getattr(stated, name) != getattr(found, name):
            was, now = getattr(stated, name), getattr(found, name)
            yield f"{name} is stated as {was!r}; its records give {now!r}"
