"""Pure: parts of a sum written as decimals that still add up to it, digit for digit."""

from collections.abc import Mapping
from decimal import Decimal, localcontext
from fractions import Fraction

from calc_stream.core.decimals import shortest, significant


def decimals_of(text: str) -> int:
    """How many digits stand after the point."""
    return len(text.partition(".")[2])


def closed(parts: Mapping[str, Fraction], whole: str, decimals: int) -> dict[str, str]:
    """Each half-even to so many decimals, the largest taking what is missing to the whole.

    Without parts there is nothing to write; a whole that is told is their sum.
    """
    if not parts:
        return {}
    scale = 10**decimals
    rounded = {name: round(part * scale) for name, part in sorted(parts.items())}
    missing = round(Fraction(whole) * scale) - sum(rounded.values())
    rounded[max(rounded, key=lambda name: abs(rounded[name]))] += missing
    return {name: shortest(Fraction(quanta, scale)) for name, quanta in rounded.items()}


def square_root(number: Fraction, digits: int) -> str:
    """To so many significant digits."""
    with localcontext(prec=40) as context:
        root = context.divide(Decimal(number.numerator), Decimal(number.denominator)).sqrt()
    return significant(Fraction(root), digits)
