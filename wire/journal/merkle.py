"""Pure: the Merkle tree of RFC 6962, section 2.1, over the records of a site.

A tree of n leaves splits at the largest power of two below n. So what is complete never changes any
more: the roots of its complete parts, its `peaks` (the largest first; one for each bit of n), are all
that is needed to let it grow, and all that a proof about later leaves needs of the earlier ones.
"""

import hashlib
from collections.abc import Sequence

from wire.errors import BadData

_KEPT = 256  # leaves under a node that is computed once for all proofs
EMPTY = hashlib.sha256(b"").digest()  # the root of a tree without leaves


def leaf_hash(data: bytes) -> bytes:
    """The leaf that stands for `data`."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The node above two."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def grown(peaks: Sequence[bytes], size: int, leaf: bytes) -> tuple[bytes, ...]:
    """The peaks of a tree of `size` leaves once `leaf` is added."""
    standing = list(peaks)
    while size & 1:
        leaf = node_hash(standing.pop(), leaf)
        size >>= 1
    return (*standing, leaf)


def root(peaks: Sequence[bytes]) -> bytes:
    """The root of the whole tree."""
    if not peaks:
        return EMPTY
    above = peaks[-1]
    for peak in peaks[-2::-1]:
        above = node_hash(peak, above)
    return above


class Tree:
    """The first `size` leaves, known by their peaks alone, and `leaves` after them."""

    def __init__(self, peaks: Sequence[bytes], size: int, leaves: Sequence[bytes]) -> None:
        self._size, self._leaves = size, leaves
        self._parts: dict[tuple[int, int], bytes] = {}
        begin = 0
        for peak in peaks:
            end = begin + (1 << ((size - begin).bit_length() - 1))
            self._parts[begin, end] = peak
            begin = end

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The audit path of leaf `index`, counted from 0, in the tree of the first `size` leaves."""
        return self._path(index, 0, size)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """The proof that the first `old` of `new` leaves are still the same."""
        return self._subproof(old, 0, new, True) if 0 < old < new else []

    def root(self, size: int) -> bytes:
        """Of the first `size` leaves."""
        return self._node(0, size) if size else EMPTY

    def peaks(self, size: int) -> list[bytes]:
        """Of the first `size` leaves."""
        begin, found = 0, []
        while begin < size:
            end = begin + (1 << ((size - begin).bit_length() - 1))
            found.append(self._node(begin, end))
            begin = end
        return found

    def _path(self, index: int, begin: int, end: int) -> list[bytes]:
        if end - begin == 1:
            return []
        middle = begin + _split(end - begin)
        if index < middle:
            return [*self._path(index, begin, middle), self._node(middle, end)]
        return [*self._path(index, middle, end), self._node(begin, middle)]

    def _subproof(self, old: int, begin: int, end: int, is_whole: bool) -> list[bytes]:
        if old == end:
            return [] if is_whole else [self._node(begin, end)]
        middle = begin + _split(end - begin)
        if old <= middle:
            return [*self._subproof(old, begin, middle, is_whole), self._node(middle, end)]
        return [*self._subproof(old, middle, end, False), self._node(begin, middle)]

    def _node(self, begin: int, end: int) -> bytes:
        """The root of leaves [begin, end). What lies before `size` is a peak or made of peaks."""
        known = self._parts.get((begin, end))
        if known is not None:
            return known
        if end - begin == 1:
            return self._leaves[begin - self._size]
        middle = begin + _split(end - begin)
        found = node_hash(self._node(begin, middle), self._node(middle, end))
        if end - begin >= _KEPT:
            self._parts[begin, end] = found
        return found


def check_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], expected: bytes
) -> None:
    """Raises BadData unless `path` leads from leaf `index` of `size` to the root `expected`."""
    if not 0 <= index < size < 1 << 63:
        raise BadData(f"a tree of {size} leaves has no leaf {index}")
    left = list(path)
    if _climbed(leaf, index, size, left) != expected or left:
        raise BadData("the proof does not lead to the tree head's root")


def check_consistency(
    old: int, new: int, path: Sequence[bytes], old_root: bytes, new_root: bytes
) -> None:
    """Raises BadData unless `path` shows that the tree `new` begins with the tree `old`."""
    if not 0 <= old <= new < 1 << 63:
        raise BadData(f"a tree of {new} leaves is no later one than a tree of {old}")
    left = list(path)
    if old == 0:
        found = EMPTY, new_root
    elif old == new:
        found = old_root, old_root
    else:
        found = _both(old, new, old_root, left)
    if found != (old_root, new_root) or left:
        raise BadData("the proof does not show that the later tree begins with the earlier one")


def _climbed(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root, from the path's end downwards."""
    if size == 1:
        return leaf
    beside, middle = _taken(path), _split(size)
    if index < middle:
        return node_hash(_climbed(leaf, index, middle, path), beside)
    return node_hash(beside, _climbed(leaf, index - middle, size - middle, path))


def _both(old: int, new: int, whole: bytes | None, path: list[bytes]) -> tuple[bytes, bytes]:
    """The roots of both trees; `whole` is the old one's while nothing was taken off its left."""
    if old == new:
        same = _taken(path) if whole is None else whole
        return same, same
    beside, middle = _taken(path), _split(new)
    if old <= middle:
        before, after = _both(old, middle, whole, path)
        return before, node_hash(after, beside)
    before, after = _both(old - middle, new - middle, None, path)
    return node_hash(beside, before), node_hash(beside, after)


def _taken(path: list[bytes]) -> bytes:
    if not path:
        raise BadData("the proof is too short")
    return path.pop()


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)
