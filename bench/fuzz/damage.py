"""What happens to an answer on its way, from one turned bit to bytes that never were an answer. Pure.

Bits are counted as they travel, the lowest of a byte first, so that a burst is one.
"""

from collections.abc import Callable
from random import Random

from bench.fuzz.decoders import Decoder

Damage = Callable[[Random, Decoder, bytes, bytes], bytes]


def bit(random: Random, decoder: Decoder, frame: bytes, other: bytes) -> bytes:
    """One bit turned."""
    del decoder, other
    return _turned(frame, [random.randrange(8 * len(frame))])


def burst(random: Random, decoder: Decoder, frame: bytes, other: bytes) -> bytes:
    """Neighbouring bits turned, the first and the last of them and any between: as many as the
    decoder's check never misses."""
    del other
    length = random.randint(2, max(2, decoder.burst))
    first = random.randrange(8 * len(frame) - length + 1)
    inside = [first + n for n in range(1, length - 1) if random.getrandbits(1)]
    return _turned(frame, [first, *inside, first + length - 1])


def bits(random: Random, decoder: Decoder, frame: bytes, other: bytes) -> bytes:
    """2 to 12 bits turned anywhere."""
    del decoder, other
    return _turned(frame, random.sample(range(8 * len(frame)), random.randint(2, 12)))


def stretch(random: Random, decoder: Decoder, frame: bytes, other: bytes) -> bytes:
    """2 to 8 bytes in a row read as anything."""
    del decoder, other
    size = random.randint(2, min(8, len(frame)))
    at = random.randrange(len(frame) - size + 1)
    return frame[:at] + random.randbytes(size) + frame[at + size :]


def swapped(random: Random, decoder: Decoder, frame: bytes, other: bytes) -> bytes:
    """Two bytes exchanged, which no line does and no sum sees."""
    del decoder, other
    a, b = sorted(random.sample(range(len(frame)), 2))
    return frame[:a] + frame[b : b + 1] + frame[a + 1 : b] + frame[a : a + 1] + frame[b + 1 :]


def truncated(random: Random, decoder: Decoder, frame: bytes, other: bytes) -> bytes:
    """Its beginning alone."""
    del decoder, other
    return frame[: random.randrange(len(frame))]


def dropped(random: Random, decoder: Decoder, frame: bytes, other: bytes) -> bytes:
    """1 to 4 bytes in a row lost, and what came next behind it."""
    size, at = random.randint(1, 4), random.randrange(len(frame))
    return frame[:at] + frame[at + size :] + bit(random, decoder, other, frame)


def inserted(random: Random, decoder: Decoder, frame: bytes, other: bytes) -> bytes:
    """1 to 4 stray bytes inside."""
    del decoder, other
    at = random.randrange(1, len(frame))
    return frame[:at] + random.randbytes(random.randint(1, 4)) + frame[at:]


def spliced(random: Random, decoder: Decoder, frame: bytes, other: bytes) -> bytes:
    """The beginning of one answer and the end of another."""
    del decoder
    return frame[: random.randrange(len(frame))] + other[random.randrange(len(other)) :]


def noise(random: Random, decoder: Decoder, frame: bytes, other: bytes) -> bytes:
    """Any bytes."""
    del decoder, other
    return random.randbytes(random.randint(1, 2 * len(frame)))


def sealed(random: Random, decoder: Decoder, frame: bytes, other: bytes) -> bytes:
    """Any bytes, in an answer's outer form and with the check that belongs to them."""
    del other
    return decoder.seal(_any(random, decoder, len(frame)))


def forged(random: Random, decoder: Decoder, frame: bytes, other: bytes) -> bytes:
    """The answer with other values and the check that belongs to them: another answer."""
    del other
    at = decoder.values(frame)
    return decoder.seal(frame[: at.start] + _any(random, decoder, len(at)) + frame[at.stop :])


def surrounded(random: Random, decoder: Decoder, frame: bytes, other: bytes) -> bytes:
    """The sound answer with noise before and behind it."""
    before, after = (random.randbytes(random.randint(0, 12)) for _ in range(2))
    del decoder, other
    return before + frame + after


NEVER = (bit, burst, truncated)  # a wrong value is a fault
BY_CHANCE = (bits, stretch, dropped, inserted, spliced, noise, sealed)
UNGUARDED = (swapped, forged)  # what the protocol's own check lets pass, all or much of it
FOUND = (surrounded,)
ALL: tuple[Damage, ...] = (*NEVER, *BY_CHANCE, *UNGUARDED, *FOUND)


def _turned(frame: bytes, places: list[int]) -> bytes:
    out = bytearray(frame)
    for place in places:
        out[place >> 3] ^= 1 << (place & 7)
    return bytes(out)


def _any(random: Random, decoder: Decoder, size: int) -> bytes:
    if not decoder.alphabet:
        return random.randbytes(size)
    return bytes(random.choices(decoder.alphabet, k=size))
