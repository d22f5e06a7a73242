"""What a segment holds, taken apart. Numbers stay packed until somebody asks for them."""

from collections.abc import Iterator

import msgspec

from wire.messages import Sample
from wire.segment.numbers import Column, Numbers


class Table(msgspec.Struct, frozen=True, eq=False):
    """All answers of one meter with the same quantities and quality; rows in order of time.

    Column `n` (0: times in ms; then one of mantissas a quantity) is `rows` numbers from number
    `begin + n * stride` on.
    """

    meter: str
    quality: str
    quantities: tuple[str, ...]
    exponents: tuple[int, ...]
    rows: int
    numbers: Numbers
    begin: int
    stride: int

    @property
    def times_ms(self) -> Column:
        return Column(self.numbers, self.begin, self.rows)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The mantissas of each quantity."""
        places = range(1, len(self.quantities) + 1)
        return tuple(Column(self.numbers, self.begin + n * self.stride, self.rows) for n in places)

    def samples(self) -> Iterator[Sample]:
        """The rows one by one; for many rows use the columns."""
        columns = [column.values() for column in self.columns]
        for row, t_ms in enumerate(self.times_ms.values()):
            named = zip(self.quantities, columns, self.exponents, strict=True)
            values = {quantity: (column[row], exponent) for quantity, column, exponent in named}
            yield Sample(self.meter, t_ms, values, self.quality)
