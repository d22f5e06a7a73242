"""Many columns of whole numbers, end to end, packed so that they compress and unpack at once. Pure.

A number is the one before it, plus its column's usual step, plus a small rest; a column's first
number is the last of the column before, plus a jump. So all columns together are one running sum,
and a reader with numpy needs a handful of calls for a whole segment. Jumps, steps and rests are each
packed alike: the sign at the lowest bit, then all lowest bytes, then all next ones. Sums wrap at 64
bits.
"""

import itertools
import operator
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar, cast

from wire.errors import BadData

T = TypeVar("T")

NUMBER_LIMIT = 1 << 62  # a number in a segment stays below it
_HALF, _WHOLE = 1 << 63, 1 << 64
_CODE = {1: "B", 2: "H", 4: "I", 8: "Q"}


class Run(NamedTuple):
    """Packed integers: `width` planes of one byte each."""

    width: int
    planes: bytes | memoryview

    def unsigned(self) -> tuple[int, bytearray]:
        """(bytes of each, all of them little-endian); of an n: 2n, of one below 0: -2n - 1."""
        size = _size(self.width)
        count = len(self.planes) // self.width
        plain = bytearray(count * size)
        for byte in range(self.width):
            plain[byte::size] = self.planes[byte * count : (byte + 1) * count]
        return size, plain


@dataclass(eq=False)
class Numbers:
    """`rows` of each column; a jump and a step for each, a rest for each number."""

    rows: Sequence[int]
    jumps: Run
    steps: Run
    rests: Run
    _made: dict[object, object] = field(default_factory=dict, repr=False)

    def made(self, by: "Callable[[Numbers], T]") -> T:
        """What `by` makes of these numbers; made once and kept."""
        if by not in self._made:
            self._made[by] = by(self)
        return cast("T", self._made[by])

    def values(self) -> "array[int]":
        """All numbers, without numpy."""
        return self.made(_values)


class Column(NamedTuple):
    """One column: `rows` numbers from number `begin` on."""

    numbers: Numbers
    begin: int
    rows: int

    def values(self) -> "array[int]":
        """The integers themselves."""
        return self.numbers.values()[self.begin : self.begin + self.rows]


def pack(columns: Iterable[Sequence[int]]) -> Numbers:
    """Columns of one number or more. Raises BadData for a number that does not fit 62 bits."""
    jumps, steps, rests, rows = [], [], [], []
    last = 0
    for column in columns:
        if max(column) >= NUMBER_LIMIT or min(column) <= -NUMBER_LIMIT:
            raise BadData("a number in a segment must fit 62 bits")
        rises = list(map(operator.sub, column[1:], column))
        step = _usual(rises)
        rows.append(len(column))
        jumps.append(column[0] - last)
        steps.append(step)
        rests.append(0)
        rests += [rise - step for rise in rises] if step else rises
        last = column[-1]
    return Numbers(rows, _run(jumps), _run(steps), _run(rests))


def _usual(rises: list[int]) -> int:
    """The middle one, so that one leap changes nothing; 0 where it is no better than that.

    Nor is it used where the rests would leave 64 bits.
    """
    if not rises:
        return 0
    ordered = sorted(rises)
    quarter = len(ordered) // 4
    step = ordered[len(ordered) // 2]
    if ordered[quarter] <= 0 <= ordered[-1 - quarter]:
        return 0
    return step if ordered[-1] - step < _HALF and step - ordered[0] <= _HALF else 0


def _run(integers: list[int]) -> Run:
    signed_last = [n << 1 if n >= 0 else ~(n << 1) for n in integers]
    width = (max(signed_last, default=0).bit_length() + 7) // 8 or 1
    size = _size(width)
    data = _little(array(_CODE[size], signed_last)).tobytes()
    return Run(width, b"".join(data[byte::size] for byte in range(width)))


def _integers(run: Run) -> Iterator[int]:
    size, plain = run.unsigned()
    unsigned = array(_CODE[size])
    unsigned.frombytes(plain)
    return ((n >> 1) ^ -(n & 1) for n in _little(unsigned))


def _values(numbers: Numbers) -> "array[int]":
    rests = _integers(numbers.rests)
    sums: list[int] = []
    last = 0
    for rows, jump, step in zip(numbers.rows, _integers(numbers.jumps), _integers(numbers.steps)):
        last += jump + next(rests)
        more = (step + rest for rest in itertools.islice(rests, rows - 1))
        sums += itertools.accumulate(more, initial=last)
        last = sums[-1]
    try:
        return array("q", sums)
    except OverflowError:
        return array("q", ((each + _HALF) % _WHOLE - _HALF for each in sums))


def _size(width: int) -> int:
    """Of the narrowest machine type of at least `width` bytes."""
    return next(size for size in _CODE if size >= width)


def _little(raw: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        raw.byteswap()
    return raw
