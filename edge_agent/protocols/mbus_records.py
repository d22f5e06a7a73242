"""What an M-Bus meter says: the header of its telegram and the data records in it.

Numbers stay exact: an integer or BCD as it is, a float as the binary fraction it is, each times the
fraction its value information names. A meter's ways to say «not measured» (digits that are none,
the lowest integer, a float that is no number, an error code) give None. Whatever is not built as
the standard says is BadData, however much of it could be read.
Source: EN 13757-3, variable and fixed data structure; the M-Bus documentation, chapter 6.2.
"""

import math
import struct
from dataclasses import dataclass
from datetime import date, datetime, time
from fractions import Fraction

from edge_agent.protocols import mbus_dates, mbus_vif
from edge_agent.protocols.mbus import Frame, Secondary
from wire.errors import BadData

Raw = int | float | str | date | datetime | time | None
FUNCTIONS = ("instantaneous", "maximum", "minimum", "error")
APPLICATION_ERRORS = {
    0: "unspecified error",
    1: "CI field not implemented",
    2: "buffer too long",
    3: "too many records",
    4: "premature end of record",
    5: "more than 10 DIFEs",
    6: "more than 10 VIFEs",
    8: "application too busy",
    9: "too many readouts",
}
_LONG, _FIXED = (0x72, 0x76), (0x73, 0x77)
_SHORT, _NONE, _ERROR = 0x7A, 0x78, 0x70
_HIGH_BYTE_FIRST = 0x04  # bit of the CI field
_BINARY, _STORED = 0x01, 0x02  # bits of the fixed structure's status; 2 to 7 tell of faults
_ENCRYPTED = range(1, 16)
_INT = {1: 1, 2: 2, 3: 3, 4: 4, 6: 6, 7: 8}  # data field -> bytes
_BCD = {9: 1, 10: 2, 11: 3, 12: 4, 14: 6}
_EMPTY, _READOUT, _REAL, _VARIABLE = 0, 8, 5, 13
_MANUFACTURER, _MORE_FOLLOW, _FILLER = 0x0F, 0x1F, 0x2F
_MOST_EXTENSIONS = 10


class ApplicationError(BadData):
    """The meter answered that it will not: `code` is the standard's."""

    def __init__(self, code: int) -> None:
        said = APPLICATION_ERRORS.get(code, "unknown")
        super().__init__(f"answered application error {code} ({said})")
        self.code = code


@dataclass(frozen=True)
class Header:
    """Who speaks. `identity` is None in a telegram with a short header or none."""

    identity: Secondary | None
    access: int
    status: int

    @property
    def manufacturer(self) -> str:
        """The three letters, as «KAM»; empty if not said."""
        code = self.identity.manufacturer if self.identity else 0
        return "".join(chr(64 + (code >> shift & 31)) for shift in (10, 5, 0)) if code else ""

    @property
    def medium(self) -> str:
        """What is measured, in a word."""
        return mbus_vif.MEDIA.get(self.identity.medium, "other") if self.identity else ""


@dataclass(frozen=True)
class Record:
    """One value: which one it is, and what stands there."""

    kind: str
    function: str
    storage: int
    tariff: int
    subunit: int
    qualifiers: str  # hex of the extensions that qualify the kind; empty: none
    unit: str
    scale: Fraction
    raw: Raw

    @property
    def number(self) -> Fraction | None:
        """The exact value in `unit`; None if it is not measured or no number."""
        return Fraction(self.raw) * self.scale if isinstance(self.raw, int | float) else None


@dataclass(frozen=True)
class Telegram:
    """One answer, read. `more`: the meter has further telegrams."""

    header: Header
    records: tuple[Record, ...]
    more: bool = False


def decode(frame: Frame) -> Telegram:
    """The telegram in an answer. Raises BadData, ApplicationError where the meter refuses."""
    ci = frame.ci or 0
    if ci == _ERROR:
        raise ApplicationError(frame.data[0] if frame.data else 0)
    if ci not in (*_LONG, *_FIXED, _SHORT, _NONE):
        raise BadData(f"a telegram of kind {ci:02X} is not known")
    cursor = _Cursor(frame.data, high_first=bool(ci & _HIGH_BYTE_FIRST))
    if ci in _FIXED:
        return _fixed(cursor)
    header = _header(cursor, ci)
    records: list[Record] = []
    while not cursor.at_end:
        dif = cursor.byte()
        if dif in (_MANUFACTURER, _MORE_FOLLOW):
            return Telegram(header, tuple(records), dif == _MORE_FOLLOW)
        if dif != _FILLER:
            records.append(_record(dif, cursor))
    return Telegram(header, tuple(records))


def sender(frame: Frame) -> Secondary | None:
    """Whose answer this is, if it says so."""
    cursor = _Cursor(frame.data, high_first=bool((frame.ci or 0) & _HIGH_BYTE_FIRST))
    try:
        if frame.ci in _FIXED:
            return _fixed(cursor).header.identity
        return _identity(cursor) if frame.ci in _LONG else None
    except BadData:
        return None


class _Cursor:
    """The bytes of a telegram, taken one part after the other, low byte first."""

    def __init__(self, data: bytes, *, high_first: bool) -> None:
        self._data, self._at = data, 0
        self._high_first = high_first

    @property
    def at_end(self) -> bool:
        return self._at == len(self._data)

    def byte(self) -> int:
        return self.take(1)[0]

    def take(self, size: int) -> bytes:
        part = self.peek(size)
        if len(part) < size:
            raise BadData("the telegram ends inside a value")
        self._at += size
        return part[::-1] if self._high_first else part

    def peek(self, size: int) -> bytes:
        return self._data[self._at : self._at + size]

    def extended(self, first: int, name: str) -> bytes:
        """`first` and the extension bytes that its top bit and theirs announce."""
        found = [first]
        while found[-1] & 0x80:
            if len(found) > _MOST_EXTENSIONS:
                raise BadData(f"a record has more than {_MOST_EXTENSIONS} {name}")
            found.append(self.byte())
        return bytes(found)


def _header(cursor: _Cursor, ci: int) -> Header:
    if ci == _NONE:
        return Header(None, 0, 0)
    identity = _identity(cursor) if ci in _LONG else None
    access, status = cursor.byte(), cursor.byte()
    if int.from_bytes(cursor.take(2), "little") >> 8 & 31 in _ENCRYPTED:
        raise BadData("the telegram is encrypted; have the meter set to plain data")
    return Header(identity, access, status)


def _identity(cursor: _Cursor) -> Secondary:
    number, maker = cursor.take(4), cursor.take(2)
    version, medium = cursor.byte(), cursor.byte()
    return Secondary(number[::-1].hex().upper(), int.from_bytes(maker, "little"), version, medium)


def _fixed(cursor: _Cursor) -> Telegram:
    number, access, status = cursor.take(4)[::-1].hex().upper(), cursor.byte(), cursor.byte()
    codes = cursor.byte(), cursor.byte()
    medium = codes[0] >> 6 | codes[1] >> 6 << 2
    medium = mbus_vif.FIXED_SECOND_MODE.get(medium, medium)
    records = []
    for code in codes:
        as_first = code & 0x3F == mbus_vif.FIXED_AS_FIRST
        meaning = mbus_vif.FIXED.get((codes[0] if as_first else code) & 0x3F, mbus_vif.UNKNOWN)
        data = cursor.take(4)
        raw = _integer(data) if status & _BINARY else _bcd(data)
        storage = 1 if as_first or status & _STORED else 0
        records.append(
            Record(meaning.kind, FUNCTIONS[0], storage, 0, 0, "", meaning.unit, meaning.scale, raw)
        )
    return Telegram(Header(Secondary(number, 0, 0, medium), access, 0), tuple(records))


def _record(dif: int, cursor: _Cursor) -> Record:
    difs = cursor.extended(dif, "DIFEs")
    storage, tariff, subunit = dif >> 6 & 1, 0, 0
    for n, dife in enumerate(difs[1:]):
        storage |= (dife & 15) << (4 * n + 1)
        tariff |= (dife >> 4 & 3) << (2 * n)
        subunit |= (dife >> 6 & 1) << n
    meaning = _meaning(cursor)
    raw = _value(dif & 15, meaning.kind, cursor)
    return Record(
        meaning.kind,
        FUNCTIONS[dif >> 4 & 3],
        storage,
        tariff,
        subunit,
        meaning.qualifiers.hex(),
        meaning.unit,
        meaning.scale,
        raw if meaning.is_measured else None,
    )


def _meaning(cursor: _Cursor) -> mbus_vif.Meaning:
    vif = cursor.byte()
    if vif & 0x7F != mbus_vif.PLAIN_TEXT:
        return mbus_vif.meaning(cursor.extended(vif, "VIFEs"))
    # The unit's text stands behind the first byte in some meters, behind the last in others.
    size = (cursor.peek(1) or b"\0")[0]
    is_first = cursor.peek(1 + size)[1:].decode("latin-1").isprintable()
    text = _text(cursor.take(cursor.byte())) if is_first else ""
    vib = cursor.extended(vif, "VIFEs")
    return mbus_vif.meaning(vib, text if is_first else _text(cursor.take(cursor.byte())))


def _value(field: int, kind: str, cursor: _Cursor) -> Raw:
    if field in _INT:
        data = cursor.take(_INT[field])
        if kind in mbus_vif.DATES:
            return mbus_dates.read(data)
        return int.from_bytes(data, "little") if kind in mbus_vif.FLAGS else _integer(data)
    if field in _BCD:
        return _bcd(cursor.take(_BCD[field]))
    if field == _REAL:
        number = float(struct.unpack("<f", cursor.take(4))[0])
        return number if math.isfinite(number) else None
    if field == _VARIABLE:
        return _variable(cursor)
    if field in (_EMPTY, _READOUT):
        return None
    raise BadData("a record has a reserved data field")


def _variable(cursor: _Cursor) -> Raw:
    size = cursor.byte()
    if size <= 0xBF:
        return _text(cursor.take(size))
    if size <= 0xC9:
        return _bcd(cursor.take(size - 0xC0))
    if 0xD0 <= size <= 0xD9:
        number = _bcd(cursor.take(size - 0xD0))
        return None if number is None else -number
    if 0xE0 <= size <= 0xF6:
        length = {0xF5: 48, 0xF6: 64}.get(size, 4 * (size - 0xEC))
        return _integer(cursor.take(size - 0xE0 if size <= 0xEF else length))
    raise BadData(f"a value of variable length has the reserved length {size:02X}")


def _integer(data: bytes) -> int | None:
    """A signed number, low byte first; the lowest one stands for «invalid»."""
    number = int.from_bytes(data, "little", signed=True)
    return None if data and number == -(1 << 8 * len(data) - 1) else number


def _bcd(data: bytes) -> int | None:
    """Decimal digits, low byte first; a leading F is a minus, any other letter no number."""
    digits = data[::-1].hex()
    if digits[:1] == "f" and digits[1:].isdecimal():
        return -int(digits[1:])
    return int(digits or "0") if digits.isdecimal() or not digits else None


def _text(data: bytes) -> str:
    """Text travels with its last letter first."""
    return data[::-1].decode("latin-1")
