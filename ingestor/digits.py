"""Columns of exact decimals as lines of text, without a Python object for each number.

A thousand lines of the same length lie behind each other. What is the same in all of them is written
once, and digits are copied in, four at a time, out of a table of all ten thousand. A number shorter
than others of its column leaves NULs; they are taken out at the end.
"""

import functools
from collections.abc import Sequence

import numpy as np
import orjson

from ingestor.columns import Ints, scaled

Texts = np.ndarray[tuple[int], np.dtype[np.bytes_]]  # one for each line, NULs where it is shorter
Cell = bytes | Texts  # bytes: the same in every line

# From here on the double nearest to a number may be its neighbour's, too: `scaled` says which it is.
_INEXACT = 10**15
_GROUP = 10_000
_AT_ONCE = 1000  # lines; more do not stay in the processor's cache


def woven(lines: int, cells: Sequence[Cell]) -> bytes:
    """The text of so many lines, each made of these cells."""
    blank = b"".join(cell if isinstance(cell, bytes) else bytes(cell.itemsize) for cell in cells)
    width, most = len(blank), min(lines, _AT_ONCE)
    text = bytearray(blank * most)
    places, at = [], 0
    for cell in cells:
        if isinstance(cell, bytes):
            at += len(cell)
        else:
            place = np.ndarray((most,), cell.dtype, memoryview(text), at, (width,))
            places.append((place, cell))
            at += cell.itemsize
    parts = []
    for begin in range(0, lines, most):
        count = min(lines - begin, most)
        for place, cell in places:
            place[:count] = cell[begin : begin + count]
        part = text[: count * width] if count < most else text
        parts.append(part.replace(b"\0", b""))
    return b"".join(parts)


def decimals(mantissas: Ints, exponent: int) -> list[Cell]:
    """Each `mantissa * 10**exponent`, with all the places the exponent has."""
    low, high = int(mantissas.min()), int(mantissas.max())
    if max(high, -low) * 10 ** max(exponent, 0) >= _INEXACT:
        numbers = scaled(mantissas, exponent) if exponent else np.ascontiguousarray(mantissas)
        text = orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY)
        return [np.array(text[1:-1].split(b","))]
    if exponent > 0:
        return decimals(mantissas * 10**exponent, 0)
    if low < 0:
        sign = np.where(mantissas < 0, np.bytes_(b"-"), np.bytes_(b""))
        return [sign, *_places(np.abs(mantissas), max(0, -high), max(high, -low), -exponent)]
    return _places(mantissas, low, high, -exponent)


def _places(numbers: Ints, low: int, high: int, behind: int) -> list[Cell]:
    """Numbers from `low` to `high`, not below zero, with a point before the last `behind` digits."""
    cells: list[Cell] = []  # from the last to the first
    unit = 10**behind
    for base in [_GROUP] * (behind // 4) + [10 ** (behind % 4)] * (behind % 4 > 0):
        numbers, group = _split(numbers, base)
        # Four bytes are copied at once, three are not: their point goes with them.
        cells.append(_padded(base, b"." * (base == 1000))[group])
    if behind and behind % 4 != 3:
        cells.append(b".")
    low, high, zero = low // unit, high // unit, b"0"
    while high >= _GROUP:
        higher, group = _split(numbers, _GROUP)
        low, high = low // _GROUP, high // _GROUP
        text = _padded(_GROUP)[group]
        # Only behind other digits are zeros at its front part of the number.
        cells.append(text if low else np.where(higher, text, _plain(_GROUP, zero)[group]))
        numbers, zero = higher, b""
    cells.append(_plain(10 ** len(str(high)), zero)[numbers])
    return cells[::-1]


def _split(numbers: Ints, base: int) -> tuple[Ints, Ints]:
    higher = numbers // base
    return higher, numbers - base * higher


@functools.cache
def _padded(count: int, before: bytes = b"") -> Texts:
    """The numbers below `count`, a power of ten, with zeros at their front."""
    width = len(str(count - 1))
    return np.array([before + (b"%d" % n).rjust(width, b"0") for n in range(count)])


@functools.cache
def _plain(count: int, zero: bytes) -> Texts:
    """The numbers below `count`, with NULs at their front; `zero` is what 0 is written as."""
    width = len(str(count - 1))
    texts = [zero, *(b"%d" % n for n in range(1, count))]
    return np.array([text.rjust(width, b"\0") for text in texts], f"S{width}")
