"""The inside of a segment as it is written today, encoding `sheets-zlib`.

Compressed: the length of a JSON layout (4 bytes, little-endian), the layout, then three runs of
packed integers: jumps, steps, rests (`numbers.py`). A sheet holds the tables of all meters with the
same quantities, exponents and quality. Its columns come quantity by quantity, first the times, and
within a quantity meter by meter: like numbers lie side by side.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import lt, mul
from typing import TypeVar

import msgspec

from wire.errors import BadData
from wire.messages import QUALITIES, MeterEvent, Sample
from wire.quantities import QUANTITIES
from wire.segment.deflate import deflate
from wire.segment.numbers import Numbers, Run, pack
from wire.segment.table import Table

ENCODING = "sheets-zlib"
# Far above what a gateway seals at once; what a hostile body can cost its reader.
MOST_NUMBERS = 4 * 1024 * 1024
MOST_TABLES = 65_536
MOST_PLAIN = 48 * 1024 * 1024

C = TypeVar("C", bound=msgspec.Struct)

Kind = tuple[str, tuple[str, ...], tuple[int, ...]]  # quality, quantities, exponents
Row = tuple[int, ...]  # time, mantissas


class TooMuch(BadData):
    """More than one segment may hold; less of it may do."""


class Sheet(msgspec.Struct, frozen=True):
    """Tables of like shape: `rows[n]` rows of meter `meters[n]`."""

    quality: str
    quantities: tuple[str, ...]
    exponents: tuple[int, ...]
    meters: tuple[str, ...]
    rows: tuple[int, ...]


class Contents(msgspec.Struct, frozen=True):
    """The layout. `widths` of jumps, steps and rests."""

    sheets: list[Sheet]
    widths: tuple[int, int, int]
    events: list[MeterEvent]


def write_body(samples: Iterable[Sample], events: Sequence[MeterEvent]) -> bytes:
    """The compressed body. Raises TooMuch; BadData for a number that does not fit 62 bits."""
    kinds = _by_kind(samples)
    sheets = [
        Sheet(*kind, tuple(meters), tuple(map(len, meters.values())))
        for kind, meters in kinds.items()
    ]
    check_size(*_size(sheets))
    numbers = pack(column for meters in kinds.values() for column in _columns(meters))
    runs = (numbers.jumps, numbers.steps, numbers.rests)
    widths = (runs[0].width, runs[1].width, runs[2].width)
    layout = msgspec.json.encode(Contents(sheets, widths, list(events)))
    sizes = [sum(sheet.rows) for sheet in sheets for _ in range(1 + len(sheet.quantities))]
    pieces = (*_planes(numbers.jumps), *_planes(numbers.steps), *_pieces(numbers.rests, sizes))
    return deflate((struct.pack("<I", len(layout)) + layout, *pieces))


def read_body(body: memoryview) -> tuple[tuple[Table, ...], tuple[MeterEvent, ...]]:
    """Tables and events. Raises BadData, having spent no more than the limits above allow."""
    contents, packed = unfold(body, Contents)
    sheets = contents.sheets
    for sheet in sheets:
        _check(sheet)
    check_size(*_size(sheets))
    rows = [rows for sheet in sheets for rows in sheet.rows * (1 + len(sheet.quantities))]
    jumps, steps, rests = _runs(packed, contents.widths, (len(rows), len(rows), sum(rows)))
    numbers = Numbers(rows, jumps, steps, rests)
    return tuple(_tables(sheets, numbers)), tuple(contents.events)


def _size(sheets: Iterable[Sheet]) -> tuple[int, int]:
    """(tables, numbers)"""
    tables = numbers = 0
    for sheet in sheets:
        tables += len(sheet.meters)
        numbers += sum(sheet.rows) * (1 + len(sheet.quantities))
    return tables, numbers


def unfold(body: memoryview, type_: type[C]) -> tuple[C, memoryview]:
    """The layout, and the packed numbers behind it. Raises BadData."""
    unzip = zlib.decompressobj()
    try:
        plain = unzip.decompress(body, MOST_PLAIN)
    except zlib.error as exc:
        raise BadData(f"segment body cannot be decompressed: {exc}") from exc
    if not unzip.eof or unzip.unused_data or len(plain) < 4:
        raise BadData("segment body is cut short, too long or over the size limit")
    (length,) = struct.unpack_from("<I", plain)
    try:
        layout = msgspec.json.decode(memoryview(plain)[4 : 4 + length], type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise BadData(f"segment layout: {exc}") from exc
    return layout, memoryview(plain)[4 + length :]


def check_kind(quality: str, quantities: Sequence[str], exponents: Sequence[int]) -> None:
    """Raises BadData for what no table can be."""
    if not quantities or len(exponents) != len(quantities):
        raise BadData("segment layout: quantities and exponents do not fit together")
    if unknown := set(quantities) - QUANTITIES.keys():
        raise BadData(f"segment layout: unknown quantity {min(unknown)!r}")
    if quality not in QUALITIES:
        raise BadData(f"segment layout: unknown quality {quality!r}")
    if max(map(abs, exponents)) > 18:
        raise BadData("segment layout: an exponent is outside -18 … 18")


def check_size(tables: int, numbers: int) -> None:
    """Raises TooMuch for more than a segment may hold."""
    if tables > MOST_TABLES or numbers > MOST_NUMBERS:
        raise TooMuch(f"a segment holds at most {MOST_NUMBERS} numbers in {MOST_TABLES} tables")


def _by_kind(samples: Iterable[Sample]) -> dict[Kind, dict[str, list[Row]]]:
    """Rows in order of time, by kind and meter in their order."""
    found: dict[Kind, dict[str, list[Row]]] = {}
    for sample in samples:
        names = tuple(sorted(sample.values))
        mantissas, exponents = zip(*map(sample.values.__getitem__, names), strict=True)
        meters = found.setdefault((sample.quality, names, exponents), {})
        meters.setdefault(sample.meter, []).append((sample.t_ms, *mantissas))
    return {
        kind: {meter: sorted(rows) for meter, rows in sorted(meters.items())}
        for kind, meters in sorted(found.items())
    }


def _columns(meters: Mapping[str, Sequence[Row]]) -> Iterator[tuple[int, ...]]:
    """Quantity by quantity, and within it meter by meter."""
    tables = [list(zip(*rows, strict=True)) for rows in meters.values()]
    for alike in zip(*tables, strict=True):
        yield from alike


def _planes(run: Run) -> Iterator[bytes]:
    size = len(run.planes) // run.width
    return (bytes(run.planes[n * size : (n + 1) * size]) for n in range(run.width))


def _pieces(run: Run, sizes: Sequence[int]) -> Iterator[bytes]:
    """Each plane quantity by quantity; one of nothing but zeros whole."""
    for plane in _planes(run):
        begin = 0
        for size in sizes if any(plane) else (len(plane),):
            yield plane[begin : begin + size]
            begin += size


def _check(sheet: Sheet) -> None:
    check_kind(sheet.quality, sheet.quantities, sheet.exponents)
    if len(sheet.rows) != len(sheet.meters) or min(sheet.rows, default=0) < 1:
        raise BadData("segment layout: meters and rows do not fit together")
    if not all(map(lt, sheet.meters, sheet.meters[1:])):
        raise BadData("segment layout: meters are not in order")
    if not all(map(lt, sheet.quantities, sheet.quantities[1:])):
        raise BadData("segment layout: quantities are not in order")


def _runs(packed: memoryview, widths: Sequence[int], counts: Sequence[int]) -> Iterator[Run]:
    if not all(1 <= width <= 8 for width in widths):
        raise BadData("segment layout: a width is outside 1 … 8")
    sizes = list(map(mul, widths, counts))
    if sum(sizes) != len(packed):
        raise BadData(f"segment body holds {len(packed)} bytes of numbers, not {sum(sizes)}")
    at = 0
    for width, size in zip(widths, sizes, strict=True):
        yield Run(width, packed[at : at + size])
        at += size


def _tables(sheets: Iterable[Sheet], numbers: Numbers) -> Iterator[Table]:
    at = 0
    for sheet in sheets:
        stride, begin = sum(sheet.rows), at
        for meter, rows in zip(sheet.meters, sheet.rows, strict=True):
            kind = (sheet.quality, sheet.quantities, sheet.exponents)
            yield Table(meter, *kind, rows, numbers, begin, stride)
            begin += rows
        at += stride * (1 + len(sheet.quantities))
