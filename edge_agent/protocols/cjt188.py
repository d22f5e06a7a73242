"""CJ/T 188-2004 as bytes: reads of water, heat and gas meters, for both ends of the line.

`FE x 0..4 | 68 | T | A0..A6 | C | L | DI0 DI1 SER data | CS | 16`, low byte first, nothing added to
the bytes. T is the kind of meter; address and identifier (DI) are written here as people read them,
as the standard prints them: fourteen digits, "901F". Many meters send the identifier's bytes the
other way round (`di_reversed`), and some a value's unit before its digits; a layout says which:
`XXXXXX.XXU` or `UXXXXXX.XX`, where `U` is the unit byte; the rest is as in `bcd`.

The check sum is one byte, a sum. So an answer counts only if kind, address, control code,
identifier and the number SER are those asked for, the length and every digit fit the layout, and
every unit is one of the table. One wrong byte never gets through; what must come together for more
than one to pass is the same as in `dlt645`.

Source: CJ/T 188-2004.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from edge_agent.protocols import bcd, sum_frames

READ, READ_ADDRESS = 0x01, 0x03
COUNTERS, ADDRESS = "901F", "810A"
ANY_KIND, ANYONE = 0xAA, "AA" * 7
COLD_WATER, HOT_WATER, DRINKING_WATER, GREY_WATER = 0x10, 0x11, 0x12, 0x13
HEAT, COOLING, GAS, ELECTRICITY = 0x20, 0x21, 0x30, 0x40
# unit byte -> unit, and the power of ten one count of it is
UNITS = {
    0x01: ("kJ", -3),
    0x02: ("Wh", 0),
    0x05: ("kWh", 0),
    0x08: ("MWh", 0),
    0x0A: ("MWh", 2),
    0x0B: ("kJ", 0),
    0x0E: ("MJ", 0),
    0x11: ("GJ", 0),
    0x13: ("GJ", 2),
    0x14: ("W", 0),
    0x17: ("W", 3),
    0x1A: ("W", 6),
    0x29: ("L", 0),
    0x2C: ("m3", 0),
    0x32: ("m3/h", -3),
    0x35: ("m3/h", 0),
}
# What the standard's meters answer to 901F. Its clock is passed over: meters without one fill it
# with anything.
WATER_LAYOUT = "XXXXXX.XXU XXXXXX.XXU BBBBBBB BB"  # now, settlement day; clock, state
HEAT_LAYOUT = (
    "XXXXXX.XXU XXXXXX.XXU XXXXXX.XXU XXXX.XXXXU XXXXXX.XXU"  # settled, now, power, flow, volume
    " XXXX.XX XXXX.XX XXXXXX BBBBBBB BB"  # supply and return, hours; clock, state
)
_FROM_METER, _REFUSED = 0x80, 0x40
_OVERHEAD = 13  # 68, kind, address, control, length, check sum, 16
_MAX_DATA = 100


@dataclass(frozen=True)
class Request:
    """Ask the meter `address` of `kind` for `di`; `serial` (0 to 255) comes back with the answer."""

    kind: int
    address: str
    di: str = COUNTERS
    serial: int = 0
    control: int = READ
    di_reversed: bool = False


@dataclass(frozen=True)
class Answer:
    """What meter `address` of `kind` said: its data, or the state bytes with which it refused."""

    kind: int
    address: str
    data: bytes = b""
    refusal: bytes | None = None


def read_address(kind: int = ANY_KIND, serial: int = 0, di_reversed: bool = False) -> Request:
    """Ask the one meter on the line for its address."""
    return Request(kind, ANYONE, ADDRESS, serial, READ_ADDRESS, di_reversed)


def matches(request: Request, kind: int, address: str) -> bool:
    """Is the meter `address` of `kind` one of those asked?"""
    asked, own = bytes.fromhex(request.address), bytes.fromhex(address)
    is_kind = request.kind in (ANY_KIND, kind)
    return is_kind and all(a in (0xAA, b) for a, b in zip(asked, own, strict=True))


def request_frame(request: Request, preamble: int = 3) -> bytes:
    """The bytes that ask."""
    head = bytes((request.kind,)) + bcd.from_text(request.address)
    return _frame(head, request.control, _echoed(request), preamble)


def answer_frame(request: Request, answer: Answer, preamble: int = 3) -> bytes:
    """The bytes that answer `request`: the meter's end."""
    head = bytes((answer.kind,)) + bcd.from_text(answer.address)
    control = request.control | _FROM_METER
    if answer.refusal is not None:
        body = bytes((request.serial,)) + answer.refusal
        return _frame(head, control | _REFUSED, body, preamble)
    return _frame(head, control, _echoed(request) + answer.data, preamble)


def answer_length(layout: str) -> int:
    """Bytes of a full answer with data of `layout`, without preamble."""
    return _OVERHEAD + 3 + bcd.least_size(_plain(layout))


def find_answer(data: bytes, request: Request, layout: str) -> tuple[Answer | None, int]:
    """The answer to `request` in the bytes received so far, and how many of them it used up.

    `layout`: what its data must look like; "" for none (the address). (None, n): not there yet; the
    first n bytes can be forgotten.
    """
    for frame, end in _parsed(data):
        answer = _as_answer(frame, request, layout)
        if answer is not None:
            return answer, end
    return None, sum_frames.forgettable(data, _length)


def find_request(data: bytes, di_reversed: bool = False) -> tuple[Request | None, int]:
    """The next whole read in `data` and the bytes it used up: the meter's end.

    (None, n): none yet; the first n bytes can be forgotten.
    """
    for frame, end in _parsed(data):
        if frame.control in (READ, READ_ADDRESS) and len(frame.data) == 3:
            di = frame.data[1::-1] if di_reversed else frame.data[:2]
            return Request(
                *(frame.kind, frame.address, di.hex().upper(), frame.data[2]),
                *(frame.control, di_reversed),
            ), end
    return None, sum_frames.forgettable(data, _length)


def read_numbers(layout: str, data: bytes) -> list[tuple[bcd.Value, str] | None]:
    """For each picture its exact number and unit ("" without one); `data` must fit.

    None: «not measured», or no number.
    """
    numbers: list[tuple[bcd.Value, str] | None] = []
    for digits, part, unit in _fields(layout, data):
        value = bcd.read_number(digits, part) if "X" in digits else None
        name, power = UNITS[unit[0]] if unit else ("", 0)
        numbers.append(None if value is None else ((value[0], value[1] + power), name))
    return numbers


class _Frame(NamedTuple):
    kind: int
    address: str
    control: int
    data: bytes


def _frame(head: bytes, control: int, body: bytes, preamble: int) -> bytes:
    return sum_frames.closed(b"\x68" + head + bytes((control, len(body))) + body, preamble)


def _length(data: bytes) -> int | None:
    if len(data) < 11:
        return None
    return _OVERHEAD + data[10] if data[10] <= _MAX_DATA else 0


def _parsed(data: bytes) -> Iterator[tuple[_Frame, int]]:
    for frame, end in sum_frames.whole_frames(data, _length):
        yield _Frame(frame[1], bcd.text(frame[2:9]), frame[9], frame[11:-2]), end


def _echoed(request: Request) -> bytes:
    di = bytes.fromhex(request.di)
    return (di[::-1] if request.di_reversed else di) + bytes((request.serial,))


def _plain(layout: str) -> str:
    return layout.replace("U", " B ")


def _as_answer(frame: _Frame, request: Request, layout: str) -> Answer | None:
    if not frame.address.isdecimal() or not matches(request, frame.kind, frame.address):
        return None
    control = request.control | _FROM_METER
    if frame.control == control | _REFUSED:
        is_ours = len(frame.data) == 3 and frame.data[0] == request.serial
        return Answer(frame.kind, frame.address, refusal=frame.data[1:]) if is_ours else None
    if frame.control != control or frame.data[:3] != _echoed(request):
        return None
    data = frame.data[3:]
    is_sound = _is_sound(layout, data) if layout else not data
    return Answer(frame.kind, frame.address, data) if is_sound else None


def _is_sound(layout: str, data: bytes) -> bool:
    if not bcd.fits(_plain(layout), data):
        return False
    return all(not unit or unit[0] in UNITS for _, _, unit in _fields(layout, data))


def _fields(layout: str, data: bytes) -> Iterator[tuple[str, bytes, bytes]]:
    """Each picture without U, its digits, and its unit byte if it has one."""
    parts = iter(bcd.split(_plain(layout), data) or ())
    for picture in layout.split():
        unit = next(parts)[1] if picture.startswith("U") else b""
        digits, part = next(parts)
        if picture.endswith("U"):
            unit = next(parts)[1]
        yield digits, part, unit
