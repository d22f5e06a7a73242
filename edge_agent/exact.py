"""Exact decimal numbers: a value on the wire, a fraction in between, a string for people. Pure."""

import math
from fractions import Fraction

from wire.messages import Value


def as_fraction(value: Value) -> Fraction:
    """The value as one exact number."""
    mantissa, exponent = value
    return Fraction(mantissa * 10**exponent) if exponent >= 0 else Fraction(mantissa, 10**-exponent)


def as_decimal(number: Fraction) -> str:
    """An exact decimal string. Raises ValueError for a number that has none, as 1/3."""
    exponent = finite_exponent(number)
    if exponent is None:
        raise ValueError(f"{number} has no finite decimal")
    digits = str(abs(int(number * 10**-exponent))).zfill(1 - exponent)
    whole, part = digits[: len(digits) + exponent], digits[len(digits) + exponent :]
    return ("-" if number < 0 else "") + whole + (f".{part}" if part else "")


def finite_exponent(number: Fraction) -> int | None:
    """The largest exponent, 0 at most, at which `number` is a whole mantissa; None if none is."""
    rest, digits = number.denominator, 0
    while rest % 2 == 0 or rest % 5 == 0:
        rest //= math.gcd(rest, 10)
        digits += 1
    return -digits if rest == 1 else None


def half_even(top: int, bottom: int) -> int:
    """top / bottom (bottom > 0) to the nearest whole number, the half to the even one."""
    whole, rest = divmod(top, bottom)
    if 2 * rest > bottom or (2 * rest == bottom and whole % 2):
        return whole + 1
    return whole
