"""The inside of a segment as the first version wrote it, encoding `delta-shuffle-zlib`. Read only.

Compressed: the length of a JSON layout (4 bytes, little-endian), the layout, then columns. A table
has its times and one column of mantissas a quantity; a column is its first value, which stands in
the layout, and little-endian differences in the narrowest of 1, 2, 4 or 8 bytes, the first of them
0, with bytes of like weight side by side.
"""

import itertools
import sys
from array import array
from collections.abc import Iterator

import msgspec

from wire.errors import BadData
from wire.messages import MeterEvent
from wire.segment.body import check_kind, check_size, unfold
from wire.segment.numbers import pack
from wire.segment.table import Table

ENCODING = "delta-shuffle-zlib"
_TYPECODE = {1: "b", 2: "h", 4: "i", 8: "q"}


class Layout(msgspec.Struct, frozen=True):
    """One table of the body: `widths` and `firsts` begin with the time column."""

    meter: str
    quality: str
    quantities: tuple[str, ...]
    exponents: tuple[int, ...]
    rows: int
    widths: tuple[int, ...]
    firsts: tuple[int, ...]


class Contents(msgspec.Struct, frozen=True):
    tables: list[Layout]
    events: list[MeterEvent]


def read_body(body: memoryview) -> tuple[tuple[Table, ...], tuple[MeterEvent, ...]]:
    """Tables and events. Raises BadData."""
    contents, packed = unfold(body, Contents)
    layouts = contents.tables
    for layout in layouts:
        _check(layout)
    check_size(len(layouts), sum(layout.rows * len(layout.widths) for layout in layouts))
    if sum(layout.rows * sum(layout.widths) for layout in layouts) != len(packed):
        raise BadData("segment body is shorter or longer than its layout")
    numbers = pack(_columns(layouts, packed))
    tables, begin = [], 0
    for layout in layouts:
        kind = (layout.quality, layout.quantities, layout.exponents)
        tables.append(Table(layout.meter, *kind, layout.rows, numbers, begin, layout.rows))
        begin += layout.rows * len(layout.widths)
    return tuple(tables), tuple(contents.events)


def _columns(layouts: list[Layout], packed: memoryview) -> "Iterator[array[int]]":
    at = 0
    for layout in layouts:
        for first, width in zip(layout.firsts, layout.widths, strict=True):
            size = layout.rows * width
            yield _values(first, width, packed[at : at + size])
            at += size


def _values(first: int, width: int, shuffled: memoryview) -> "array[int]":
    rows = len(shuffled) // width
    plain = bytearray(len(shuffled))
    for byte in range(width):
        plain[byte::width] = shuffled[byte * rows : (byte + 1) * rows]
    steps = array(_TYPECODE[width], bytes(plain))
    if sys.byteorder == "big":
        steps.byteswap()
    sums = itertools.accumulate(steps, initial=first)
    try:
        return array("q", itertools.islice(sums, 1, None))
    except OverflowError as exc:
        raise BadData("a column of a segment leaves 64 bits") from exc


def _check(layout: Layout) -> None:
    check_kind(layout.quality, layout.quantities, layout.exponents)
    columns = 1 + len(layout.quantities)
    if layout.rows < 1 or not len(layout.widths) == len(layout.firsts) == columns:
        raise BadData(f"segment layout of meter {layout.meter!r} does not fit together")
    if not set(layout.widths) <= _TYPECODE.keys():
        raise BadData(f"segment layout of meter {layout.meter!r}: unknown column width")
