"""Rows with the same quantities, packed: exact integer columns as differences, like bytes together."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec
import numpy as np

from ingestor.columns import Ints, Matrix

Columns = Matrix  # (1 + quantities, rows): times in ms, then mantissas
Kind = tuple[str, tuple[str, ...], tuple[int, ...]]  # quality, quantities, exponents


class Loose(NamedTuple):
    """Rows of one kind that are not packed."""

    kind: Kind
    columns: Columns

    @property
    def rows(self) -> int:
        return self.columns.shape[1]

    @property
    def first_ms(self) -> int:
        return int(self.columns[0, 0])

    def copy(self, into: Columns) -> None:
        into[:] = self.columns


class Block(msgspec.Struct, frozen=True, array_like=True):
    """`columns` are packed: times (ms) first, then mantissas."""

    quality: str
    quantities: tuple[str, ...]
    exponents: tuple[int, ...]
    rows: int
    columns: list[tuple[int, int, bytes]]

    @property
    def kind(self) -> Kind:
        return self.quality, self.quantities, self.exponents

    @property
    def first_ms(self) -> int:
        return self.columns[0][0]

    def copy(self, into: Columns) -> None:
        for row, packed in zip(into, self.columns, strict=True):
            _unpack(packed, row)


def block(kind: Kind, columns: Columns) -> Block:
    packed = [_pack(column) for column in columns]
    return Block(*kind, rows=columns.shape[1], columns=packed)


def merged(parts: Iterable[Block | Loose]) -> dict[Kind, Columns]:
    """Rows of like kind put together, in order of time; of two values at one time the lower."""
    kinds: dict[Kind, list[Block | Loose]] = {}
    for each in parts:
        kinds.setdefault(each.kind, []).append(each)
    return {kind: _table(like) for kind, like in kinds.items()}


def _table(parts: list[Block | Loose]) -> Columns:
    quantities = parts[0].kind[1]
    table: Columns = np.empty((1 + len(quantities), sum(p.rows for p in parts)), np.int64)
    begin = 0
    for part in sorted(parts, key=lambda part: part.first_ms):
        part.copy(table[:, begin : begin + part.rows])
        begin += part.rows
    if np.all(table[0, 1:] > table[0, :-1]):
        return table
    table = table[:, np.argsort(table[0])]
    _, begins = np.unique(table[0], return_index=True)
    return np.asarray(np.minimum.reduceat(table, begins, axis=1))


def _pack(column: Ints) -> tuple[int, int, bytes]:
    """(first, bytes a step, steps to the next, their low bytes first): like stands beside like.

    What only jumps about its level has less in it as differences to the first: then the number of
    bytes is negative.
    """
    first = int(column[0])
    steps = np.empty_like(column)
    steps[0] = 0
    np.subtract(column[1:], column[:-1], out=steps[1:])
    low, high = int(steps.min()), int(steps.max())
    least, most = int(column.min()) - first, int(column.max()) - first
    is_level = most - least < high - low
    told, low, high = (column - first, least, most) if is_level else (steps, low, high)
    width = next(w for w in (1, 2, 4, 8) if -(1 << 8 * w - 1) <= low and high < 1 << 8 * w - 1)
    raw = told.astype(f"<i{width}").view(np.uint8).reshape(-1, width)
    return first, -width if is_level else width, raw.T.tobytes()


def _unpack(packed: tuple[int, int, bytes], into: Ints) -> None:
    first, width, data = packed
    raw = np.frombuffer(data, np.uint8).reshape(abs(width), -1).T
    told = np.ascontiguousarray(raw).view(f"<i{abs(width)}").ravel()
    if width < 0:
        np.add(told, first, dtype=np.int64, out=into)
    else:
        np.cumsum(told, dtype=np.int64, out=into)
        into += first
