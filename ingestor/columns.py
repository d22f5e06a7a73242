"""A segment's columns as numpy arrays, without a Python object for each number."""

import numpy as np

from wire.segment import Column

Ints = np.ndarray[tuple[int], np.dtype[np.int64]]


def integers(column: Column) -> Ints:
    """The column's integers, int64, shape (rows,)."""
    steps = np.frombuffer(column.deltas, f"<i{column.width}")
    return np.asarray(column.first + np.cumsum(steps, dtype=np.int64), dtype=np.int64)
