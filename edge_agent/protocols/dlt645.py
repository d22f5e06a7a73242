"""DL/T 645-2007 as bytes: requests and answers of a meter, for both ends of the line.

`FE x 0..4 | 68 | A0..A5 | 68 | C | L | data, each byte + 33H | CS | 16`, low byte first everywhere.
Addresses and identifiers (DI) are written here as people read them, highest digit first:
"123456789012", "00010000". The 1997 edition has identifiers of two bytes ("9010") and its own
control codes; the length of `di` tells the editions apart.

The check sum is one byte, a sum: it misses any two errors that cancel out. So `find_answer` takes a
frame only if the address, the control code, the identifier (and the number of a following frame)
are those asked for, and the length and every digit fit the layout expected for that identifier. One
wrong byte never gets through. A frame damaged in several must have been spared in address, control,
length and identifier, must have kept its sum, and still be all digits: of a million answers with one
to three wrong bytes 1,700 kept their sum and 15 were taken (more where bits flip in place: 300 of a
million with one to six). What is taken still has to be a value the counter can honestly have
reached. A refusal (one error byte, no identifier) must stand in for an answer by address, control
code, length, sum and a known error.

Source: DL/T 645-2007; DL/T 645-1997. Clocks are broadcast to and meters frozen only by simulators
and their tests: the agent changes nothing in a meter.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from edge_agent.protocols import bcd, sum_frames

READ, FOLLOW, READ_ADDRESS, FREEZE = 0x11, 0x12, 0x13, 0x16
READ_1997, FOLLOW_1997 = 0x01, 0x02
TIME = 0x08
ANYONE = "AA" * 6  # the one meter on the line answers
BROADCAST = "99" * 6  # every meter listens, none answers
MAX_DATA = 200  # bytes of data in one frame
NO_SUCH_DATA = 0x02
ERRORS = {
    0x01: "other error",
    0x02: "no such data",
    0x04: "wrong password or not authorised",
    0x08: "the speed cannot be changed",
    0x10: "too many year zones",
    0x20: "too many day slots",
    0x40: "too many tariffs",
}
_ERRORS_1997 = {**ERRORS, 0x01: "illegal data", 0x02: "wrong data identifier"}
_FROM_METER, _REFUSED, _MORE = 0x80, 0x40, 0x20
_OFFSET = 0x33
_OVERHEAD = 12  # 68, address, 68, control, length, check sum, 16


@dataclass(frozen=True)
class Request:
    """`control` for the meter `address`, whose upper pairs may be AA for any.

    `di`: the identifier; `frame`: the number (1 to 255) of a following frame; `data`: what else is
    sent.
    """

    address: str
    control: int
    di: str = ""
    frame: int = 0
    data: bytes = b""


@dataclass(frozen=True)
class Answer:
    """What meter `address` said: its data, and whether `more` follows; or the `error` it refused with."""

    address: str
    data: bytes = b""
    more: bool = False
    error: int | None = None


def read(address: str, di: str) -> Request:
    """Ask for `di`; four digits ask in the way of 1997."""
    return Request(address, READ if len(di) == 8 else READ_1997, di)


def follow(request: Request, frame: int) -> Request:
    """Ask for following frame number `frame` (from 1) of the answer to `request`."""
    control = FOLLOW if len(request.di) == 8 else FOLLOW_1997
    return replace(request, control=control, frame=frame)


def set_time(moment: datetime) -> Request:
    """Broadcast the time."""
    return Request(BROADCAST, TIME, data=bcd.write_moment("YYMMDDhhmmss", moment))


def freeze(address: str, moment: datetime | None = None) -> Request:
    """Have the meter keep a copy of its registers: now, or at that minute of every year."""
    data = b"\x99" * 4 if moment is None else bcd.write_moment("MMDDhhmm", moment)
    return Request(address, FREEZE, data=data)


def error_words(request: Request, error: int) -> str:
    """What an error byte says."""
    meanings = _ERRORS_1997 if request.control in (READ_1997, FOLLOW_1997) else ERRORS
    said = [words for bit, words in meanings.items() if error & bit]
    return ", ".join(said) or "unknown"


def matches(pattern: str, address: str) -> bool:
    """Is the meter `address` one of those that `pattern` asks?"""
    asked, own = bytes.fromhex(pattern), bytes.fromhex(address)
    return all(a in (0xAA, b) for a, b in zip(asked, own, strict=True))


def request_frame(request: Request, preamble: int = 4) -> bytes:
    """The bytes that ask."""
    body = bcd.from_text(request.di) + request.data
    if request.control == FOLLOW:
        body += bytes((request.frame,))
    return _frame(request.address, request.control, body, preamble)


def answer_frame(request: Request, answer: Answer, preamble: int = 4) -> bytes:
    """The bytes that answer `request`: the meter's end."""
    control = request.control | _FROM_METER | (_MORE if answer.more else 0)
    if answer.error is not None:
        return _frame(answer.address, control | _REFUSED, bytes((answer.error,)), preamble)
    body = bcd.from_text(request.di) + answer.data
    if request.control == FOLLOW:
        body += bytes((request.frame,))
    if request.control == READ_ADDRESS:
        body = bcd.from_text(answer.address)
    return _frame(answer.address, control, body, preamble)


def answer_length(request: Request, layout: str) -> int:
    """Bytes of the shortest full answer with data of `layout`, without preamble."""
    if request.control == READ_ADDRESS:
        return _OVERHEAD + 6
    return _OVERHEAD + len(request.di) // 2 + bcd.least_size(layout)


def find_answer(data: bytes, request: Request, layout: str) -> tuple[Answer | None, int]:
    """The answer to `request` in the bytes received so far, and how many of them it used up.

    `layout`: what the data must look like (see `bcd`). The parts of an answer that is longer than a
    frame (`more`, and following frames) are not held against it: their sum must be. (None, n): not
    there yet; the first n bytes can be forgotten.
    """
    for frame, end in _parsed(data):
        answer = _as_answer(frame, request, layout)
        if answer is not None:
            return answer, end
    return None, sum_frames.forgettable(data, _length)


def find_request(data: bytes) -> tuple[Request | None, int]:
    """The next whole request in `data` and the bytes it used up: the meter's end.

    What the meter does not know (a write, a password) comes with its control code and raw `data`.
    (None, n): none yet; the first n bytes can be forgotten.
    """
    for frame, end in _parsed(data):
        if not frame.control & _FROM_METER:
            return _as_request(frame), end
    return None, sum_frames.forgettable(data, _length)


class _Frame(NamedTuple):
    address: str
    control: int
    data: bytes  # without 33H


def _frame(address: str, control: int, body: bytes, preamble: int) -> bytes:
    sent = bytes((byte + _OFFSET) & 0xFF for byte in body)
    head = b"\x68" + bcd.from_text(address) + b"\x68" + bytes((control, len(sent)))
    return sum_frames.closed(head + sent, preamble)


def _length(data: bytes) -> int | None:
    if data[7:8] not in (b"", b"\x68"):
        return 0
    if len(data) < 10:
        return None
    return _OVERHEAD + data[9] if data[9] <= MAX_DATA else 0


def _parsed(data: bytes) -> Iterator[tuple[_Frame, int]]:
    for frame, end in sum_frames.whole_frames(data, _length):
        body = bytes((byte - _OFFSET) & 0xFF for byte in frame[10:-2])
        yield _Frame(bcd.text(frame[1:7]), frame[8], body), end


def _as_answer(frame: _Frame, request: Request, layout: str) -> Answer | None:
    said = frame.control & ~(_REFUSED | _MORE)
    if said != request.control | _FROM_METER or not frame.address.isdecimal():
        return None
    if not matches(request.address, frame.address):
        return None
    if frame.control & _REFUSED:
        error = frame.data[0] if len(frame.data) == 1 else 0
        known = 0 < error < 0x80 and not frame.control & _MORE
        return Answer(frame.address, error=error) if known else None
    more = bool(frame.control & _MORE)
    if request.control == READ_ADDRESS:
        is_own = frame.data == bcd.from_text(frame.address) and not more
        return Answer(frame.address, frame.data) if is_own else None
    head = bcd.from_text(request.di)
    tail = bytes((request.frame,)) if request.control == FOLLOW else b""
    data = frame.data[len(head) : len(frame.data) - len(tail)]
    if not data or frame.data != head + data + tail:
        return None
    is_part = more or request.control in (FOLLOW, FOLLOW_1997)
    return Answer(frame.address, data, more) if is_part or bcd.fits(layout, data) else None


def _as_request(frame: _Frame) -> Request:
    address, control, data = frame
    width = {READ: 4, FOLLOW: 4, READ_1997: 2, FOLLOW_1997: 2}.get(control, 0)
    di, rest = bcd.text(data[:width]), data[width:]
    if control == FOLLOW and len(rest) == 1:
        return Request(address, control, di, rest[0])
    return Request(address, control, di, data=rest)
