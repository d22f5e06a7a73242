"""What meters say on a line or behind a port, one file a protocol.

A `Party` is all meters of one protocol on one cable. It finds the requests in what is heard and
gives a `Turn` for each that one of its meters answers. What a meter shows comes from a `Source`: the
plant's own instruments, or somebody's recorded readings. Bytes in, bytes out: timing is the line's
affair (`serial_bus`, `modbus_tcp`), and what goes wrong between meter and gateway that of `faults`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol, TypeVar

R = TypeVar("R")
Check = Literal["crc", "sum", "none"]
Other = Literal["foreign", "function", "refusal"]


class Source(Protocol):
    """What a meter measures. `serial`: its own number."""

    @property
    def serial(self) -> int: ...

    def value(self, quantity: str, t_ms: int) -> Fraction:
        """The exact value in the quantity's unit, before it is written down."""
        ...


@dataclass(frozen=True)
class Turn:
    """A meter's answer to one request.

    `payload`: the bytes of the answer that carry values; `check`: what guards them; `other`: the
    answer as a neighbour would sign it, with another function, or as a refusal.
    """

    meter: str
    answer: bytes
    payload: range
    check: Check
    other: Callable[[Other], bytes]


class Party(Protocol[R]):
    """All meters of one protocol on one cable. `least_turn_s`: their silence before an answer."""

    def least_turn_s(self, baud: int) -> float: ...

    def find(self, data: bytes) -> tuple[R | None, int]:
        """The next whole request and the bytes it used up; (None, n): n can be forgotten."""
        ...

    def turns(self, request: R, t_ms: int) -> list[Turn]:
        """Who says what to a request that has arrived at `t_ms`: mostly one, or nobody."""
        ...
