"""Pure: what goes wrong between a meter and its gateway. The same seed, the same faults.

Every `every`-th request to a meter, and the `times` - 1 after it, is answered wrongly:

| kind | the line carries |
|---|---|
| silent | nothing |
| late | the answer, `delay_ms` after it was due |
| twice | the answer two times running |
| again | the answer, and once more `delay_ms` later |
| foreign | the answer, signed by a neighbour |
| function | the answer, to another function |
| refusal | «busy»: with `times` a burst of exceptions |
| flip | the answer with `count` bits turned |
| blind | damage that the check sum does not see |
| truncated | the beginning of the answer |
| noise, noise_after | the answer, `count` stray bytes before or behind it |
| echo | the request itself, as an adapter hears it, then the answer |

Two go on all the time. `drift`: the meter's clock swings slowly to `permille` fast and slow, once in
`every` requests. `reboot`: every `every` seconds it is silent for `down_ms`, and what its counters
had gained in the `lost_ms` before is gone, as from a meter that saves them now and then.
"""

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Annotated, Literal, NamedTuple

import msgspec

from simulators.dice import Dice
from simulators.slaves import Source, Turn
from wire.quantities import QUANTITIES

# fmt: off
Kind = Literal[
    "silent", "late", "twice", "again", "foreign", "function", "refusal", "flip", "blind",
    "truncated", "noise", "noise_after", "echo", "drift", "reboot",
]
# fmt: on
_CRC16 = (0, 1, 14, 16)  # its generator x^16 + x^15 + x^2 + 1: no such damage changes a sum
_STRAY = (0x00, 0xFF, 0x68, 0x55)  # what lines are known to ring with, and a frame's first byte


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One way in which the requests to a meter go wrong; see the module."""

    meter: str
    kind: Kind
    every: Annotated[int, msgspec.Meta(ge=1)] = 10
    times: Annotated[int, msgspec.Meta(ge=1)] = 1
    count: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    delay_ms: Annotated[int, msgspec.Meta(ge=0)] = 1500
    permille: Annotated[int, msgspec.Meta(ge=0, le=40)] = 20  # beyond, no receiver follows
    down_ms: Annotated[int, msgspec.Meta(ge=0)] = 5000
    lost_ms: Annotated[int, msgspec.Meta(ge=0)] = 60_000


class Said(NamedTuple):
    """Bytes for the line, `delay_ms` after they were due, each `pace` characters long.

    `is_echo`: they were on the line already, and are heard at once.
    """

    data: bytes
    delay_ms: int = 0
    pace: float = 1.0
    is_echo: bool = False


class Faults:
    """Counts requests by meter and spoils those whose turn it is. `t0_ms`: when reboots began."""

    def __init__(self, faults: Iterable[Fault] = (), dice: Dice | None = None, t0_ms: int = 0):
        self._faults: dict[str, list[Fault]] = {}
        for fault in faults:
            self._faults.setdefault(fault.meter, []).append(fault)
        self._dice, self._t0_ms = dice or Dice(0), t0_ms
        self._asked: dict[str, int] = {}

    def replies(self, turn: Turn, heard: bytes, t_ms: int) -> list[Said]:
        """What the line carries instead of, or as, the right answer to the request `heard`."""
        asked = self._asked[turn.meter] = self._asked.get(turn.meter, 0) + 1
        faults = self._faults.get(turn.meter, [])
        pace = 1.0
        for fault in faults:
            if fault.kind == "reboot" and self._is_down(fault, t_ms):
                return []
            if fault.kind == "drift":
                pace += fault.permille / 1000 * _swing(asked, fault.every)
        for fault in faults:
            turns = fault.kind not in ("drift", "reboot") and asked >= fault.every
            if turns and asked % fault.every < min(fault.times, fault.every):
                draw = _Draw(self._dice, turn.meter, asked)
                return [said._replace(pace=pace) for said in _spoil(fault, turn, heard, draw)]
        return [Said(turn.answer, pace=pace)]

    def source(self, meter: str, source: Source) -> Source:
        """What a meter measures that loses part of it at its reboots."""
        for fault in self._faults.get(meter, []):
            if fault.kind == "reboot":
                source = _Rebooting(source, fault, self._t0_ms)
        return source

    def _is_down(self, fault: Fault, t_ms: int) -> bool:
        reboots, since_ms = divmod(t_ms - self._t0_ms, 1000 * fault.every)
        return reboots > 0 and since_ms < fault.down_ms


class _Rebooting:
    """A source whose counters fall back at every reboot. Exact at any time after t0, in any order."""

    def __init__(self, source: Source, fault: Fault, t0_ms: int) -> None:
        self._source, self._fault, self._t0_ms = source, fault, t0_ms
        self._lost: dict[str, list[Fraction]] = {}  # by quantity, after n reboots

    @property
    def serial(self) -> int:
        return self._source.serial

    def value(self, quantity: str, t_ms: int) -> Fraction:
        value = self._source.value(quantity, t_ms)
        if not QUANTITIES[quantity].cumulative:
            return value
        lost = self._lost.setdefault(quantity, [Fraction(0)])
        every_ms = 1000 * self._fault.every
        reboots = max(0, (t_ms - self._t0_ms) // every_ms)
        while len(lost) <= reboots:
            at = self._t0_ms + len(lost) * every_ms
            saved = max(self._t0_ms, at - self._fault.lost_ms)
            gain = self._source.value(quantity, at) - self._source.value(quantity, saved)
            lost.append(lost[-1] + gain)
        return value - lost[reboots]


class _Draw:
    """Draws for one request of one meter."""

    def __init__(self, dice: Dice, meter: str, asked: int) -> None:
        self._dice, self._what = dice, ("fault", meter, asked)

    def below(self, n: int, *what: str | int) -> int:
        return self._dice.between(0, n - 1, *self._what, *what)


def _spoil(fault: Fault, turn: Turn, heard: bytes, draw: _Draw) -> list[Said]:
    right = turn.answer
    spoilt: dict[str, Callable[[], list[Said]]] = {
        "silent": list,
        "late": lambda: [Said(right, fault.delay_ms)],
        "twice": lambda: [Said(right + right)],
        "again": lambda: [Said(right), Said(right, fault.delay_ms)],
        "foreign": lambda: [Said(turn.other("foreign"))],
        "function": lambda: [Said(turn.other("function"))],
        "refusal": lambda: [Said(turn.other("refusal"))],
        "flip": lambda: [Said(_flip(right, _bits(fault, 8 * len(right), draw)))],
        "blind": lambda: [Said(_blind(turn, draw))],
        "truncated": lambda: [Said(right[: 1 + draw.below(max(1, len(right) - 1), "cut")])],
        "noise": lambda: [Said(_stray(fault, draw) + right)],
        "noise_after": lambda: [Said(right + _stray(fault, draw))],
        "echo": lambda: [Said(heard, is_echo=True), Said(right)],
    }
    return spoilt[fault.kind]()


def _swing(asked: int, every: int) -> float:
    """Between -1 and 1 and back, in straight lines, once in `every`; 0 at first."""
    phase = (asked / every + 0.25) % 1
    return 4 * phase - 1 if phase < 0.5 else 3 - 4 * phase


def _bits(fault: Fault, bits: int, draw: _Draw) -> set[int]:
    """`count` different positions out of `bits`."""
    free = list(range(bits))
    return {free.pop(draw.below(len(free), "bit", n)) for n in range(min(fault.count, bits))}


def _stray(fault: Fault, draw: _Draw) -> bytes:
    return bytes(_STRAY[draw.below(len(_STRAY), "stray", n)] for n in range(fault.count))


def _flip(data: bytes, bits: Iterable[int]) -> bytes:
    out = bytearray(data)
    for bit in bits:
        out[bit // 8] ^= 1 << bit % 8
    return bytes(out)


def _blind(turn: Turn, draw: _Draw) -> bytes:
    """The answer with its values changed and its check still right, the way noise would do it."""
    at = turn.payload
    if turn.check == "none" or not at:
        return _flip(turn.answer, {8 * i + draw.below(8, "bit") for i in at[:1]})
    if turn.check == "crc":
        # A CRC is linear: its generator, anywhere among the values, leaves it as it was.
        first = 8 * at.start + draw.below(max(1, 8 * len(at) - _CRC16[-1]), "bit")
        return _flip(turn.answer, {first + step for step in _CRC16})
    # A sum misses the same bit going up in one byte and down in another.
    pairs = [
        (8 * i + bit, 8 * j + bit)
        for i in at
        for j in at[i - at.start + 1 :]
        for bit in range(8)
        if (turn.answer[i] ^ turn.answer[j]) >> bit & 1
    ]
    return _flip(turn.answer, pairs[draw.below(len(pairs), "pair")] if pairs else ())
