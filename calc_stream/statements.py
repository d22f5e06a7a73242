"""What people and papers state of readings, as the calculator takes it. Pure.

A manual reading is a reading like any other; a correction takes what gateways read out of the books,
and a void takes a statement back. Which of two came first does not matter.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from calc_stream.core.chunk import Chunk, Registers
from calc_stream.core.decimals import parse_decimal, parse_fraction, parse_instant
from calc_stream.core.whole import column
from wire.errors import BadData
from wire.journal import Record
from wire.statements import CORRECTING, Statement, read_statement
from wire.units import convert


def statement_of(record: Record) -> Statement | None:
    """What a record states; None for one that states nothing of readings. Raises BadData."""
    is_one = record.kind == "reading" or (record.kind == "correction" and "/" not in record.key)
    return read_statement(record.data) if is_one else None


class Statements:
    """Those that say that others are wrong."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._voided: set[str] = set()
        self._spans: dict[str, tuple[str, int, int]] = {}  # id -> register, from, to
        for record in records:
            told = statement_of(record)
            if told is not None:
                self.add(told)

    def add(self, told: Statement) -> bool:
        """Whether what was read before may count otherwise now."""
        if told.type == "void" and told.of is not None:
            self._voided.add(told.of)
        elif told.type == "correction" and told.meter is not None:
            span = parse_instant(told.from_ or ""), parse_instant(told.to or "")
            self._spans[told.id] = (told.meter, *span)
        return told.type in CORRECTING

    def is_void(self, told: Statement) -> bool:
        return told.id in self._voided

    def without(self, chunk: Chunk) -> Chunk:
        """The chunk of a segment without what corrections take out."""
        spans = [span for id_, span in self._spans.items() if id_ not in self._voided]
        if not spans:
            return chunk
        return replace(chunk, readings=tuple(_outside(each, spans) for each in chunk.readings))


def register(told: Statement, unit: str) -> Registers:
    """A manual reading in the register's unit. Raises BadData."""
    try:
        mantissa, exponent = parse_decimal(told.register or "")
        if told.unit is not None and told.unit != unit:
            mantissa, exponent = _converted(told.register or "", told.unit, unit)
        times = np.array([parse_instant(told.t or "")], np.int64)
    except ValueError as exc:
        raise BadData(f"statement {told.id!r}: {exc}") from exc
    return Registers(told.meter or "", times, column([mantissa]), exponent)


def _converted(text: str, frm: str, to: str) -> tuple[int, int]:
    value, exponent = parse_fraction(text) * convert(frm, to), 0
    while value.denominator != 1:
        value, exponent = value * 10, exponent - 1
        if exponent < -24:
            raise ValueError(f"{text} {frm} is no decimal number of {to}")
    return int(value), exponent


def _outside(block: Registers, spans: list[tuple[str, int, int]]) -> Registers:
    keep = np.ones(block.times_ms.size, dtype=bool)
    for meter, from_ms, to_ms in spans:
        if meter == block.meter:
            keep &= (block.times_ms < from_ms) | (block.times_ms > to_ms)
    if keep.all():
        return block
    return replace(block, times_ms=block.times_ms[keep], mantissas=block.mantissas[keep])


NONE = Statements()
