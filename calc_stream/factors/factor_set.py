"""Pure: a set of factors with lookup by name and time; what overlaps or counts twice is refused.

A model names for each source a row's id, a series (rows that succeed each other), or an entry: a
list of those, whose rows count together, each in its own stage. A method takes the rows of its kind.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations, pairwise
from typing import TypeVar

import msgspec

from calc_stream.factors.instruments import Instrument, check_instruments
from calc_stream.factors.row import HOUR_MS, Factor, Row
from wire.errors import BadData

R = TypeVar("R", bound=Factor)
_WHOLE = frozenset({"direct", "generation", "upstream"})  # what a life cycle holds already


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    format: int
    factors: tuple[Row, ...]
    entries: dict[str, tuple[str, ...]] = {}
    instruments: tuple[Instrument, ...] = ()


@dataclass(frozen=True)
class FactorSet:
    """Rows by id, entries by name, instruments in their declared order. Equal sets, equal bytes."""

    rows: tuple[Row, ...]
    entries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    instruments: tuple[Instrument, ...] = ()

    @classmethod
    def of(
        cls,
        rows: Iterable[Row],
        entries: Mapping[str, tuple[str, ...]] | None = None,
        instruments: Iterable[Instrument] = (),
    ) -> "FactorSet":
        """Raises BadData that begins with the id of what contradicts itself or something else."""
        ordered = tuple(sorted(rows, key=lambda row: row.id))
        found = cls(ordered, dict(sorted((entries or {}).items())), tuple(instruments))
        for row in ordered:
            row.check()
        _check_series(ordered)
        _check_names(found)
        for name in found.entries:
            _check_together(name, found.named(name))
        check_instruments(found.instruments, found.names())
        return found

    @classmethod
    def decode(cls, data: bytes) -> "FactorSet":
        """A set from the journal. Raises BadData."""
        try:
            document = msgspec.json.decode(data, type=_Document)
        except msgspec.DecodeError as exc:
            raise BadData(f"factor set: {exc}") from exc
        if document.format != 1:
            raise BadData(f"factor set: format {document.format} is not known here")
        return cls.of(document.factors, document.entries, document.instruments)

    def encode(self) -> bytes:
        return msgspec.json.encode(
            _Document(1, self.rows, dict(self.entries), self.instruments), order="deterministic"
        )

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the encoded set, in hex."""
        return hashlib.sha256(self.encode()).hexdigest()

    def names(self) -> frozenset[str]:
        """Everything a model may name: ids, series and entries."""
        return frozenset([*self._by_name, *self.entries])

    def named(self, name: str) -> tuple[Row, ...]:
        """All rows of an id, series or entry, of all times and kinds."""
        listed = self.entries.get(name, (name,))
        return tuple(row for one in listed for row in self._by_name.get(one, ()))

    def at(self, name: str, t_ms: int, kind: type[R]) -> tuple[R, ...]:
        """The rows of this kind that hold at `t_ms`, one a stage; none when nothing is known."""
        rows = [row for row in self.named(name) if isinstance(row, kind) and row.holds_at(t_ms)]
        return tuple(_in_hour(row, t_ms) for row in sorted(rows, key=lambda row: row.stage))

    @cached_property
    def _by_name(self) -> dict[str, tuple[Row, ...]]:
        found: dict[str, tuple[Row, ...]] = {}
        for row in self.rows:
            for name in (row.id, row.series):
                found[name] = (*found.get(name, ()), row)
        return found


def _in_hour(row: R, t_ms: int) -> R:
    """The row as it holds in one hour."""
    if not row.hours:
        return row
    at = (t_ms - row.valid_from_ms) // HOUR_MS
    from_ms = row.valid_from_ms + at * HOUR_MS
    return msgspec.structs.replace(
        row, value=row.hours[at], hours=(), valid_from_ms=from_ms, valid_to_ms=from_ms + HOUR_MS
    )


def _check_series(rows: tuple[Row, ...]) -> None:
    """A series holds at most one row at any time, and all of them say the same of the world."""
    series: dict[str, list[Row]] = {}
    for row in rows:
        series.setdefault(row.series, []).append(row)
    for own in series.values():
        own.sort(key=lambda row: row.valid_from_ms)
        for before, row in pairwise(own):
            if _overlap(before, row):
                raise row.refuse("valid_from", f"overlaps {before.id} of the same series")
            for key in ("kind", "stage", "region"):
                if getattr(row, key) != getattr(before, key):
                    problem = f"differs from {before.id} of the same series"
                    raise row.refuse(key, f"{problem}; give it a series of its own")


def _check_names(found: FactorSet) -> None:
    """An id names one row, and no two things share a name."""
    series = {row.series for row in found.rows}
    for before, row in pairwise(found.rows):
        if before.id == row.id:
            raise row.refuse("id", "is the id of another row, too")
    for row in found.rows:
        if row.id in series:
            raise row.refuse("id", "is also the name of a series")
    for name, listed in found.entries.items():
        if name in series or any(name == row.id for row in found.rows):
            raise BadData(f"{name}: entries: is also the name of a row or series")
        for one in listed:
            if not found.named(one) or one in found.entries:
                raise BadData(f"{name}: entries: there is no row or series {one!a}")


def _check_together(name: str, rows: tuple[Row, ...]) -> None:
    for one, other in combinations(rows, 2):
        if one.kind != other.kind or not _overlap(one, other):
            continue
        stages = {one.stage, other.stage}
        if len(stages) == 1 or ("life_cycle" in stages and stages & _WHOLE):
            problem = f"{one.id} ({one.stage}) and {other.id} ({other.stage}) would count twice"
            raise BadData(f"{name}: entries: {problem}; name one of them")


def _overlap(one: Factor, other: Factor) -> bool:
    first, second = sorted((one, other), key=lambda row: row.valid_from_ms)
    return first.valid_to_ms is None or second.valid_from_ms < first.valid_to_ms
