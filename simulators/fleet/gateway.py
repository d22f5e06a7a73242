"""Pure: a gateway without meters: it seals segments of readings that anybody can compute again.

Every meter draws a steady power of its own, so its register is a straight line in time, floored to
whole Wh; what it shows as power wobbles. Both are functions of gateway, meter and instant alone.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from wire.messages import Sample, Value
from wire.segment import GENESIS, Place, seal
from wire.signing import SigningKey

_EPOCH_MS = 1_577_836_800_000  # 2020-01-01: every register stood at 0
_HOUR_MS = 3_600_000


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
    wobble = (t_ms // 1000 * 2_654_435_761 + 97 * meter) % 2001 - 1000
    return {
        "active_energy_import": (watts * (t_ms - _EPOCH_MS) // _HOUR_MS, -3),
        "active_power": (10 * watts + wobble, -1),
    }
