"""A CJ/T 188 water, heat or gas meter as it looks from its line.

It answers reads of its counters, wildcards and the question for its address, and refuses any other
identifier. A number its profile does not name stands as 0 there.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

from edge_agent.profiles import factor
from edge_agent.profiles.cjt188 import Profile
from edge_agent.protocols import bcd
from edge_agent.protocols.cjt188 import (
    READ_ADDRESS,
    Answer,
    Request,
    answer_frame,
    find_request,
    matches,
)
from simulators.slaves import Other, Source, Turn
from simulators.slaves.dlt645_data import Clock
from wire.quantities import QUANTITIES

_UNITS = {"kWh": 0x05, "MWh": 0x08, "GJ": 0x11, "W": 0x14, "L": 0x29, "m3": 0x2C, "m3/h": 0x35}
_OF_HEAT = (0x05, 0x05, 0x17, 0x35, 0x2C)  # settled and present energy, power, flow, volume
_PREAMBLE = 3
_BEFORE_DATA = 14  # 68, kind, address, control, length, identifier, SER
_REFUSAL = b"\x01\x00"


class Cjt188Meter:
    """Meter `name` at `address` (fourteen digits) of model `profile`, which shows `source`."""

    def __init__(
        self,
        name: str,
        address: str,
        profile: Profile,
        source: Source,
        clock: Clock | None = None,
    ) -> None:
        self.name, self.address, self.kind = name, address, int(profile.kind, 16)
        self._profile, self._source, self._clock = profile, source, clock or Clock()
        self._fields = {register.field: name for name, register in profile.registers.items()}

    def answer(self, request: Request, t_ms: int) -> Answer:
        """What it says to a request that reaches it at `t_ms`."""
        if request.control == READ_ADDRESS:
            return Answer(self.kind, self.address)
        if request.di != self._profile.di:
            return Answer(self.kind, self.address, refusal=_REFUSAL)
        pictures = self._profile.layout.split()
        data = b"".join(self._written(n, picture, t_ms) for n, picture in enumerate(pictures))
        return Answer(self.kind, self.address, data)

    def _written(self, field: int, picture: str, t_ms: int) -> bytes:
        if re.fullmatch("B+", picture):
            if len(picture) != 7:
                return bytes(len(picture))
            shown = datetime.fromtimestamp(self._clock.shows(t_ms) // 1000, UTC)
            return bcd.write_moment("YYYYMMDDhhmmss", shown)
        digits = picture.strip("U")
        number, unit = self._number(field, t_ms)
        decimals = len(digits.partition(".")[2])
        most = 10 ** digits.count("X")
        scaled = int(number * 10**decimals)
        is_counter = field in self._fields and QUANTITIES[self._fields[field]].cumulative
        data = bcd.write_number(digits, scaled % most if is_counter else min(scaled, most - 1))
        if picture.startswith("U"):
            return bytes((unit,)) + data
        return data + bytes((unit,)) if picture.endswith("U") else data

    def _number(self, field: int, t_ms: int) -> tuple[Fraction, int]:
        """What stands in a field, and its unit byte."""
        quantity = self._fields.get(field)
        if quantity is None:
            is_heat = self.kind in (0x20, 0x21, 0x25) and field < len(_OF_HEAT)
            return Fraction(0), _OF_HEAT[field] if is_heat else _UNITS["m3"]
        register = self._profile.registers[quantity]
        value = self._source.value(quantity, t_ms) / factor(quantity, register)
        return value, _UNITS.get(register.unit, 0)


class Cjt188Party:
    """CJ/T 188 meters on one line. `di_reversed`: they send the identifier low byte first."""

    def __init__(self, meters: Sequence[Cjt188Meter], di_reversed: bool = False) -> None:
        self._meters, self._di_reversed = meters, di_reversed

    def least_turn_s(self, baud: int) -> float:  # noqa: ARG002  other protocols count in bits
        """At any speed a meter waits 20 ms."""
        return 0.02

    def find(self, data: bytes) -> tuple[Request | None, int]:
        """See the base."""
        return find_request(data, self._di_reversed)

    def turns(self, request: Request, t_ms: int) -> list[Turn]:
        """See the base."""
        return [
            _turn(meter, request, meter.answer(request, t_ms))
            for meter in self._meters
            if matches(request, meter.kind, meter.address)
        ]


def _turn(meter: Cjt188Meter, request: Request, answer: Answer) -> Turn:
    def other(kind: Other) -> bytes:
        said, asked = answer, request
        if kind == "refusal":
            said = Answer(meter.kind, meter.address, refusal=_REFUSAL)
        elif kind == "foreign":
            said = replace(answer, address=f"{(int(meter.address) + 1) % 10**14:014d}")
        else:
            asked = replace(request, serial=(request.serial + 1) % 256)
        return answer_frame(asked, said, _PREAMBLE)

    frame = answer_frame(request, answer, _PREAMBLE)
    end = len(frame) - 2
    return Turn(meter.name, frame, range(min(_PREAMBLE + _BEFORE_DATA, end), end), "sum", other)
