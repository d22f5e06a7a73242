"""The shape of a profile file, and which statements in it cannot be true."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Literal

import msgspec

import wire.units
from wire.errors import BadData
from wire.quantities import QUANTITIES

Kind = Literal["u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64", "bcd", "string"]
Grade = Literal["A", "A-", "B+", "B", "C"]
WORDS = {"u16": 1, "i16": 1, "u32": 2, "i32": 2, "f32": 2, "u64": 4, "i64": 4, "f64": 4}
PROTOCOL_MAX_WORDS = 125


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a number or text stands. `at` is zero-based; `length` (registers) only for bcd, string."""

    at: int
    as_: Kind = msgspec.field(name="as")
    fc: Literal[3, 4] = 3
    words: Literal["big", "little"] = "big"
    length: int | None = None

    @property
    def size(self) -> int:
        """Registers it occupies."""
        return self.length or WORDS[self.as_]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A further register, written like the first, whose number is added to it."""

    at: int


class Register(Place, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One quantity. See the package docstring for the keys."""

    unit: str
    decimals: int | None = None
    scale: str = "1"
    sentinel: str | None = None
    modulus: str | None = None
    optional: bool = False
    secondary: bool = False
    plus: tuple[Part, ...] = ()

    @property
    def starts(self) -> tuple[int, ...]:
        """Addresses of the register and the parts added to it."""
        return (self.at, *(part.at for part in self.plus))


class IdentityRegister(Place, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Tells one meter from another. `expect`: what every meter of this model answers, as text."""

    expect: tuple[str, ...] = ()


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The meter's own number and its model code, as far as the model has them."""

    serial: IdentityRegister | None = None
    model: IdentityRegister | None = None

    def places(self) -> Iterator[tuple[str, IdentityRegister]]:
        """`serial` and `model`, those that exist."""
        for name in ("serial", "model"):
            place: IdentityRegister | None = getattr(self, name)
            if place is not None:
                yield name, place


class Serial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the line must be set to for a meter as it leaves the factory."""

    baud: int = 9600
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one request may ask for, in registers, and the rest a meter needs between two, in ms."""

    max_words: int = PROTOCOL_MAX_WORDS
    max_hole: int = 0
    even: bool = False
    min_gap_ms: int = 0


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One meter model. `registers` maps a quantity of `wire.quantities` to where it stands."""

    vendor: str
    model: str
    grade: Grade
    source: str
    registers: dict[str, Register]
    serial: Serial | None = None
    limits: Limits = Limits()
    identity: Identity = Identity()


def factor(quantity: str, register: Register) -> Fraction:
    """Raw number times this is the value in the quantity's unit, exactly."""
    unit = QUANTITIES[quantity].unit
    same = register.unit == unit
    return Fraction(register.scale) * (1 if same else wire.units.convert(register.unit, unit))


def problems(profile: Profile) -> Iterator[tuple[str, str]]:
    """(key, what is wrong with it) for everything that cannot be true. None if all is well."""
    limits = profile.limits
    if not 1 <= limits.max_words <= PROTOCOL_MAX_WORDS:
        yield "limits.max_words", f"must be 1 to {PROTOCOL_MAX_WORDS}"
    if limits.max_hole < 0 or limits.min_gap_ms < 0:
        yield "limits", "max_hole and min_gap_ms cannot be negative"
    if not profile.registers:
        yield "registers", "a meter without registers cannot be read"
    for quantity, register in profile.registers.items():
        key = f"registers.{quantity}"
        for problem in (*_about_place(register, limits), *_about_value(quantity, register)):
            yield key, problem
    for name, place in profile.identity.places():
        for problem in _about_place(place, limits):
            yield f"identity.{name}", problem
    yield from _overlaps(profile)


def _about_place(place: Place, limits: Limits) -> Iterator[str]:
    if (place.as_ in WORDS) != (place.length is None):
        yield "length is for bcd and string, which need it"
        return
    starts = place.starts if isinstance(place, Register) else (place.at,)
    first, after = min(starts), max(starts) + place.size
    if first < 0 or after > 65536:
        yield "at must lie in 0 to 65535, zero-based"
    if after - first > limits.max_words:
        yield f"spans {after - first} registers, one request carries {limits.max_words}"
    if limits.even and any(at % 2 for at in starts):
        yield "odd address, but limits.even = true"


def _about_value(quantity: str, register: Register) -> Iterator[str]:
    if quantity not in QUANTITIES:
        yield "no such quantity"
        return
    if register.as_ == "string":
        yield "a string is not a number"
    if register.as_ in ("f32", "f64") and register.decimals is None:
        yield "decimals is missing: say to which decimal the float is rounded"
    if register.decimals is not None and register.decimals < 0:
        yield "decimals cannot be negative"
    if register.sentinel is not None and not _is_hex(register.sentinel, 4 * register.size):
        yield f"sentinel must be {4 * register.size} hex digits"
    for name in ("scale", "modulus"):
        text = getattr(register, name)
        if text is not None and not _is_positive(text):
            yield f"{name} must be a positive decimal in quotes"
            return
    if register.modulus is not None and not QUANTITIES[quantity].cumulative:
        yield "modulus is for cumulative quantities"
    try:
        factor(quantity, register)
    except BadData:
        yield f"unit {register.unit} cannot become {QUANTITIES[quantity].unit}"


def _overlaps(profile: Profile) -> Iterator[tuple[str, str]]:
    taken: list[tuple[int, int, int, str]] = []
    for name, place in profile.identity.places():
        taken.append((place.fc, place.at, place.size, f"identity.{name}"))
    for quantity, register in profile.registers.items():
        key = f"registers.{quantity}"
        taken.extend((register.fc, at, register.size, key) for at in register.starts)
    taken.sort()
    for (fc, at, size, key), (next_fc, next_at, _, next_key) in pairwise(taken):
        if fc == next_fc and next_at < at + size:
            yield next_key, f"overlaps {key} at {next_at}"


def _is_hex(text: str, digits: int) -> bool:
    return len(text) == digits and all(c in "0123456789abcdef" for c in text)


def _is_positive(text: str) -> bool:
    whole, _, part = text.partition(".")
    return f"{whole}{part}".isdecimal() and bool(whole) and Fraction(text) > 0
