"""Readings on their way into the state: of one meter, or of many in flat columns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from calc_stream.core.whole import Rows, Whole
from wire.errors import BadData
from wire.messages import BOOKED, QUALITIES


@dataclass(frozen=True, slots=True, eq=False)
class Registers:
    """Readings of one meter: int64 ms, and mantissas * 10**exponent in the register's unit."""

    meter: str
    times_ms: Rows
    mantissas: Whole
    exponent: int
    quality: str = "good"

    def check(self) -> None:
        """Raises BadData for columns that do not belong together."""
        if self.times_ms.shape != self.mantissas.shape or self.times_ms.ndim != 1:
            raise BadData(f"{self.meter}: times and registers differ in length")
        if self.quality not in QUALITIES:
            raise BadData(f"{self.meter}: unknown quality {self.quality!a}")

    @property
    def booked(self) -> bool:
        return self.quality in BOOKED


@dataclass(frozen=True, slots=True, eq=False)
class Block(Sequence[Registers]):
    """Booked registers of many meters one behind the other, `counts` (1 at least) of each, as int64 in
    10**exponent of its unit."""

    meters: Sequence[str]
    counts: Rows
    times_ms: Rows
    mantissas: Rows
    exponents: Rows

    @classmethod
    def of(cls, readings: Sequence[Registers]) -> "Block":
        """Of such registers."""
        return cls(
            [own.meter for own in readings],
            np.array([own.times_ms.size for own in readings], dtype=np.int64),
            np.concatenate([own.times_ms for own in readings]),
            np.concatenate([own.mantissas for own in readings]),
            np.array([own.exponent for own in readings], dtype=np.int64),
        )

    def check(self) -> None:
        """Raises BadData for columns that do not belong together."""
        sizes = {self.times_ms.size, self.mantissas.size, int(np.add.reduce(self.counts))}
        if len(sizes) > 1 or not len(self.meters) == self.counts.size == self.exponents.size:
            raise BadData("a block of readings: times, registers and meters differ in number")

    def __len__(self) -> int:
        return len(self.meters)

    @overload
    def __getitem__(self, at: int) -> Registers: ...
    @overload
    def __getitem__(self, at: slice) -> list[Registers]: ...
    def __getitem__(self, at: int | slice) -> Registers | list[Registers]:
        return list(self)[at]

    def __iter__(self) -> Iterator[Registers]:
        end = 0
        for meter, count, exponent in zip(
            self.meters, self.counts.tolist(), self.exponents.tolist(), strict=True
        ):
            mine = slice(end, end + count)
            yield Registers(meter, self.times_ms[mine], self.mantissas[mine], exponent)
            end += count
