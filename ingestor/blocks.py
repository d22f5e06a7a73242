"""Rows with the same quantities, packed: exact integer columns as differences, like bytes together."""

from collections.abc import Iterable

import msgspec
import numpy as np

from ingestor.columns import Ints, Matrix

Columns = Matrix  # (1 + quantities, rows): times in ms, then mantissas
Kind = tuple[str, tuple[str, ...], tuple[int, ...]]  # quality, quantities, exponents


class Block(msgspec.Struct, frozen=True, array_like=True):
    """`columns` are packed: times (ms) first, then mantissas."""

    quality: str
    quantities: tuple[str, ...]
    exponents: tuple[int, ...]
    rows: int
    columns: list[tuple[int, int, bytes]]


def block(kind: Kind, columns: Columns) -> Block:
    packed = [_pack(column) for column in columns]
    return Block(*kind, rows=columns.shape[1], columns=packed)


def merged(blocks: Iterable[Block]) -> dict[Kind, Columns]:
    """Blocks of like kind put together, in order of time; of two values at one time the lower."""
    kinds: dict[Kind, list[Block]] = {}
    for each in blocks:
        kinds.setdefault((each.quality, each.quantities, each.exponents), []).append(each)
    return {kind: _table(like) for kind, like in kinds.items()}


def _table(blocks: list[Block]) -> Columns:
    table: Columns = np.empty((len(blocks[0].columns), sum(b.rows for b in blocks)), np.int64)
    begin = 0
    for block in sorted(blocks, key=lambda block: block.columns[0][0]):  # by their first time
        for row, packed in zip(table, block.columns, strict=True):
            _unpack(packed, row[begin : begin + block.rows])
        begin += block.rows
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
    steps = np.zeros_like(column)
    np.subtract(column[1:], column[:-1], out=steps[1:])
    level = column - column[0]
    is_level = np.ptp(level) < np.ptp(steps)
    told = level if is_level else steps
    low, high = int(told.min()), int(told.max())
    width = next(w for w in (1, 2, 4, 8) if -(1 << 8 * w - 1) <= low and high < 1 << 8 * w - 1)
    raw = told.astype(f"<i{width}").view(np.uint8).reshape(-1, width)
    return int(column[0]), -width if is_level else width, raw.T.tobytes()


def _unpack(packed: tuple[int, int, bytes], into: Ints) -> None:
    first, width, data = packed
    raw = np.frombuffer(data, np.uint8).reshape(abs(width), -1).T
    told = np.ascontiguousarray(raw).view(f"<i{abs(width)}").ravel()
    if width < 0:
        np.add(told, first, dtype=np.int64, out=into)
    else:
        np.cumsum(told, dtype=np.int64, out=into)
        into += first
