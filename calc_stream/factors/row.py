"""Pure: one factor with where it comes from, and a set of them with lookup by name and time."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Literal

import msgspec

from wire.errors import BadData
from wire.units import UNITS

Kind = Literal["product_footprint", "inventory"]
Stage = Literal["life_cycle", "direct", "upstream", "td"]
# verified: read in the publisher's document · secondary: somebody else's transcription
Status = Literal["verified", "secondary"]
GASES: dict[str, str] = {"product_footprint": "CO2e", "inventory": "CO2"}


class Factor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """kg of `gases` for one unit of a carrier, in force from `valid_from_ms` to `valid_to_ms`.

    `series` names rows that succeed each other in time; a model names a row's `id` or a series.
    `hash` is the document's SHA-256 in hex, "" when the document's bytes were not at hand.
    """

    id: str
    series: str
    value: str
    unit: str
    kind: Kind
    gases: Literal["CO2e", "CO2"]
    stage: Stage
    region: str
    data_year: int
    valid_from_ms: int
    valid_to_ms: int | None
    publisher: str
    document: str
    dated: str
    url: str
    hash: str
    status: Status

    @property
    def per(self) -> str:
        """The unit of the carrier: kWh of "kgCO2e/kWh"."""
        return self.unit.partition("/")[2]

    @property
    def amount(self) -> Fraction:
        """The value, exactly."""
        return Fraction(Decimal(self.value))

    def holds_at(self, t_ms: int) -> bool:
        return self.valid_from_ms <= t_ms and (self.valid_to_ms is None or t_ms < self.valid_to_ms)


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    factors: tuple[Factor, ...]


@dataclass(frozen=True)
class FactorSet:
    """Rows by id. Equal rows give equal bytes and the same hash."""

    rows: tuple[Factor, ...]

    @classmethod
    def of(cls, rows: Iterable[Factor]) -> "FactorSet":
        """Raises BadData naming the row that contradicts itself or another."""
        ordered = tuple(sorted(rows, key=lambda row: row.id))
        for row in ordered:
            _check(row)
        _check_names(ordered)
        return cls(ordered)

    @classmethod
    def decode(cls, data: bytes) -> "FactorSet":
        """A set from the journal. Raises BadData."""
        try:
            document = msgspec.json.decode(data, type=_Document)
        except msgspec.DecodeError as exc:
            raise BadData(f"factor set: {exc}") from exc
        if document.format != 1:
            raise BadData(f"factor set: format {document.format} is not known here")
        return cls.of(document.factors)

    def encode(self) -> bytes:
        return msgspec.json.encode(_Document(1, self.rows))

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the encoded set, in hex."""
        return hashlib.sha256(self.encode()).hexdigest()

    def names(self) -> frozenset[str]:
        """Everything a model may name: ids and series."""
        return frozenset(name for row in self.rows for name in (row.id, row.series))

    def find(self, name: str, t_ms: int) -> Factor | None:
        """The row of this id or series that holds at `t_ms`; None when none does."""
        for row in self.rows:
            if name in (row.id, row.series) and row.holds_at(t_ms):
                return row
        return None


def _check(row: Factor) -> None:
    gases, _, per = row.unit.partition("/")
    if gases != f"kg{row.gases}" or per not in UNITS:
        raise BadData(f"{row.id}: unit: {row.unit!r} is not kg{row.gases} per a known unit")
    if row.gases != GASES[row.kind]:
        raise BadData(f"{row.id}: gases: a {row.kind} factor counts {GASES[row.kind]}")
    if row.valid_to_ms is not None and row.valid_to_ms <= row.valid_from_ms:
        raise BadData(f"{row.id}: valid_to: is not after valid_from")
    if not row.document or not row.publisher:
        raise BadData(f"{row.id}: document: a factor without a document is no factor")


def _check_names(rows: tuple[Factor, ...]) -> None:
    """An id names one row; a series names at most one row at any time."""
    ids = [row.id for row in rows]
    series = {row.series for row in rows}
    for at, row in enumerate(rows):
        if ids.count(row.id) > 1:
            raise BadData(f"{row.id}: id: is the id of another row, too")
        if row.id in series:
            raise BadData(f"{row.id}: id: is also the name of a series")
        for other in rows[at + 1 :]:
            if row.series == other.series and _overlap(row, other):
                raise BadData(f"{other.id}: valid_from: overlaps {row.id} of the same series")


def _overlap(one: Factor, other: Factor) -> bool:
    first, second = sorted((one, other), key=lambda row: row.valid_from_ms)
    return first.valid_to_ms is None or second.valid_from_ms < first.valid_to_ms
