"""IEC 62056-21 read-outs: what is said to a meter, and what it says.

    /?ADDRESS! CR LF              a request; the address is left out where one meter listens
    /XXXZ... CR LF                who answers: maker, a letter for the speed, the meter's own text
    ACK 0Z0 CR LF                 mode C: go on at the speed Z and send everything
    STX 1.8.0(000123.45*kWh) CR LF ... ! CR LF ETX BCC

Characters have 7 bits and even parity, which is 8 bits without parity on the wire: parity is made
and checked here, so that any adapter will do. One that removes it is told by bytes that have none.
The block check is the exclusive or of all that follows STX, up to and with ETX. A meter of mode A,
which its identification shows, may send neither STX nor check.
Source: IEC 62056-21, clause 6 and its annexes; IEC 62056-61 for the codes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from operator import xor

_ACK, _STX, _ETX = b"\x06", b"\x02", b"\x03"
# The letter of an identification -> speed. Digits are mode C, to be confirmed; letters mode B.
_CONFIRMED = {"0": 300, "1": 600, "2": 1200, "3": 2400, "4": 4800, "5": 9600, "6": 19200}
_ANNOUNCED = {"A": 600, "B": 1200, "C": 2400, "D": 4800, "E": 9600, "F": 19200}
_BAD_PARITY = 0xFF  # stands for a character whose parity was wrong
_LONGEST_IDENTIFICATION = 64
_IDENTIFICATION = re.compile(rb"/([A-Za-z]{3})([\x20-\x7e])([\x20-\x7e]{0,48})\r\n")
_PLAIN_END = b"!\r\n"
_ITEM = re.compile(r"([^()!/]*)((?:\([^()]*\))+)")
_TEXT = re.compile(r"\(([^()]*)\)")
_REDUCED = re.compile(r"(?:[0-9]+-[0-9]+:)?([0-9A-F.]+?)(?:[*&]255)?")
_VALUE = re.compile(r"([+-]?[0-9]+(?:[.,][0-9]+)?)(?:\*([^*&]*))?")
_UNITS: dict[str, tuple[str, Fraction]] = {
    name: (unit, Fraction(size))
    for unit, sizes in {
        "Wh": {"Wh": "1", "kWh": "1000", "MWh": "1000000", "GWh": "1000000000"}
        | {"kJ": "10/36", "MJ": "10000/36", "GJ": "10000000/36"},
        "varh": {"varh": "1", "kvarh": "1000", "Mvarh": "1000000"},
        "VAh": {"VAh": "1", "kVAh": "1000", "MVAh": "1000000"},
        "W": {"W": "1", "kW": "1000", "MW": "1000000"},
        "var": {"var": "1", "kvar": "1000"},
        "VA": {"VA": "1", "kVA": "1000"},
        "V": {"mV": "1/1000", "V": "1", "kV": "1000"},
        "A": {"mA": "1/1000", "A": "1", "kA": "1000"},
        "m3": {"L": "1/1000", "l": "1/1000", "m3": "1"},
        "m3/h": {"m3/h": "1", "m3ph": "1"},
        "degC": {"degC": "1", "C": "1"},
        "Hz": {"Hz": "1"},
        "bar": {"mbar": "1/1000", "bar": "1"},
    }.items()
    for name, size in sizes.items()
}


@dataclass(frozen=True)
class Identification:
    """Who answers; `letter` says how it goes on."""

    manufacturer: str
    letter: str
    text: str

    def __str__(self) -> str:
        """As it travels, without the slash."""
        return f"{self.manufacturer}{self.letter}{self.text}"

    @property
    def confirmed_baud(self) -> int | None:
        """Mode C: the speed after the acknowledgement. None in other modes."""
        return _CONFIRMED.get(self.letter)

    @property
    def announced_baud(self) -> int | None:
        """Mode B: the speed it goes on at by itself. None in other modes."""
        return _ANNOUNCED.get(self.letter)

    @property
    def may_be_plain(self) -> bool:
        """Mode A: what follows need not stand between STX and a check."""
        return self.letter not in _CONFIRMED and self.letter not in _ANNOUNCED


@dataclass(frozen=True)
class Item:
    """One value: its code as the meter writes it, and the texts in brackets behind it."""

    code: str
    texts: tuple[str, ...]

    @property
    def reduced(self) -> str:
        """The code without medium, channel and the mark of the present: 1-0:1.8.0*255 is 1.8.0."""
        found = _REDUCED.fullmatch(self.code)
        return found[1] if found else self.code

    @property
    def number(self) -> Decimal | None:
        """The number written first; None for anything else, as a meter's «ERROR» or «----»."""
        found = _VALUE.fullmatch(self.texts[0].strip())
        return Decimal(found[1].replace(",", ".")) if found else None

    @property
    def unit(self) -> str:
        """The unit written behind the first number; empty if none is."""
        found = _VALUE.fullmatch(self.texts[0].strip())
        return (found[2] or "") if found else ""


def request(address: str = "") -> bytes:
    """The request that wakes the meter `address`, or the only one."""
    return with_parity(f"/?{address}!\r\n".encode("ascii"))


def acknowledge(letter: str) -> bytes:
    """«Go on at the speed of this letter, and send everything.»"""
    return with_parity(_ACK + f"0{letter}0\r\n".encode("ascii"))


def letter_of(baud: int) -> str | None:
    """The letter a speed is confirmed with; None for a speed that has none."""
    return next((letter for letter, speed in _CONFIRMED.items() if speed == baud), None)


def identification_bytes(identification: Identification) -> bytes:
    """The meter's end of `find_identification`."""
    return with_parity(f"/{identification}\r\n".encode("ascii"))


def readout_bytes(text: str) -> bytes:
    """A read-out with its frame and check: the meter's end."""
    block = text.encode("ascii") + _ETX
    return with_parity(_STX + block + bytes((reduce(xor, block),)))


def find_identification(data: bytes) -> tuple[Identification | None, int]:
    """The identification in the bytes received so far, and how many it used up.

    (None, n): not there yet; the first n bytes can be forgotten.
    """
    found = _IDENTIFICATION.search(seven_bits(data))
    if found is None:
        return None, max(0, len(data) - _LONGEST_IDENTIFICATION)
    maker, letter, text = (part.decode("ascii") for part in found.groups())
    return Identification(maker, letter, text), found.end()


def find_readout(data: bytes, *, may_be_plain: bool = False) -> tuple[str | None, int]:
    """The text of a whole read-out in `data`, without its frame, and the bytes it used up.

    With `may_be_plain`, one without STX and check will do; not where STX has come.
    """
    if _ETX not in data and not may_be_plain:  # it has no parity bit; ask before all is looked at
        return None, 0
    text = seven_bits(data)
    start = text.find(_STX)
    while start >= 0:
        end = text.find(_ETX, start)
        if 0 <= end < len(text) - 1:
            block = text[start + 1 : end + 1]
            if reduce(xor, block) == text[end + 1] and _is_clean(block[:-1]):
                return block[:-1].decode("ascii"), end + 2
        start = text.find(_STX, start + 1)
    end = text.find(_PLAIN_END)
    if may_be_plain and end >= 0 and _is_clean(text[:end]):
        return text[: end + len(_PLAIN_END)].decode("ascii"), end + len(_PLAIN_END)
    return None, 0


def items(text: str) -> Iterator[Item]:
    """The values of a read-out. A line that is built otherwise holds none."""
    for line in text.partition("!")[0].split("\r\n"):
        at = 0
        while (found := _ITEM.match(line, at)) is not None:
            at = found.end()
            yield Item(found[1].strip(), tuple(_TEXT.findall(found[2])))


def ratio(unit: str, to: str) -> Fraction | None:
    """How many `to` one `unit` is, exactly; None if they measure different things."""
    if unit == to:
        return Fraction(1)
    if unit not in _UNITS or to not in _UNITS or _UNITS[unit][0] != _UNITS[to][0]:
        return None
    return _UNITS[unit][1] / _UNITS[to][1]


def with_parity(data: bytes) -> bytes:
    """7-bit characters with their even parity bit."""
    return bytes(byte | 0x80 if byte.bit_count() % 2 else byte for byte in data)


def seven_bits(data: bytes) -> bytes:
    """Characters without parity; one whose parity is wrong is none (FF).

    Where no byte has the parity bit, the adapter removed it: almost every text would have some.
    """
    if all(byte < 0x80 for byte in data):
        return data
    return bytes(_BAD_PARITY if byte.bit_count() % 2 else byte & 0x7F for byte in data)


def _is_clean(text: bytes) -> bool:
    """Nothing but characters a read-out has; noise that looks like one without a character is none."""
    return bool(text) and all(0x20 <= byte < 0x7F or byte in b"\r\n" for byte in text)
