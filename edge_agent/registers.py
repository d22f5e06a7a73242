"""From quantities to Modbus requests, and from the words of an answer to exact values. Pure.

`plan` merges what is asked for into as few requests as the profile's limits allow: a request
starts at a value, never inside one, and reads over a hole only where the meter has not refused.
What a meter refuses is learned (`learn`): first the holes, then which optional register it lacks.
`decode` gives values as `scaling` has them.
"""

import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from edge_agent.profiles.modbus import Place, Profile, Register
from edge_agent.scaling import ONE, Scaling, scaling
from wire.errors import BadData, ProfileError
from wire.messages import Value

_STRUCT = {"u16": ">H", "i16": ">h", "u32": ">I", "i32": ">i", "u64": ">Q", "i64": ">q"}
_FLOAT = {"f32": ">f", "f64": ">d"}
_END = {"big": ">", "little": "<"}
_PLAIN = {kind: struct.Struct(code) for kind, code in {**_STRUCT, **_FLOAT}.items()}


@dataclass(frozen=True)
class Field:
    """One quantity inside a block: its register, the parts added up with their factors, and what
    the sum means. `plain`: how to take a number that is written the usual way from the bytes."""

    quantity: str
    register: Register
    parts: tuple[tuple[Register, Fraction], ...]
    scaling: Scaling
    plain: struct.Struct | None
    sentinel: bytes | None


@dataclass(frozen=True)
class Block:
    """One request: `count` registers from `address` by function `fc`, and what they mean."""

    fc: int
    address: int
    count: int
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Learned:
    """What one meter has shown by refusing: holes, registers to ask for alone, absent ones."""

    holes: frozenset[tuple[int, int]] = field(default=frozenset())  # (fc, address)
    alone: frozenset[str] = field(default=frozenset())
    absent: frozenset[str] = field(default=frozenset())


# The key names the profile by its identity, which the value keeps from being given away again.
_PLANNED: dict[
    tuple[int, tuple[str, ...], Learned, Fraction, Fraction], tuple[Profile, list[Block]]
] = {}
_MOST_PLANNED = 256


def plan(
    profile: Profile,
    quantities: Iterable[str],
    learned: Learned = Learned(),
    ct: Fraction = ONE,
    pt: Fraction = ONE,
) -> list[Block]:
    """The requests that read `quantities`, by function and address. Raises ProfileError.

    Meters of one model that are read alike share what was planned.
    """
    wanted = tuple(dict.fromkeys(quantities))
    key = id(profile), wanted, learned, ct, pt
    planned = _PLANNED.get(key)
    if planned is None:
        planned = profile, _plan(profile, wanted, learned, ct, pt)
        if len(_PLANNED) >= _MOST_PLANNED:
            _PLANNED.clear()
        _PLANNED[key] = planned
    return list(planned[1])


def learn(learned: Learned, block: Block) -> Learned | None:
    """What the refusal of `block` (illegal address) teaches. None: nothing, the profile is wrong."""
    parts = [part for field in block.fields for part, _ in field.parts]
    used = {a for part in parts for a in _span(part.at, part.size)}
    holes = {(block.fc, a) for a in _span(block.address, block.count) if a not in used}
    if holes - learned.holes:
        return Learned(learned.holes | holes, learned.alone, learned.absent)
    optional = {f.quantity for f in block.fields if f.register.optional}
    if not optional:
        return None
    if len(block.fields) == 1:
        return Learned(learned.holes, learned.alone, learned.absent | optional)
    return Learned(learned.holes, learned.alone | optional, learned.absent)


def decode(block: Block, words: Sequence[int]) -> dict[str, Value | None]:
    """The values in the answer to `block`; None for what the meter says it did not measure.

    Raises BadData for digits that are none.
    """
    data, first = struct.pack(f">{len(words)}H", *words), block.address
    return {
        f.quantity: _value(block, f, words)
        if f.plain is None
        else _plain_value(f, f.plain, data, 2 * (f.register.at - first))
        for f in block.fields
    }


def raw_words(block: Block, item: Field, words: Sequence[int]) -> list[tuple[int, ...]]:
    """The registers of one quantity as they came, one tuple for each part."""
    first = block.address
    return [tuple(words[part.at - first : part.at - first + part.size]) for part, _ in item.parts]


def shown(block: Block, item: Field, words: Sequence[int]) -> tuple[str, str]:
    """(registers, their words in hex) of one quantity, for a person."""
    parts = raw_words(block, item, words)
    at = " + ".join(str(start) for start in item.register.starts)
    return at, " + ".join(" ".join(f"{word:04x}" for word in part) for part in parts)


def read_text(place: Place, words: Sequence[int]) -> str:
    """An identity register as text: a number in decimal, a string without its padding."""
    data = _bytes(place, words[: place.size])
    if place.as_ == "string":
        return data.decode("latin-1").strip("\0 ")
    if place.as_ == "bcd":
        return data.hex()
    return str(_number(place, data) or 0)


def _plan(
    profile: Profile, wanted: Iterable[str], learned: Learned, ct: Fraction, pt: Fraction
) -> list[Block]:
    fields = [_field(profile, q, ct, pt) for q in wanted if q not in learned.absent]
    fields.sort(key=lambda f: (f.register.fc, min(f.register.starts)))
    blocks: list[Block] = []
    for item in fields:
        apart = item.quantity in learned.alone
        if blocks and not apart and _fits(profile, blocks[-1], item, learned):
            blocks[-1] = _joined(profile, [*blocks[-1].fields, item])
        else:
            blocks.append(_joined(profile, [item]))
    return blocks


def _field(profile: Profile, quantity: str, ct: Fraction, pt: Fraction) -> Field:
    register = profile.registers.get(quantity)
    if register is None:
        has = ", ".join(profile.registers)
        raise ProfileError(f"{profile.vendor} {profile.model}: no {quantity}; it has {has}")
    factors = (ONE, *(Fraction(part.scale) for part in register.plus))
    parts = tuple(zip(register.places(), factors, strict=True))
    usual = register.words == register.bytes == "big" and not register.plus
    plain = _PLAIN.get(register.as_) if usual else None
    sentinel = bytes.fromhex(register.sentinel) if register.sentinel is not None else None
    meaning = scaling(quantity, register, ct, pt)
    return Field(quantity, register, parts, meaning, plain, sentinel)


def _span(start: int, size: int) -> range:
    return range(start, start + size)


def _fits(profile: Profile, block: Block, item: Field, learned: Learned) -> bool:
    limits, start, end = profile.limits, min(item.register.starts), block.address + block.count
    if item.register.fc != block.fc or any(f.quantity in learned.alone for f in block.fields):
        return False
    if _joined(profile, [*block.fields, item]).count > limits.max_words:
        return False
    hole = range(end, start)
    return len(hole) <= limits.max_hole and not any((block.fc, a) in learned.holes for a in hole)


def _joined(profile: Profile, fields: Sequence[Field]) -> Block:
    first = min(min(f.register.starts) for f in fields)
    after = max(f.register.after for f in fields)
    count = after - first
    if profile.limits.even:
        count += count % 2
    return Block(fields[0].register.fc, first, count, tuple(fields))


def _plain_value(item: Field, plain: struct.Struct, data: bytes, at: int) -> Value | None:
    """The same as `_value`, which takes the parts of a number one by one."""
    if item.sentinel is not None and data[at : at + plain.size] == item.sentinel:
        return None
    (number,) = plain.unpack_from(data, at)
    return item.scaling.ratio(*number.as_integer_ratio()) if math.isfinite(number) else None


def _value(block: Block, item: Field, words: Sequence[int]) -> Value | None:
    top, bottom = 0, 1
    for part, factor in item.parts:
        at = part.at - block.address
        data = _bytes(part, words[at : at + part.size])
        is_told = part.sentinel is None or data.hex() != part.sentinel
        number = _number(part, data) if is_told else None
        if number is None:
            return None
        numerator, denominator = number.as_integer_ratio()
        if factor is not ONE:
            numerator, denominator = numerator * factor.numerator, denominator * factor.denominator
        top, bottom = top * denominator + numerator * bottom, bottom * denominator
    return item.scaling.ratio(top, bottom)


def _bytes(place: Place, words: Sequence[int]) -> bytes:
    """The number's bytes, most significant first."""
    ordered = words[::-1] if place.words == "little" else words
    return struct.pack(f"{_END[place.bytes]}{len(words)}H", *ordered)


def _number(place: Place, data: bytes) -> int | float | None:
    """The number as written; None for a float that is no number."""
    if place.as_ in _STRUCT:
        return int(struct.unpack(_STRUCT[place.as_], data)[0])
    if place.as_ in _FLOAT:
        number = float(struct.unpack(_FLOAT[place.as_], data)[0])
        return number if math.isfinite(number) else None
    digits = data.hex()
    if not digits.isdecimal():
        raise BadData(f"register {place.at}: {digits} is not a decimal number (BCD)")
    return int(digits)
