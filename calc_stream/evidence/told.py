"""What the journal says up to an offset, as the core computes with it, and which record said what."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from calc_stream.core import Event, Periods, Readings, Versions, parse_model
from calc_stream.core.whole import Rows
from calc_stream.decode import Decoded, decode
from calc_stream.factors import FactorSet, Method
from calc_stream.factors.marks import marks_of
from calc_stream.statements import NONE, Statements
from wire.errors import BadData, ConfigError
from wire.journal import Record
from wire.messages import ProductionEvent


@dataclass(frozen=True)
class Part:
    """A sealed segment, with the times at which it holds answers of one register."""

    offset: int
    key: str
    hash: str
    times_ms: Rows


@dataclass
class Told:
    """`events` and `production` are the same events, for the core and for people."""

    periods: Periods
    factors: FactorSet | None
    readings: Readings = field(default_factory=Readings)
    events: dict[str, Event] = field(default_factory=dict)
    production: list[tuple[Record, ProductionEvent]] = field(default_factory=list)
    parts: dict[str, list[Part]] = field(default_factory=dict)

    @property
    def versions(self) -> Versions:
        return self.periods.versions

    @cached_property
    def units(self) -> dict[str, str]:
        """Of every meter, by the newest version it is in."""
        return {meter.id: meter.unit for meter in self.versions.meters.values()}


def gather(
    records: Iterable[Record],
    versions: Versions,
    factors: Record | None,
    statements: Statements = NONE,
) -> Told:
    """`records` and corrections up to the offset of what is explained. Raises BadData for factors."""
    known = FactorSet.decode(factors.data) if factors else None
    told = Told(Periods(versions, marks_of(versions, known)), known)
    for record in records:
        if record.kind in ("segment", "event", "reading"):
            try:
                _take(told, record, decode(record, told.units, statements))
            except BadData:
                continue  # the engine passed it over, too, and lists it as a problem
    return told


def in_force(records: Iterable[Record], hash_: str | None, upto: int) -> Record | None:
    """The record with this content that stands last at `upto`."""
    found = [record for record in records if record.hash == hash_ and record.offset <= upto]
    return found[-1] if found else None


def versions_in_force(
    records: Iterable[Record], hash_: str | None, upto: int, method: Method
) -> Versions:
    """The models a row was computed with by a method; one of them has this hash. Raises ConfigError."""
    records = [record for record in records if record.offset <= upto]
    versions: Versions | None = None
    for record in records:
        try:
            model = parse_model(record.data.decode(), f"model at offset {record.offset}")
            model = method.adapted(model)
            versions = versions.with_(model) if versions else Versions.of(model)
        except (ConfigError, UnicodeDecodeError):
            continue  # the engine passed it over, too, and lists it as a problem
    if versions is None or not any(record.hash == hash_ for record in records):
        raise ConfigError(
            f"explain: this journal holds no model {hash_}: is it the one the ledger was made from?"
        )
    return versions


def _take(told: Told, record: Record, decoded: Decoded) -> None:
    chunk = decoded.chunk
    for block in chunk.readings:
        block.check()
        if block.booked:
            told.readings.add(block.meter, block.times_ms, block.mantissas, block.exponent)
            part = Part(record.offset, record.key, record.hash, block.times_ms)
            told.parts.setdefault(block.meter, []).append(part)
    for meter, swaps in chunk.swaps.items():
        told.readings.add_swaps(meter, swaps)
    told.events |= {event.id: event for event in chunk.events}
    if decoded.production is not None:
        told.production.append((record, decoded.production))
