"""Whole numbers in columns: int64 while they are small, Python's own when they are not.

Every operation looks at the largest magnitudes first. Where a result could leave int64 the columns
become object arrays of Python integers, so one piece of code serves the fast path and the exact
path, and both give the same numbers. No float takes part.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Whole = npt.NDArray[Any]  # int64, or object holding Python integers
Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

LIMIT = 1 << 62
_FEW = 16  # numbers that Python looks at quicker


class Matrix(Mapping[str, Whole]):
    """Columns by name, which are the rows of one matrix."""

    def __init__(self, whole: Whole, rows: Mapping[str, int]) -> None:
        self.whole, self._rows = whole, rows

    def __getitem__(self, name: str) -> Whole:
        return np.asarray(self.whole[self._rows[name]])

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def peak(column: Whole) -> int:
    """The largest magnitude in the column; 0 when it is empty."""
    if not column.size:
        return 0
    if column.size <= _FEW or column.dtype == object:
        return int(max(map(abs, column.ravel().tolist())))
    # The ufuncs themselves: for short columns the array methods' wrappers cost more than the work.
    low, high = np.minimum.reduce(column, axis=None), np.maximum.reduce(column, axis=None)
    return max(int(high), -int(low))


def whole(value: int) -> Whole:
    """One number as a zero-dimensional column."""
    return np.asarray(value, dtype=np.int64 if abs(value) < LIMIT else object)


def column(values: list[int]) -> Whole:
    """A list of numbers as a column."""
    small = all(-LIMIT < value < LIMIT for value in values)
    return np.array(values, dtype=np.int64 if small else object)


def narrow(column: Whole) -> Whole:
    """Back to int64 when everything fits."""
    if column.dtype == object and peak(column) < LIMIT:
        return column.astype(np.int64)
    return column


def mul(a: Whole, b: Whole) -> Whole:
    """a * b, exact."""
    if a.dtype != object and b.dtype != object and peak(a) * peak(b) < LIMIT:
        return _column(np.multiply(a, b))
    return _column(np.multiply(a.astype(object), b.astype(object)))


def add(a: Whole, b: Whole) -> Whole:
    """a + b, exact."""
    if a.dtype != object and b.dtype != object and peak(a) + peak(b) < LIMIT:
        return _column(np.add(a, b))
    return _column(np.add(a.astype(object), b.astype(object)))


def stack(columns: list[Whole], rows: int) -> Whole:
    """Columns as the rows of one matrix, each so long."""
    if not columns:
        return np.empty((0, rows), dtype=np.int64)
    return narrow(np.concatenate(columns).reshape(len(columns), rows))


def summed(matrix: Whole) -> Whole:
    """The sum of a matrix's rows."""
    if matrix.dtype != object and not _sums_fit(matrix):
        matrix = matrix.astype(object)
    return np.asarray(np.add.reduce(matrix, axis=0))


def running(matrix: Whole) -> Whole:
    """The sums of a matrix's rows up to each of them."""
    if matrix.dtype != object and not _sums_fit(matrix):
        matrix = matrix.astype(object)
    return np.asarray(np.add.accumulate(matrix, axis=0))


def steps(matrix: Whole) -> Whole:
    """From each number of a matrix's rows to the next one."""
    if matrix.dtype != object and 2 * peak(matrix) >= LIMIT:
        matrix = matrix.astype(object)
    return np.asarray(matrix[:, 1:] - matrix[:, :-1])


def total(parts: list[Whole], like: Whole) -> Whole:
    """The sum of columns; zeros shaped like `like` when there are none."""
    if len(parts) == 1:
        return narrow(parts[0])
    return summed(stack(parts, like.size)) if parts else np.zeros(like.shape, dtype=np.int64)


def sum_of(column: Whole) -> int:
    """The sum of a column's numbers."""
    if column.dtype == object or peak(column) * column.size >= LIMIT:
        return sum(column.tolist())
    return int(np.add.reduce(column))


def floor_div(a: Whole, b: Whole) -> Whole:
    """floor(a / b), exact; b is positive."""
    if a.dtype == object or b.dtype == object:
        return narrow(np.floor_divide(a.astype(object), b.astype(object)))
    return np.floor_divide(a, b)


def lcm(a: Whole, b: Whole) -> Whole:
    """Least common multiple of positive columns."""
    if a.dtype != object and b.dtype != object and peak(a) * peak(b) < LIMIT:
        return np.lcm(a, b)
    return narrow(np.lcm(a.astype(object), b.astype(object)))


def gcd(a: Whole, b: Whole) -> Whole:
    """Greatest common divisor; gcd(0, b) = b."""
    if a.dtype == object or b.dtype == object:
        return _column(np.gcd(a.astype(object), b.astype(object)))
    return _column(np.gcd(a, b))


def overflows(a: Whole, b: Whole) -> Flags:
    """The rows of two matrices whose products might not fit int64."""
    if a.dtype == object or b.dtype == object or peak(a) * peak(b) < LIMIT:
        return np.full(len(a), a.dtype == object or b.dtype == object)
    most = [np.maximum.reduce(np.abs(m), axis=1).tolist() for m in (a, b)]
    return np.array([one * other >= LIMIT for one, other in zip(*most, strict=True)])


def _sums_fit(matrix: Whole) -> bool:
    return peak(matrix) * len(matrix) < LIMIT


def _column(result: Any) -> Whole:
    """NumPy answers zero-dimensional object columns with bare Python integers."""
    return np.asarray(result)
