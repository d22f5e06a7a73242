"""Modbus reads as bytes: requests and answers, as RTU and TCP frames, for both ends of the line.

Frames are found by unit, function, length and check sum, never by silence: user space cannot
measure 3.5 characters, and a line carries echoes, noise and answers that come too late.
`find_answer` accepts nothing but the answer to the one request it is given; `find_request` is
the meter's end. Registers are 16-bit words, bytes inside a word most significant first.
Source: MODBUS Application Protocol Specification V1.1b3; MODBUS over Serial Line V1.02;
MODBUS Messaging on TCP/IP V1.0b.
"""

import struct
from dataclasses import dataclass
from typing import Literal

Framing = Literal["rtu", "tcp"]
MAX_WORDS = 125
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, DEVICE_FAILURE = 1, 2, 3, 4
EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledge",
    6: "device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target did not answer",
}
_MBAP = 7
_REQUEST = 8  # unit, function, address, count, CRC


@dataclass(frozen=True)
class Request:
    """A read of `count` registers from `address` (zero-based) with function 3 or 4."""

    unit: int
    function: int
    address: int
    count: int
    transaction: int = 0


@dataclass(frozen=True)
class Answer:
    """What a meter said: its registers, or the code with which it refused (then no words)."""

    words: tuple[int, ...]
    exception: int | None = None


def crc16(data: bytes) -> bytes:
    """The two check bytes of an RTU frame, in the order they travel."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC[(crc ^ byte) & 0xFF]
    return crc.to_bytes(2, "little")


def request_frame(request: Request, framing: Framing) -> bytes:
    """The bytes that ask."""
    pdu = struct.pack(">BHH", request.function, request.address, request.count)
    return _frame(request, pdu, framing)


def answer_frame(request: Request, answer: Answer, framing: Framing) -> bytes:
    """The bytes that answer `request`: the meter's end."""
    if answer.exception is not None:
        pdu = bytes((request.function | 0x80, answer.exception))
    else:
        size = len(answer.words)
        pdu = struct.pack(f">BB{size}H", request.function, 2 * size, *answer.words)
    return _frame(request, pdu, framing)


def answer_length(request: Request, framing: Framing) -> int:
    """Bytes of the full answer to `request`."""
    return 2 * request.count + (5 if framing == "rtu" else _MBAP + 2)


def find_answer(data: bytes, request: Request, framing: Framing) -> tuple[Answer | None, int]:
    """The answer to `request` in the bytes received so far, and how many of them it used up.

    (None, n): not there yet; the first n bytes can be forgotten. A frame of another unit,
    function, length or transaction, or with a wrong check sum, is never an answer.
    """
    if framing == "tcp":
        return _find_tcp_answer(data, request)
    for start in range(len(data)):
        for body in (2 * request.count + 3, 3):
            frame = data[start : start + body + 2]
            if len(frame) == body + 2 and frame[0] == request.unit:
                answer = _parse_answer(frame[1:-2], request)
                if answer is not None and crc16(frame[:-2]) == frame[-2:]:
                    return answer, start + body + 2
    return None, max(0, len(data) - answer_length(request, framing) + 1)


def find_request(data: bytes, framing: Framing) -> tuple[Request | None, int]:
    """The next whole read request in `data` and the bytes it used up: the meter's end.

    (None, n): none yet; the first n bytes can be forgotten.
    """
    if framing == "tcp":
        frame, used = _next_mbap(data)
        if frame is None or len(frame) != _MBAP + 5:
            return None, used
        transaction, _, _, unit, function, address, count = struct.unpack(">HHHBBHH", frame)
        return Request(unit, function, address, count, transaction), used
    for start in range(len(data) - _REQUEST + 1):
        frame = data[start : start + _REQUEST]
        if frame[1] in (3, 4) and crc16(frame[:-2]) == frame[-2:]:
            return Request(*struct.unpack(">BBHH", frame[:-2])), start + _REQUEST
    return None, max(0, len(data) - _REQUEST + 1)


def _frame(request: Request, pdu: bytes, framing: Framing) -> bytes:
    if framing == "rtu":
        body = bytes((request.unit,)) + pdu
        return body + crc16(body)
    return struct.pack(">HHHB", request.transaction, 0, len(pdu) + 1, request.unit) + pdu


def _find_tcp_answer(data: bytes, request: Request) -> tuple[Answer | None, int]:
    used = 0
    while True:
        frame, length = _next_mbap(data[used:])
        used += length
        if not length:
            return None, used
        if frame is None or int.from_bytes(frame[:2], "big") != request.transaction:
            continue
        answer = _parse_answer(frame[_MBAP:], request) if frame[6] == request.unit else None
        if answer is not None:
            return answer, used


def _next_mbap(data: bytes) -> tuple[bytes | None, int]:
    """The first whole frame and its length; (None, n): n bytes that are no frame of Modbus."""
    if len(data) < _MBAP:
        return None, 0
    protocol, length = struct.unpack(">HH", data[2:6])
    if not 2 <= length <= 254:
        return None, len(data)
    if len(data) < 6 + length:
        return None, 0
    return (data[: 6 + length] if protocol == 0 else None), 6 + length


def _parse_answer(pdu: bytes, request: Request) -> Answer | None:
    if len(pdu) == 2 and pdu[0] == request.function | 0x80:
        return Answer((), pdu[1])
    size = 2 * request.count
    if len(pdu) == size + 2 and pdu[0] == request.function and pdu[1] == size:
        return Answer(struct.unpack(f">{request.count}H", pdu[2:]))
    return None


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
        table.append(crc)
    return table


_CRC = _crc_table()
