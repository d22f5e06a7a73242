"""Pure: a meter as it looks from its Modbus side.

Encodes what truly flows over the meter's edge the way the model writes it: quantised to the
register's step, counted modulo its modulus, split over tariffs, in the register's type and word
order. Requests are refused the way such meters refuse them.
"""

import math
import struct
from fractions import Fraction

from edge_agent.profiles import IdentityRegister, Place, Profile, Register, factor
from edge_agent.protocols.modbus import ILLEGAL_ADDRESS, ILLEGAL_VALUE, Answer, Request
from simulators.curve import MJ_PER_KWH
from simulators.plant import Meter
from simulators.scenario import Scenario
from wire.quantities import QUANTITIES

_FLOATS = {"f32": (">f", 24), "f64": (">d", 53)}  # format, bits of precision
_Written = Register | IdentityRegister
_IMPORT = "active_energy_import"
_INTEGERS = {"u16": (2, False), "u32": (4, False), "u64": (8, False)} | {
    "i16": (2, True),
    "i32": (4, True),
    "i64": (8, True),
}


class Instrument:
    """Meter `meter` of model `profile` in the plant of `scenario`."""

    def __init__(self, meter: Meter, profile: Profile, scenario: Scenario) -> None:
        self.meter, self.profile = meter, profile
        self.scenario = scenario
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

    def step_kwh(self, t_ms: int) -> Fraction:
        """The least change the import register shows at `t_ms`: its decimals, or the float's."""
        register = self.profile.registers[_IMPORT]
        step = _step(register)
        if register.as_ in _FLOATS:
            per_raw = factor(_IMPORT, register)
            exponent = math.frexp(float(self.value(_IMPORT, t_ms) / per_raw))[1]
            step = max(step, Fraction(2) ** (exponent - _FLOATS[register.as_][1]) * per_raw)
        return step

    def value(self, quantity: str, t_ms: int) -> Fraction:
        """What the meter measures at `t_ms`, in the quantity's unit, before it is written down.

        Exact: no step, no modulus, no float. Behind current transformers it is the secondary side;
        0 for what flows nowhere in this plant. Raises KeyError for an unknown quantity.
        """
        known = QUANTITIES[quantity]
        if quantity == _IMPORT:
            energy = Fraction(self.scenario.energy_mj(self.meter, t_ms), self.meter.ct)
            return (self.scenario.index_mj(self.meter) + energy) / MJ_PER_KWH
        return Fraction(0) if known.cumulative else self._momentary(quantity, t_ms)

    @property
    def serial(self) -> int:
        """The meter's own number; drawn from the seed where the scenario names none."""
        if self.meter.serial is not None:
            return self.meter.serial
        return self.scenario.dice.between(10**6, 10**8, "serial", self.meter.name)

    def _encode(self, name: str, part: int, place: _Written, t_ms: int) -> list[int]:
        if isinstance(place, Register):
            data = _number(place, self._raw(name, part, place, t_ms))
        else:
            data = self._identity(place)
        words = [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]
        return words[::-1] if place.words == "little" else words

    def _raw(self, name: str, part: int, register: Register, t_ms: int) -> Fraction:
        per_raw = factor(name, register)
        if name != _IMPORT:
            return self.value(name, t_ms) / per_raw
        step = _step(register)
        steps = math.floor(self.value(name, t_ms) / step)
        if register.modulus is not None:
            per_unit = per_raw / Fraction(register.scale)
            steps %= int(Fraction(register.modulus) * per_unit / step)
        # Tariffs: every part rises, and only their sum is the truth.
        share = steps // (2 * len(register.plus)) if register.plus else 0
        return (steps - share * len(register.plus) if part == 0 else share) * step / per_raw

    def _momentary(self, name: str, t_ms: int) -> Fraction:
        """A plausible value, in the quantity's unit; 0 for what this plant has not got."""
        phases = 3 if name[-3:] in ("_l1", "_l2", "_l3") else 1
        watts = Fraction(self.scenario.watts(self.meter, t_ms), self.meter.ct)
        volts = Fraction(self.scenario.dice.between(2290, 2315, "volts", t_ms // 1000), 10)
        kind, _, _ = name.partition("_")
        if kind in ("active", "apparent"):
            return watts / phases
        if kind == "voltage":
            between_phases = name.count("_l") == 2
            return volts * (Fraction(173, 100) if between_phases else 1)
        if kind == "current":
            return watts / 3 / volts if phases == 3 else Fraction(0)
        return {"power": Fraction(1), "frequency": Fraction(50)}.get(kind, Fraction(0))

    def _identity(self, place: IdentityRegister) -> bytes:
        text = place.expect[0] if place.expect else str(self.serial)
        if place.as_ == "string":
            return text.encode("ascii").ljust(2 * place.size)[: 2 * place.size]
        return _number(place, Fraction(int(text)))


def _step(register: Register) -> Fraction:
    """The step the import register counts in, in kWh."""
    if register.decimals is not None:
        return Fraction(1, 10**register.decimals)
    return factor(_IMPORT, register)


def _number(place: Place, raw: Fraction) -> bytes:
    """A number in the register's type; integers are cut, as meters do."""
    if place.as_ in _FLOATS:
        return struct.pack(_FLOATS[place.as_][0], float(raw))
    if place.as_ == "bcd":
        return bytes.fromhex(str(math.floor(raw)).zfill(4 * place.size)[-4 * place.size :])
    size, signed = _INTEGERS[place.as_]
    return math.floor(raw).to_bytes(size, "big", signed=signed)


# address -> (quantity or identity, which part of a sum, place); no place: a hole that reads as 0.
_Fields = dict[int, tuple[str, int, _Written | None]]


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
