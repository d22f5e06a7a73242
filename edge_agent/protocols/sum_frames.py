"""Frames from 68 to 16 whose check byte is the sum of all before it: DL/T 645 and CJ/T 188.

Frames are found by their length and sum at every 68, never by silence: noise, echoes and the first
bytes of a broken frame look like a beginning too and must not hide the sound frame behind them.
"""

from collections.abc import Callable, Iterator

# The length of the frame that begins these bytes; 0: none does; None: more bytes must tell.
Length = Callable[[bytes], int | None]


def whole_frames(data: bytes, length: Length) -> Iterator[tuple[bytes, int]]:
    """Every sound frame in `data` and where it ends."""
    for start, size in _beginnings(data, length):
        if size is not None and start + size <= len(data):
            frame = data[start : start + size]
            if frame[-1] == 0x16 and sum(frame[:-2]) & 0xFF == frame[-2]:
                yield frame, start + size


def forgettable(data: bytes, length: Length) -> int:
    """How many bytes at the front can belong to no frame that is still to be completed."""
    for start, size in _beginnings(data, length):
        if size is None or start + size > len(data):
            return start
    return len(data)


def closed(frame: bytes, preamble: int) -> bytes:
    """The frame with its check byte and end, behind `preamble` bytes that wake the line."""
    return b"\xfe" * preamble + frame + bytes((sum(frame) & 0xFF, 0x16))


def _beginnings(data: bytes, length: Length) -> Iterator[tuple[int, int | None]]:
    start = data.find(0x68)
    while start >= 0:
        size = length(data[start:])
        if size != 0:
            yield start, size
        start = data.find(0x68, start + 1)
