"""Pure: a gateway without meters: it seals segments of readings that anybody can compute again.

Every meter draws a power of its own that changes each minute, between a fifth of its mean and nearly
twice as much; the register is exactly its integral, floored to whole Wh. Both are functions of
gateway, meter and instant alone, and no easier to compress than what real meters say.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from wire.messages import Sample, Value
from wire.segment import GENESIS, Place, seal
from wire.signing import SigningKey

_EPOCH_MS = 1_577_836_800_000  # 2020-01-01: every register stood at 0
_HOUR_MS, _MINUTE_MS, _AHEAD_MS = 3_600_000, 60_000, 48_000
_DRAWS = 1000


class Sealed(NamedTuple):
    """A segment on its way. `phase`: backlog or live; `sealed_s`: when, on the sender's clock."""

    seq: int
    hash: str
    data: bytes
    readings: int
    phase: str
    sealed_s: float


class Gateway:
    """The `number`-th gateway of a fleet and its stream, as an agent's disk would hold it."""

    def __init__(
        self, number: int, site: str, name: str, key: SigningKey, stream: str, meters: int
    ) -> None:
        self.site, self.name, self.stream = site, name, stream
        self.hashes = [GENESIS]  # by number
        self._number, self._key = number, key
        self._meters = range(meters)

    def seal(self, instants: Sequence[int], phase: str, sealed_s: float) -> Sealed:
        """The next segment: what every meter answered at each instant (UTC ms)."""
        seq = len(self.hashes)
        place = Place(
            *(self.site, self.name, self.stream, seq, self.hashes[-1], "boot-1", "synchronized")
        )
        samples = [
            Sample(meter_name(n), t_ms, values(self._number, n, t_ms))
            for n in self._meters
            for t_ms in instants
        ]
        data = seal(place, samples, [], self._key)
        digest = hashlib.sha256(data).hexdigest()
        self.hashes.append(digest)
        readings = 2 * len(samples)
        return Sealed(seq, digest, data, readings, phase, sealed_s)


def meter_name(number: int) -> str:
    """A meter's name."""
    return f"m-{number + 1:03d}"


def values(gateway: int, meter: int, t_ms: int) -> dict[str, Value]:
    """What a meter of a gateway answers at `t_ms`."""
    watts = 500 * (1 + (31 * gateway + 17 * meter) % 80)
    minute, into_ms = divmod(t_ms - _EPOCH_MS, _MINUTE_MS)
    # The register runs along a straight line, up to 48 s ahead of it; how far, changes linearly
    # from one minute's draw to the next.
    now, then = _draw(gateway, meter, minute), _draw(gateway, meter, minute + 1)
    ahead = watts * _AHEAD_MS * (now * (_MINUTE_MS - into_ms) + then * into_ms)
    watt_ms = watts * (t_ms - _EPOCH_MS) + ahead // (_MINUTE_MS * _DRAWS)
    deciwatts = 10 * watts + 10 * watts * _AHEAD_MS * (then - now) // (_MINUTE_MS * _DRAWS)
    return {
        "active_energy_import": (watt_ms // _HOUR_MS, -3),
        "active_power": (deciwatts + _draw(gateway, meter, t_ms) % 11 - 5, -1),
    }


def _draw(gateway: int, meter: int, what: int) -> int:
    """A number below `_DRAWS` that looks like chance: cheap, and the same on every machine."""
    x = (what * 0x9E3779B1 + meter * 0x85EBCA77 + gateway * 0xC2B2AE3D) & 0xFFFFFFFF
    x = (x ^ x >> 15) * 0x2C1B3C6D & 0xFFFFFFFF
    x = (x ^ x >> 12) * 0x297A2D39 & 0xFFFFFFFF
    return (x ^ x >> 15) % _DRAWS
