"""From a meter's raw number to the exact value of a quantity, whatever protocol it came by. Pure.

A value is (mantissa, exponent): mantissa * 10**exponent in the quantity's unit. The exponent
depends on the profile and the transformers' ratios alone. A float is taken for the binary fraction
it is and rounded half to even to the profile's `decimals`; nothing else is rounded, except where
the transformers' ratio has no finite decimal: there to a thousandth of the register's own step.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from edge_agent.exact import finite_exponent, half_even
from edge_agent.profiles import Meaning, factor, offset
from wire.messages import Value
from wire.quantities import QUANTITIES

ONE = Fraction(1)


class Number(Protocol):
    """An int, a finite float, a Decimal or a Fraction."""

    def as_integer_ratio(self) -> tuple[int, int]: ...


@dataclass(frozen=True)
class Scaling:
    """mantissa = (raw * `top` + `add`) / `bottom`, at `exponent`; None for a raw number outside."""

    exponent: int
    top: int
    add: int
    bottom: int
    valid: tuple[Fraction, Fraction] | None = None

    def value(self, number: Number) -> Value | None:
        """The exact value of one raw number."""
        return self.ratio(*number.as_integer_ratio())

    def ratio(self, top: int, bottom: int) -> Value | None:
        """The same of the raw number top / bottom (bottom > 0)."""
        if self.valid is not None and not self.valid[0] <= Fraction(top, bottom) <= self.valid[1]:
            return None
        return half_even(top * self.top + self.add * bottom, bottom * self.bottom), self.exponent


def scaling(quantity: str, meaning: Meaning, ct: Fraction = ONE, pt: Fraction = ONE) -> Scaling:
    """How raw numbers of `quantity` become values on the primary side of the transformers."""
    scale = worth(quantity, meaning, ct, pt)
    added = offset(quantity, meaning) * _ratio(quantity, meaning, ct, pt)
    exponent = _exponent(meaning, scale, added)
    scale *= Fraction(10) ** -exponent
    added *= Fraction(10) ** -exponent
    bottom = math.lcm(scale.denominator, added.denominator)
    valid = (Fraction(meaning.valid[0]), Fraction(meaning.valid[1])) if meaning.valid else None
    return Scaling(exponent, int(scale * bottom), int(added * bottom), bottom, valid)


def worth(quantity: str, meaning: Meaning, ct: Fraction, pt: Fraction) -> Fraction:
    """What one of a raw number is, in the quantity's unit on the primary side."""
    return factor(quantity, meaning) * _ratio(quantity, meaning, ct, pt)


def modulus(quantity: str, meaning: Meaning, ct: Fraction, pt: Fraction) -> Fraction | None:
    """Where the counter starts again at 0, in the quantity's unit on the primary side.

    None if the profile does not say, or the transformers' ratio leaves it no exact decimal.
    """
    if meaning.modulus is None:
        return None
    step = factor(quantity, meaning) / Fraction(meaning.scale)
    primary = Fraction(meaning.modulus) * step * _ratio(quantity, meaning, ct, pt)
    return None if finite_exponent(primary) is None else primary


def _ratio(quantity: str, meaning: Meaning, ct: Fraction, pt: Fraction) -> Fraction:
    """Secondary to primary: a current by CT, a voltage by PT, all else (power, energy) by both."""
    if not meaning.secondary:
        return ONE
    return {"A": ct, "V": pt}.get(QUANTITIES[quantity].unit, ct * pt)


def _exponent(meaning: Meaning, scale: Fraction, added: Fraction) -> int:
    if meaning.decimals is not None:
        return -meaning.decimals
    exact = finite_exponent(scale), finite_exponent(added)
    if exact[0] is None or exact[1] is None:
        return math.floor(math.log10(scale)) - 3
    return min(exact[0], exact[1])
