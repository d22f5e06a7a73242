"""A segment's columns as numpy arrays, without a Python object for each number."""

import numpy as np

from wire.segment import Numbers, Run, Table

Ints = np.ndarray[tuple[int], np.dtype[np.int64]]
Matrix = np.ndarray[tuple[int, int], np.dtype[np.int64]]
Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def whole(numbers: Numbers) -> Ints:
    """All numbers of a segment, end to end, where its tables' places count from; read only."""
    return numbers.made(_unpacked)


def matrix(table: Table) -> Matrix:
    """Times in ms, then the mantissas of each quantity: int64, shape (1 + quantities, rows)."""
    shape = 1 + len(table.quantities), table.rows
    every = whole(table.numbers)
    return np.ndarray(shape, np.int64, every.data, 8 * table.begin, (8 * table.stride, 8))


def scaled(mantissas: Ints, exponent: int) -> Floats:
    """The double nearest to each `mantissa * 10**exponent`; every sink has the same one."""
    floats = mantissas.astype(np.float64)
    scale = 10.0 ** abs(exponent)
    return np.divide(floats, scale) if exponent < 0 else np.multiply(floats, scale)


def _unpacked(numbers: Numbers) -> Ints:
    """All numbers of a segment, see `wire/segment/numbers.py`; read only, because they are shared."""
    rows = np.array(numbers.rows, np.int64)
    steps = _integers(numbers.steps)
    rises = _integers(numbers.rests)
    rises += np.repeat(steps, rows)
    rises[np.cumsum(rows) - rows] += _integers(numbers.jumps) - steps
    whole = np.cumsum(rises, out=rises)
    whole.flags.writeable = False
    return whole


def _integers(run: Run) -> Ints:
    """Plane by plane. The calculator does the same in its `decode.py`: `wire` knows no numpy."""
    planes = np.frombuffer(run.planes, np.uint8).reshape(run.width, -1)
    unsigned = planes[0].astype(np.uint32 if run.width <= 4 else np.uint64)
    for byte in range(1, run.width):
        unsigned |= planes[byte].astype(unsigned.dtype) << (8 * byte)
    negative = -(unsigned & 1)  # all bits, or none
    unsigned >>= 1
    unsigned ^= negative
    return np.asarray(unsigned.view(f"i{unsigned.itemsize}"), np.int64)
