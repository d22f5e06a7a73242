"""Decimal digits in bytes, two to a byte, lowest pair first, as DL/T 645 and CJ/T 188 write them.

A picture says what the digits mean, in the standards' own way: `XXXXXX.XX` is a number of eight
digits, two behind the point; `-XX.XXXX` the same with the sign in the top bit of the last byte;
`NNNNNN` is a text of digits; `YYMMDDhhmm` is a moment (`WW`, the weekday, is passed over); `B` is a
byte that may hold anything. A layout is what an answer carries: pictures with a space between,
`...` at its end for one or more like the last. A number or text of nothing but FF means «not
measured», a moment of nothing but 00 or FF «never».

`fits` is part of what makes an answer one: a damaged digit is often none (10 of 16 are digits).
"""

from collections.abc import Iterator
from datetime import UTC, datetime

Value = tuple[int, int]  # mantissa and power of ten, as in wire.messages

_RANGES = {"MM": (1, 12), "DD": (1, 31), "WW": (0, 7), "hh": (0, 23), "mm": (0, 59), "ss": (0, 59)}
_CODES = {"YY": "%y", "MM": "%m", "DD": "%d", "WW": "0%w", "hh": "%H", "mm": "%M", "ss": "%S"}


def size(picture: str) -> int:
    """Bytes a picture takes. Raises ValueError for what is no picture."""
    kinds = set(picture) - {"-", "."}
    digits = sum(c not in "-." for c in picture)
    if set(picture) == {"B"}:
        return digits
    is_number = kinds == {"X"} and picture.count(".") < 2 and "-" not in picture[1:]
    is_moment = bool(kinds) and kinds <= set("YMDWhms") and picture.isalpha()
    if digits % 2 or not (is_number or is_moment or (kinds == {"N"} and picture.isalpha())):
        raise ValueError(f"{picture!r} is no picture of digits, as XXXXXX.XX or YYMMDDhhmm")
    return digits // 2


def split(layout: str, data: bytes) -> list[tuple[str, bytes]] | None:
    """Each picture with its bytes; None if the lengths do not fit."""
    pictures = layout.split()
    if pictures[-1] == "...":
        pictures.pop()
        rest = len(data) - sum(size(picture) for picture in pictures)
        pictures += [pictures[-1]] * max(0, rest // size(pictures[-1]))
    if sum(size(picture) for picture in pictures) != len(data):
        return None
    parts, at = [], 0
    for picture in pictures:
        parts.append((picture, data[at : at + size(picture)]))
        at += size(picture)
    return parts


def least_size(layout: str) -> int:
    """Bytes of the shortest answer of this layout."""
    return sum(size(picture) for picture in layout.split() if picture != "...")


def fits(layout: str, data: bytes) -> bool:
    """Can `data` be an answer of this layout: length, every digit a digit, every moment one?"""
    parts = split(layout, data)
    return parts is not None and all(_is_sound(picture, part) for picture, part in parts)


def text(data: bytes) -> str:
    """The digits, highest first."""
    return data[::-1].hex().upper()


def from_text(digits: str) -> bytes:
    """The bytes of digits given highest first."""
    return bytes.fromhex(digits)[::-1]


def read_number(picture: str, data: bytes) -> Value | None:
    """The exact number, or None for «not measured». `data` must fit."""
    if _is_filled(data):
        return None
    sign = 1
    if picture.startswith("-"):
        sign = -1 if data[-1] & 0x80 else 1
        data = data[:-1] + bytes((data[-1] & 0x7F,))
    return sign * int(text(data)), -len(picture.partition(".")[2])


def write_number(picture: str, mantissa: int) -> bytes:
    """The bytes of mantissa * 10**-decimals. Raises ValueError if it has too many digits."""
    width = 2 * size(picture)
    digits = str(abs(mantissa)).zfill(width)
    signed = picture.startswith("-")
    if len(digits) > width or (mantissa < 0 and not signed) or (signed and digits[0] > "7"):
        raise ValueError(f"{mantissa} does not go into {picture}")
    data = from_text(digits)
    return data[:-1] + bytes((data[-1] | 0x80,)) if mantissa < 0 else data


def read_moment(picture: str, digits: str) -> datetime | None:
    """The moment written in `digits` (highest first), None for «never» and for no day of a calendar.

    A meter's clock knows no time zone: the moment is given as if its clock showed UTC.
    """
    pairs = {name: digits[at : at + 2] for name, at in _pairs(picture)}
    try:
        year, month, day, hour, minute, second = (
            int(pairs.get(name, "00")) for name in ("YY", "MM", "DD", "hh", "mm", "ss")
        )
        return datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def write_moment(picture: str, moment: datetime) -> bytes:
    """The bytes of a moment; its weekday counts from Sunday, 0."""
    digits = [moment.strftime(_CODES[name]) for name, _ in _pairs(picture)]
    if picture.startswith("YYYY"):
        digits[0] = "20"
    return from_text("".join(digits))


def _pairs(picture: str) -> Iterator[tuple[str, int]]:
    return ((picture[at : at + 2], at) for at in range(0, len(picture), 2))


def _is_filled(data: bytes) -> bool:
    return data.count(0xFF) == len(data)


def _is_sound(picture: str, data: bytes) -> bool:
    if picture.startswith("B") or _is_filled(data):
        return True
    if picture.startswith("-"):
        data = data[:-1] + bytes((data[-1] & 0x7F,))
    digits = text(data)
    if not digits.isdecimal():
        return False
    if picture[0] in "-.XN" or not data.strip(b"\0"):
        return True
    limits = (
        (_RANGES.get(name, (0, 99)), int(digits[at : at + 2])) for name, at in _pairs(picture)
    )
    return all(low <= number <= high for (low, high), number in limits)
