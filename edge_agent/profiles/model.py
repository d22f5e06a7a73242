"""What every meter profile says, whatever its protocol, and which statements cannot be true."""

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Literal

import msgspec

import wire.units
from wire.errors import BadData
from wire.quantities import QUANTITIES

Grade = Literal["A", "A-", "B+", "B", "C"]
_MOST_DECIMALS = 12


class Meaning(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a raw number means. Protocols add where it stands and how it is written.

    value = raw * `scale` + `offset`, in `unit`. `decimals`: the resolution in the quantity's unit
    to which it is rounded half to even. `modulus`: where the counter starts again at 0, in `unit`.
    `valid`: least and most raw number; outside it nothing was measured.
    """

    unit: str
    decimals: int | None = None
    scale: str = "1"
    offset: str = "0"
    valid: tuple[str, str] | None = None
    modulus: str | None = None
    optional: bool = False
    secondary: bool = False

    @property
    def is_float32(self) -> bool:
        """Whether it is written with the 24 binary digits of a 32-bit float."""
        return False

    @property
    def where(self) -> str:
        """Where the number stands in the meter and how it is written, for a person."""
        raise NotImplementedError  # of each protocol its own


class Serial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the line must be set to for a meter as it leaves the factory."""

    baud: int = 9600
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One meter model. `registers` maps a quantity of `wire.quantities` to where it stands.

    `note`: what an installer of this model must know.
    """

    vendor: str
    model: str
    grade: Grade
    source: str
    note: str = ""
    protocol: str = "modbus"
    serial: Serial | None = None

    @property
    def meanings(self) -> Mapping[str, Meaning]:
        """What the model can tell, by quantity."""
        raise NotImplementedError  # of each protocol its own

    def rules(self) -> Iterator[str]:
        """How one asks this model and how it is recognised, a line each, for a person."""
        return iter(())


def factor(quantity: str, meaning: Meaning) -> Fraction:
    """Raw number times this is the value in the quantity's unit, exactly."""
    return Fraction(meaning.scale) * _to_quantity(quantity, meaning)


def offset(quantity: str, meaning: Meaning) -> Fraction:
    """What is added to that, in the quantity's unit."""
    return Fraction(meaning.offset) * _to_quantity(quantity, meaning)


def problems(profile: Profile) -> Iterator[tuple[str, str]]:
    """(key, what is wrong with it) for everything that cannot be true of any meter."""
    if not profile.meanings:
        yield "registers", "a meter without registers cannot be read"
    for quantity, meaning in profile.meanings.items():
        for problem in _about(quantity, meaning):
            yield f"registers.{quantity}", problem


def _to_quantity(quantity: str, meaning: Meaning) -> Fraction:
    unit = QUANTITIES[quantity].unit
    return Fraction(1) if meaning.unit == unit else wire.units.convert(meaning.unit, unit)


def _about(quantity: str, meaning: Meaning) -> Iterator[str]:
    if quantity not in QUANTITIES:
        yield "no such quantity"
        return
    if meaning.decimals is not None and not 0 <= meaning.decimals <= _MOST_DECIMALS:
        yield f"decimals must be 0 to {_MOST_DECIMALS}"
    for name in ("scale", "modulus"):
        text = getattr(meaning, name)
        if text is not None and not is_positive(text):
            yield f"{name} must be a positive decimal in quotes"
            return
    if not _is_decimal(meaning.offset) or not all(map(_is_decimal, meaning.valid or ())):
        yield "offset and valid are decimals in quotes"
        return
    if meaning.valid is not None and Fraction(meaning.valid[0]) > Fraction(meaning.valid[1]):
        yield "valid is [least, most]"
    if QUANTITIES[quantity].cumulative:
        if meaning.offset != "0":
            yield "a counter has no offset"
    elif meaning.modulus is not None:
        yield "modulus is for cumulative quantities"
    try:
        factor(quantity, meaning)
    except BadData:
        yield f"unit {meaning.unit} cannot become {QUANTITIES[quantity].unit}"


def is_positive(text: str) -> bool:
    """Whether `text` is a decimal, or a fraction as 1/3, above 0."""
    return _is_decimal(text) and Fraction(text) > 0


def _is_decimal(text: str) -> bool:
    return re.fullmatch(r"-?([0-9]+([.][0-9]+)?|[0-9]+/[1-9][0-9]*)", text) is not None
