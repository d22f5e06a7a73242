"""Pure: files in one file, a zip that has exactly one form. Any zip program reads it.

Nothing is compressed and nothing is told of the files but name, size and checksum, so equal files
give equal bytes on every machine, and a byte that is changed anywhere is noticed.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping

from wire.errors import BadData

_VERSION, _MADE_BY = 20, 3 << 8 | 20  # of the format; on Unix
_DATE = 1 << 5 | 1  # 1980-01-01 00:00, the first a zip can tell
_ATTRIBUTES = 0o100644 << 16
_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_HEAD = struct.Struct("<4s5H3L2H")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_TAIL = struct.Struct("<4s4H2LH")
_MOST_BYTES, _MOST_FILES = 1 << 32, 1 << 16


def pack(files: Mapping[str, bytes]) -> bytes:
    """The files by name, in byte order. Raises BadData for more than a plain zip holds."""
    pieces: list[bytes] = []
    entries: list[bytes] = []
    at = 0
    for name, data in sorted(files.items()):
        raw, size = name.encode("ascii"), len(data)
        told = (_VERSION, 0, 0, 0, _DATE, zlib.crc32(data), size, size, len(raw), 0)
        pieces += [_HEAD.pack(_LOCAL, *told), raw, data]
        entries += [_ENTRY.pack(_CENTRAL, _MADE_BY, *told, 0, 0, 0, _ATTRIBUTES, at), raw]
        at += _HEAD.size + len(raw) + size
        if at >= _MOST_BYTES or len(files) >= _MOST_FILES:
            raise BadData(
                f"a bundle holds less than 4 GiB in less than {_MOST_FILES} files; this batch needs more"
            )
    listed = sum(map(len, entries))
    tail = _TAIL.pack(_END, 0, 0, len(files), len(files), listed, at, 0)
    return b"".join((*pieces, *entries, tail))


def unpack(data: bytes) -> dict[str, bytes]:
    """The files again. Raises BadData for bytes that `pack` does not make, naming the place."""
    files = dict(_files(data))
    whole = pack(files)
    if whole != data:
        at = next((n for n, (a, b) in enumerate(zip(whole, data)) if a != b), len(whole))
        raise BadData(f"{_place(files, at)}: byte {at} of the bundle is not as it was written")
    return files


def _files(data: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    while data[at : at + 4] == _LOCAL:
        if at + _HEAD.size > len(data):
            raise BadData("the bundle is cut off")
        size, length = _HEAD.unpack_from(data, at)[8:10]
        begin = at + _HEAD.size + length
        name = data[at + _HEAD.size : begin]
        if begin + size > len(data) or not name.isascii():
            raise BadData(f"the bundle is cut off, or altered near byte {at}")
        yield name.decode(), data[begin : begin + size]
        at = begin + size
    if not at:
        raise BadData("this file is no bundle")


def _place(files: Mapping[str, bytes], byte: int) -> str:
    """Which file a byte belongs to; files stand in byte order."""
    at = 0
    for name, data in sorted(files.items()):
        at += _HEAD.size + len(name) + len(data)
        if byte < at:
            return name
    return "the list of files"
