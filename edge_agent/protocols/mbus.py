"""Wired M-Bus: frames on the line, primary and secondary addresses. What a telegram says is read in
`mbus_records`.

    short  10 C A CS 16            long  68 L L 68 C A CI data CS 16            acknowledgement  E5

CS is the sum of C to the last data byte, L their number. A frame is found by start, length, check
sum and stop, never by silence: a line carries echoes, noise and answers that come too late. A meter
has a primary address (0 to 250) or is selected by its secondary address: number, manufacturer,
version and medium, any of them or any digit of the number left open. The selected one then answers
at 253, under the primary address it happens to have.
Source: EN 13757-2; the M-Bus documentation of the M-Bus user group, chapters 5 and 7.1.
"""

from dataclasses import dataclass

ACK = b"\xe5"
MAX_PRIMARY, SELECTED, ANY, ALL = 250, 253, 254, 255
SND_NKE, SND_UD, REQ_UD2 = 0x40, 0x53, 0x5B
_RSP_UD = 0x08
_FCB = 0x20
_SELECT = 0x52
_START, _SHORT, _STOP = 0x68, 0x10, 0x16
_LEAST = 3  # C, A, CI


@dataclass(frozen=True)
class Frame:
    """What stands between start and check sum. `ci` and `data` only in long frames."""

    control: int
    address: int
    ci: int | None = None
    data: bytes = b""


@dataclass(frozen=True)
class Secondary:
    """A secondary address. A digit F of `number` (8 digits), FFFF, FF and FF leave the part open."""

    number: str
    manufacturer: int = 0xFFFF
    version: int = 0xFF
    medium: int = 0xFF

    def covers(self, other: "Secondary") -> bool:
        """Is a meter of the address `other` selected by this one?"""
        return (
            all(mine in ("F", digit) for mine, digit in zip(self.number, other.number))
            and self.manufacturer in (0xFFFF, other.manufacturer)
            and self.version in (0xFF, other.version)
            and self.medium in (0xFF, other.medium)
        )

    def __str__(self) -> str:
        """16 digits, the manufacturer's two bytes as they travel."""
        maker = self.manufacturer.to_bytes(2, "little").hex().upper()
        return f"{self.number}{maker}{self.version:02X}{self.medium:02X}"


def parse_secondary(text: str) -> Secondary:
    """An address of 8 digits (the number alone) or 16. Raises ValueError."""
    digits = text.upper()
    if len(digits) not in (8, 16) or any(c not in "0123456789ABCDEF" for c in digits):
        raise ValueError("a secondary address has 8 or 16 digits; F leaves a digit open")
    number, rest = digits[:8], bytes.fromhex(digits[8:] or "FFFFFFFF")
    return Secondary(number, int.from_bytes(rest[:2], "little"), rest[2], rest[3])


def reset(address: int) -> bytes:
    """SND_NKE: the next request gets the first telegram; at 253 the selection ends."""
    return frame_bytes(Frame(SND_NKE, address))


def request(address: int, *, toggle: bool) -> bytes:
    """REQ_UD2. `toggle` is true first after a reset and changes for each further telegram."""
    return frame_bytes(Frame(REQ_UD2 | (_FCB if toggle else 0), address))


def select(secondary: Secondary) -> bytes:
    """Whoever has this address says E5 and listens at 253, all others no longer do."""
    return frame_bytes(Frame(SND_UD, SELECTED, _SELECT, _selection(secondary)))


def selected(frame: Frame) -> Secondary | None:
    """The address a selection asks for; None for any other frame. The meter's end."""
    if frame.ci != _SELECT or frame.control & ~_FCB != SND_UD or len(frame.data) != 8:
        return None
    data = frame.data
    maker = int.from_bytes(data[4:6], "little")
    return Secondary(data[3::-1].hex().upper(), maker, data[6], data[7])


def frame_bytes(frame: Frame) -> bytes:
    """A frame as it travels."""
    body = bytes((frame.control, frame.address))
    if frame.ci is None:
        return bytes((_SHORT,)) + body + _tail(body)
    body += bytes((frame.ci,)) + frame.data
    return bytes((_START, len(body), len(body), _START)) + body + _tail(body)


def find_answer(data: bytes, address: int) -> tuple[Frame | None, int]:
    """The answer (RSP_UD) of `address` in the bytes received so far, and how many it used up.

    (None, n): not there yet; the first n bytes can be forgotten. At 253 and 254 a meter answers
    with an address of its own, which is then not looked at.
    """
    for start in range(len(data)):
        frame, size = _frame_at(data, start)
        if frame is None:
            continue
        is_answer = frame.ci is not None and frame.control & ~0x30 == _RSP_UD
        if is_answer and (frame.address == address or address in (SELECTED, ANY)):
            return frame, start + size
    return None, _forget(data)


def find_request(data: bytes) -> tuple[Frame | None, int]:
    """The next whole frame in `data`, and the bytes it used up: the meter's end."""
    for start in range(len(data)):
        frame, size = _frame_at(data, start)
        if frame is not None:
            return frame, start + size
    return None, _forget(data)


def find_ack(data: bytes, sent: bytes) -> tuple[bytes | None, int]:
    """The acknowledgement of `sent`, whose own echo, which may hold an E5, is passed over."""
    is_echo = bool(data) and sent.startswith(data[: len(sent)])
    found = data.find(ACK, len(sent) if is_echo else 0)
    return (ACK, found + 1) if found >= 0 else (None, 0)


def _selection(secondary: Secondary) -> bytes:
    maker = secondary.manufacturer.to_bytes(2, "little")
    number = bytes.fromhex(secondary.number)[::-1]
    return number + maker + bytes((secondary.version, secondary.medium))


def _tail(body: bytes) -> bytes:
    return bytes((sum(body) & 0xFF, _STOP))


def _frame_at(data: bytes, start: int) -> tuple[Frame | None, int]:
    """The whole and sound frame that begins at `start`, and its length."""
    if data[start] == _SHORT and len(data) >= start + 5:
        body, end = data[start + 1 : start + 3], data[start + 3 : start + 5]
        return (Frame(body[0], body[1]), 5) if end == _tail(body) else (None, 0)
    if data[start] != _START or len(data) < start + 6 + _LEAST:
        return None, 0
    size = data[start + 1]
    if size < _LEAST or data[start + 2] != size or data[start + 3] != _START:
        return None, 0
    body = data[start + 4 : start + 4 + size]
    if data[start + 4 + size : start + 6 + size] != _tail(body):
        return None, 0
    return Frame(body[0], body[1], body[2], body[3:]), 6 + size


def _forget(data: bytes) -> int:
    """Bytes before the first place where a frame may have begun."""
    for start in range(len(data)):
        rest = data[start:]
        if rest[0] == _SHORT and len(rest) < 5:
            return start
        if rest[0] == _START and _may_become_long(rest):
            return start
    return len(data)


def _may_become_long(rest: bytes) -> bool:
    if len(rest) > 1 and (rest[1] < _LEAST or len(rest) >= rest[1] + 6):
        return False
    return rest[2:3] in (b"", rest[1:2]) and rest[3:4] in (b"", bytes((_START,)))
