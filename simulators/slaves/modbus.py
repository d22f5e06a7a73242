"""Pure: a meter as it looks from its Modbus side.

Writes what a source measures the way the model does: quantised to the register's step, counted
modulo its modulus, split over tariffs, in the register's type and order. Requests are refused the
way such meters refuse them.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from edge_agent.profiles import factor, offset
from edge_agent.profiles.modbus import IdentityRegister, Place, Profile, Register
from edge_agent.protocols.modbus import (
    ILLEGAL_ADDRESS,
    ILLEGAL_VALUE,
    Answer,
    Framing,
    Request,
    answer_frame,
    find_request,
)
from simulators.slaves import Other, Source, Turn
from wire.quantities import QUANTITIES

_TARGET_DID_NOT_ANSWER, _BUSY = 11, 6
_FLOATS = {"f32": (">f", 24), "f64": (">d", 53)}  # format, bits of precision
_INTEGERS = {
    "u16": (2, False),
    "u32": (4, False),
    "u64": (8, False),
    "i16": (2, True),
    "i32": (4, True),
    "i64": (8, True),
}
_Written = Register | IdentityRegister
# address -> (quantity or identity, which part of a sum, place); no place: a hole that reads as 0.
_Fields = dict[int, tuple[str, int, _Written | None]]


class ModbusMeter:
    """The registers of meter `name` of model `profile`, which shows what `source` measures."""

    def __init__(self, name: str, profile: Profile, source: Source) -> None:
        self.name, self.profile, self._source = name, profile, source
        self._map = _address_map(profile)

    def answer(self, request: Request, t_ms: int) -> Answer:
        """What the meter says to a request that reaches it at `t_ms`."""
        limits = self.profile.limits
        if not 1 <= request.count <= limits.max_words:
            return Answer((), ILLEGAL_VALUE)
        wanted = range(request.address, request.address + request.count)
        fields = self._map.get(request.function, {})
        if limits.even and (request.address % 2 or request.count % 2):
            return Answer((), ILLEGAL_ADDRESS)
        if any(at not in fields for at in wanted) or _splits_a_value(fields, wanted):
            return Answer((), ILLEGAL_ADDRESS)
        words: list[int] = []
        while len(words) < request.count:
            name, part, place = fields[wanted[len(words)]]
            words += self._encode(name, part, place, t_ms) if place is not None else [0]
        return Answer(tuple(words))

    def _encode(self, name: str, part: int, place: _Written, t_ms: int) -> list[int]:
        if isinstance(place, Register):
            raw = shown(name, place, self._source.value(name, t_ms))
            data = _number(place, _parts(name, place, raw)[part])
        else:
            data = self._identity(place)
        words = [int.from_bytes(data[i : i + 2], place.bytes) for i in range(0, len(data), 2)]
        return words[::-1] if place.words == "little" else words

    def _identity(self, place: IdentityRegister) -> bytes:
        text = place.expect[0] if place.expect else str(self._source.serial)
        if place.as_ == "string":
            return text.encode("ascii").ljust(2 * place.size)[: 2 * place.size]
        return _number(place, Fraction(int(text)))


class ModbusParty:
    """Modbus meters by unit id: on a line ("rtu"), or behind a gateway's TCP port ("tcp").

    Nobody answers for an unknown unit on a line; a gateway says that its target did not.
    """

    def __init__(self, meters: Mapping[int, ModbusMeter], framing: Framing) -> None:
        self._meters, self._framing = meters, framing

    def least_turn_s(self, baud: int) -> float:
        """3.5 characters, but 1.75 ms at more than 19200 baud."""
        return 3.5 * 11 / baud if baud <= 19200 else 0.00175

    def find(self, data: bytes) -> tuple[Request | None, int]:
        """See the base."""
        return find_request(data, self._framing)

    def turns(self, request: Request, t_ms: int) -> list[Turn]:
        """See the base."""
        meter = self._meters.get(request.unit)
        if meter is not None:
            return [self._turn(meter.name, request, meter.answer(request, t_ms))]
        if self._framing == "rtu":
            return []
        return [self._turn(f"unit {request.unit}", request, Answer((), _TARGET_DID_NOT_ANSWER))]

    def _turn(self, meter: str, request: Request, answer: Answer) -> Turn:
        def other(kind: Other) -> bytes:
            if kind == "refusal":
                return answer_frame(request, Answer((), _BUSY), self._framing)
            change = {
                "foreign": {"unit": request.unit % 247 + 1},
                "function": {"function": 7 - request.function},  # 3 and 4
            }
            return answer_frame(replace(request, **change[kind]), answer, self._framing)

        frame = answer_frame(request, answer, self._framing)
        if self._framing == "tcp":
            return Turn(meter, frame, range(9, len(frame)), "none", other)
        return Turn(meter, frame, range(3, len(frame) - 2), "crc", other)


def step(quantity: str, register: Register, value: Fraction) -> Fraction:
    """The least change the register shows at `value`, in the quantity's unit."""
    per_raw = factor(quantity, register)
    least = _step(per_raw, register)
    if register.as_ in _FLOATS:
        exponent = math.frexp(float(value / per_raw))[1]
        least = max(least, Fraction(2) ** (exponent - _FLOATS[register.as_][1]) * per_raw)
    return least


def shown(quantity: str, register: Register, value: Fraction) -> Fraction:
    """The raw number of a register that measures `value`: what a counter has not yet full is cut."""
    per_raw = factor(quantity, register)
    if not QUANTITIES[quantity].cumulative:
        return (value - offset(quantity, register)) / per_raw
    least = _step(per_raw, register)
    steps = math.floor(value / least)
    if register.modulus is not None:
        per_unit = per_raw / Fraction(register.scale)
        steps %= int(Fraction(register.modulus) * per_unit / least)
    return steps * least / per_raw


def _step(per_raw: Fraction, register: Register) -> Fraction:
    return per_raw if register.decimals is None else Fraction(1, 10**register.decimals)


def _parts(quantity: str, register: Register, raw: Fraction) -> Sequence[Fraction]:
    """The numbers of the register and those added to it: tariffs that all rise, or digits apart."""
    if not register.plus:
        return (raw,)
    scales = [Fraction(1), *(Fraction(part.scale) for part in register.plus)]
    if len(set(scales)) == 1:
        per_raw = factor(quantity, register)
        one = _step(per_raw, register) / per_raw
        share = math.floor(raw / one) // (2 * len(register.plus)) * one
        return [raw - share * len(register.plus), *[share] * len(register.plus)]
    numbers = [Fraction(0)] * len(scales)
    *upper, last = sorted(range(len(scales)), key=lambda i: -scales[i])
    for i in upper:
        numbers[i] = Fraction(math.floor(raw / scales[i]))
        raw -= numbers[i] * scales[i]
    numbers[last] = raw / scales[last]
    return numbers


def _number(place: Place, raw: Fraction) -> bytes:
    """A number in the register's type; integers are cut, and stop at the type's ends."""
    if place.as_ in _FLOATS:
        return struct.pack(_FLOATS[place.as_][0], float(raw))
    if place.as_ == "bcd":
        return bytes.fromhex(str(math.floor(raw)).zfill(4 * place.size)[-4 * place.size :])
    size, signed = _INTEGERS[place.as_]
    least, most = (
        (-(1 << 8 * size - 1), (1 << 8 * size - 1) - 1) if signed else (0, (1 << 8 * size) - 1)
    )
    return min(max(math.floor(raw), least), most).to_bytes(size, "big", signed=signed)


def _address_map(profile: Profile) -> dict[int, _Fields]:
    """What stands where, by function code, with the holes one may read over."""
    places: list[tuple[int, int, str, int, _Written]] = []
    for name, register in profile.registers.items():
        for part, at in enumerate(register.starts):
            places.append((register.fc, at, name, part, register))
    for name, identity in profile.identity.places():
        places.append((identity.fc, identity.at, name, 0, identity))
    out: dict[int, _Fields] = {}
    for fc, at, name, part, place in sorted(places, key=lambda known: known[:2]):
        fields = out.setdefault(fc, {})
        after = max(fields, default=-1) + 1
        if fields and at - after <= profile.limits.max_hole:
            fields |= dict.fromkeys(range(after, at), ("", 0, None))
        fields |= {at + i: (name, part, place) for i in range(place.size)}
    return out


def _splits_a_value(fields: _Fields, wanted: range) -> bool:
    """Whether a read begins or ends inside a value."""
    return any(
        fields[inside][2] is not None and fields.get(outside) == fields[inside]
        for inside, outside in ((wanted[0], wanted[0] - 1), (wanted[-1], wanted[-1] + 1))
    )
