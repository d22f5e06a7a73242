"""Pure: chance without a state. The same seed and key give the same draw, in any order."""

import hashlib


class Dice:
    """Draws that are functions of the seed and of what is drawn for."""

    def __init__(self, seed: int) -> None:
        self._key = hashlib.sha256(str(seed).encode()).digest()

    def between(self, low: int, high: int, *what: str | int) -> int:
        """An integer in low … high, both included."""
        name = "/".join(map(str, what)).encode()
        digest = hashlib.blake2b(name, digest_size=8, key=self._key).digest()
        return low + int.from_bytes(digest, "big") % (high - low + 1)

    def one_in(self, n: int, *what: str | int) -> bool:
        """True once in `n` times; never for n = 0."""
        return n > 0 and self.between(1, n, *what) == 1
