"""Decimal strings and instants, read and written exactly."""

import re
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

from wire.reasons import shown

_DECIMAL = re.compile(r"([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?", re.ASCII)
_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])(\d\d):?(\d\d))",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_DIGITS = 60


def parse_decimal(text: str) -> tuple[int, int]:
    """(mantissa, exponent) with text = mantissa * 10**exponent. Raises ValueError."""
    match = _DECIMAL.fullmatch(text)
    if match is None or len(text) > MOST_DIGITS:
        raise ValueError(f'{shown(text)} is not a decimal string such as "12345.678"')
    sign, digits, decimals, exponent = match.groups(default="")
    return int(sign + digits + decimals), int(exponent or "0") - len(decimals)


def parse_fraction(text: str) -> Fraction:
    """The decimal string as an exact number. Raises ValueError."""
    mantissa, exponent = parse_decimal(text)
    return mantissa * Fraction(10) ** exponent


def parse_instant(text: str) -> int:
    """Milliseconds since the epoch, UTC; the text carries its zone. Raises ValueError."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{shown(text)} is not an instant with a zone such as 2026-11-21T08:00:00.000Z"
        )
    *date, decimals, _, sign, zone_h, zone_min = match.groups()
    decimals = decimals or ""
    if decimals[3:].strip("0"):
        raise ValueError(f"{shown(text)} is finer than a millisecond")
    offset = timedelta(hours=int(zone_h or 0), minutes=int(zone_min or 0))
    if offset >= timedelta(hours=24) or int(zone_min or 0) > 59:
        raise ValueError(f"{shown(text)} has an impossible zone")
    zone = timezone(-offset if sign == "-" else offset)
    try:
        year, month, day, hour, minute, second = map(int, date)
        since = datetime(year, month, day, hour, minute, second, tzinfo=zone) - _EPOCH
    except ValueError as exc:
        raise ValueError(f"{shown(text)} is not an instant: {exc}") from exc
    return since // timedelta(milliseconds=1) + int(decimals[:3].ljust(3, "0"))


def instant(t_ms: int) -> str:
    """The instant as text, UTC, milliseconds."""
    moment = _EPOCH + timedelta(milliseconds=t_ms)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def fixed(quanta: int, quanta_per_unit: int, digits: int) -> str:
    """Quanta in the unit, with the digits of a quantum."""
    return _point(quanta * 10**digits // quanta_per_unit, digits)


def shortest(number: Fraction) -> str:
    """A number that came from decimal strings, in its shortest decimal form."""
    digits = 0
    while (number * 10**digits).denominator != 1:
        digits += 1
    return _point(int(number * 10**digits), digits)


def significant(number: Fraction, digits: int = 12) -> str:
    """Rounded half-even to so many significant digits; no exponent, no trailing zeros."""
    if not number:
        return "0"
    top = len(str(abs(number.numerator))) - len(str(number.denominator))
    if abs(number) < Fraction(10) ** top:
        top -= 1
    decimals = digits - 1 - top
    rounded = round(number * Fraction(10) ** decimals)
    if decimals <= 0:
        return str(rounded * 10**-decimals)
    return _point(rounded, decimals).rstrip("0").rstrip(".")


def _point(mantissa: int, digits: int) -> str:
    sign, text = "-" if mantissa < 0 else "", str(abs(mantissa)).rjust(digits + 1, "0")
    return (
        f"{sign}{text[: len(text) - digits]}.{text[len(text) - digits :]}"
        if digits
        else sign + text
    )
