"""One record of the journal as one chunk for the core. Pure; columns stay columns.

A register is handed on in the unit the site model gives its meter; a quantity's own unit serves
where the model knows no such meter. Both ways are exact: units differ by a terminating decimal.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import msgspec
import numpy as np

from calc_stream.core.chunk import Block, Chunk, Registers
from calc_stream.core.decimals import parse_decimal
from calc_stream.core.records import parse_event
from calc_stream.core.swaps import Swap
from calc_stream.core.whole import Rows, mul, whole
from calc_stream.core.whole import column as ints
from calc_stream.statements import NONE, Statements, register, statement_of
from wire.errors import BadData
from wire.journal import Record
from wire.messages import Heartbeat, MeterEvent, ProductionEvent
from wire.quantities import QUANTITIES, register_id
from wire.segment import Column, Numbers, Run, Segment, Table, open_segment
from wire.units import UNITS, UnitError, convert

# Events that end one register and start the next; their detail holds closing and opening.
_NEW_REGISTER = frozenset({"swap", "rollover", "reset"})


@dataclass(frozen=True)
class Decoded:
    """A record as a chunk, and as what a person may want to see of it.

    `misfits`: registers the model's unit cannot hold, with the reason.
    """

    chunk: Chunk
    segment: Segment | None = None
    production: ProductionEvent | None = None
    heartbeat: Heartbeat | None = None
    misfits: tuple[tuple[str, str], ...] = ()


def decode(record: Record, units: Mapping[str, str], statements: Statements = NONE) -> Decoded:
    """`units`: the model's unit by register; `statements`: what is not to be booked.

    Raises BadData; offsets are set in every chunk.
    """
    if record.kind == "segment":
        decoded = _segment(record, units)
        return replace(decoded, chunk=statements.without(decoded.chunk))
    if record.kind == "reading":
        stated = statement_of(record)
        if stated is None or stated.type != "manual" or statements.is_void(stated):
            return Decoded(Chunk(offset=record.offset))
        its = register(stated, units.get(stated.meter or "", stated.unit or ""))
        return Decoded(Chunk(readings=(its,), offset=record.offset))
    if record.kind == "model":
        return Decoded(Chunk(model=_text(record), offset=record.offset))
    if record.kind == "event":
        text = _text(record)
        event = parse_event(text, f"event {record.key}")
        try:
            told = msgspec.json.decode(record.data, type=ProductionEvent)
        except msgspec.DecodeError as exc:
            raise BadData(f"event {record.key}: {exc}") from exc
        return Decoded(Chunk(events=(event,), offset=record.offset), production=told)
    if record.kind == "heartbeat":
        try:
            beat = msgspec.json.decode(record.data, type=Heartbeat)
        except msgspec.DecodeError as exc:
            raise BadData(f"heartbeat {record.key}: {exc}") from exc
        return Decoded(Chunk(offset=record.offset), heartbeat=beat)
    return Decoded(Chunk(offset=record.offset))


def numbers(column: Column) -> Rows:
    """A column's integers as int64."""
    return column.numbers.made(_unpacked)[column.begin : column.begin + column.rows]


def _unpacked(packed: Numbers) -> Rows:
    """All numbers of a segment, see `wire/segment/numbers.py`; read only, because they are shared."""
    rows = np.array(packed.rows, np.int64)
    steps = _integers(packed.steps)
    rises = _integers(packed.rests)
    rises += np.repeat(steps, rows)
    rises[np.cumsum(rows) - rows] += _integers(packed.jumps) - steps
    whole = np.cumsum(rises, out=rises)
    whole.flags.writeable = False
    return whole


def _integers(run: Run) -> Rows:
    """Plane by plane. The ingestor does the same in its `columns.py`: `wire` knows no numpy."""
    planes = np.frombuffer(run.planes, np.uint8).reshape(run.width, -1)
    unsigned = planes[0].astype(np.uint32 if run.width <= 4 else np.uint64)
    for byte in range(1, run.width):
        unsigned |= planes[byte].astype(unsigned.dtype) << (8 * byte)
    signed = (unsigned >> 1) ^ -(unsigned & 1)
    return np.asarray(signed.view(f"i{signed.itemsize}"), np.int64)


def _segment(record: Record, units: Mapping[str, str]) -> Decoded:
    segment = open_segment(record.data)
    misfits: dict[str, str] = {}
    found = [each for table in segment.tables for each in _registers(table, units, misfits)]
    readings = _block(found) or tuple(_one_by_one(found))
    swaps: dict[str, tuple[Swap, ...]] = {}
    for event in segment.events:
        if event.event in _NEW_REGISTER:
            for meter, swap in _swap(event, units, misfits):
                swaps[meter] = (*swaps.get(meter, ()), swap)
    chunk = Chunk(readings=readings, swaps=swaps, offset=record.offset)
    return Decoded(chunk, segment, misfits=tuple(sorted(misfits.items())))


class _Register(NamedTuple):
    """A register of the books: column `at` of a table, times factor * 10**exponent."""

    meter: str
    table: Table
    at: int
    factor: int
    exponent: int


def _registers(
    table: Table, units: Mapping[str, str], misfits: dict[str, str]
) -> Iterator[_Register]:
    for at, quantity in enumerate(table.quantities):
        place = _place(table.meter, quantity, units, misfits)
        if place is not None:
            meter, factor, shift = place
            yield _Register(meter, table, at, factor, table.exponents[at] + shift)


def _block(found: Sequence[_Register]) -> Block | None:
    """All of them at once; None where there are none, not all are good, or not all fit int64."""
    if not found or any(each.table.quality != "good" for each in found):
        return None
    tables = [each.table for each in found]
    every = tables[0].numbers.made(_unpacked)  # of the whole segment
    counts = np.array([table.rows for table in tables], np.int64)
    begins = np.array([table.begin for table in tables], np.int64)
    columns = np.array([(1 + each.at) * each.table.stride for each in found], np.int64)
    ends = np.cumsum(counts)
    places = np.arange(ends[-1]) + np.repeat(begins - ends + counts, counts)
    factors = ints([each.factor for each in found])
    mantissas = mul(every[places + np.repeat(columns, counts)], np.repeat(factors, counts))
    if mantissas.dtype == object:
        return None
    exponents = np.array([each.exponent for each in found], np.int64)
    return Block([each.meter for each in found], counts, every[places], mantissas, exponents)


def _one_by_one(found: Sequence[_Register]) -> Iterator[Registers]:
    for meter, table, at, factor, exponent in found:
        mantissas = numbers(table.columns[at])
        if factor != 1:
            mantissas = mul(mantissas, whole(factor))
        yield Registers(meter, numbers(table.times_ms), mantissas, exponent, table.quality)


def _swap(
    event: MeterEvent, units: Mapping[str, str], misfits: dict[str, str]
) -> Iterator[tuple[str, Swap]]:
    quantity = event.detail.get("quantity", "")
    if quantity not in QUANTITIES or not {"closing", "opening"} <= event.detail.keys():
        misfits[event.meter] = f"{event.event} event without quantity, closing and opening"
        return
    place = _place(event.meter, quantity, units, misfits)
    if place is None:
        return
    meter, factor, shift = place
    ends = []
    for end in ("closing", "opening"):
        try:
            mantissa, exponent = parse_decimal(event.detail[end])
        except ValueError as exc:
            misfits[meter] = f"{event.event}: {end}: {exc}"
            return
        ends.append((mantissa * factor, exponent + shift))
    yield meter, Swap(event.t_ms, _plain(ends[0]), _plain(ends[1]))


def _place(
    meter: str, quantity: str, units: Mapping[str, str], misfits: dict[str, str]
) -> tuple[str, int, int] | None:
    """(register, factor, shift): register reading = value * factor * 10**shift; None off the books."""
    register = register_id(meter, quantity)
    unit = QUANTITIES[quantity].unit
    if register is None or unit not in UNITS:
        return None
    try:
        return (register, *_rate(unit, units.get(register, unit)))
    except UnitError as exc:
        misfits[register] = f"{quantity}: {exc}"
        return None


@lru_cache
def _rate(frm: str, to: str) -> tuple[int, int]:
    """(factor, shift): one `frm` is factor * 10**shift of `to`. Raises UnitError."""
    rate, shift = convert(frm, to), 0
    while rate.denominator != 1:
        rate, shift = rate * 10, shift - 1
        if shift < -18:
            raise UnitError("units that differ by no terminating decimal are not supported")
    return int(rate), shift


def _plain(decimal: tuple[int, int]) -> tuple[int, int]:
    """Equal values, equal pairs: the core compares swaps by their numbers."""
    mantissa, exponent = decimal
    while mantissa and mantissa % 10 == 0:
        mantissa, exponent = mantissa // 10, exponent + 1
    return mantissa, exponent if mantissa else 0


def _text(record: Record) -> str:
    try:
        return record.data.decode()
    except UnicodeDecodeError as exc:
        raise BadData(f"{record.kind} {record.key}: is not UTF-8 text") from exc
