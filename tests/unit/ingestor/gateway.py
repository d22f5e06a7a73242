"""A gateway that seals what a test wants, also what no honest gateway would."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from wire.messages import MeterEvent, Sample
from wire.segment import GENESIS, Place, open_segment, seal
from wire.segment.gap import Gap, seal_gap
from wire.signing import SigningKey

NOW_MS = 1_795_000_000_000


@dataclass
class Gateway:
    """`seal()` gives the next segment of its stream."""

    key: SigningKey
    site: str = "s1"
    name: str = "gw-1"
    stream: str = "aa"
    seq: int = 0
    prev: str = GENESIS
    t_ms: int = NOW_MS
    wh: int = 0
    hashes: list[str] = field(default_factory=list)

    @classmethod
    def new(cls, directory: Path, name: str = "gw-1", **others: str) -> "Gateway":
        return cls(SigningKey.load_or_create(directory / f"{name}.key"), name=name, **others)

    @property
    def topic(self) -> str:
        return f"wp/v1/{self.site}/{self.name}/seg"

    def seal(
        self,
        samples: Sequence[Sample] = (),
        events: Sequence[MeterEvent] = (),
        meters: int = 2,
    ) -> bytes:
        """The next segment; without samples one second of `meters` meters."""
        self.t_ms += 1000
        self.wh += 7
        if not samples and not events:
            samples = [
                Sample(
                    f"m-{n}",
                    self.t_ms,
                    {"active_energy_import": (self.wh + n, -3), "active_power": (4200 + n, -1)},
                )
                for n in range(meters)
            ]
        place = Place(
            self.site, self.name, self.stream, self.seq + 1, self.prev, "boot", "synchronized"
        )
        data = seal(place, samples, events, self.key)
        self.seq += 1
        self.prev = open_segment(data).hash
        self.hashes.append(self.prev)
        return data

    def gap(self, first: int, last: int, head: str = "", why: str = "it rotted") -> bytes:
        """The word that these numbers of its stream are lost."""
        place = Place(self.site, self.name, self.stream, first, "", "boot", "synchronized")
        gap = Gap(last, head or self.hashes[last - 1], why)
        return seal_gap(place, gap, self.t_ms, self.key)

    def copy(self) -> "Gateway":
        """As a copied disk would go on."""
        return replace(self, hashes=list(self.hashes))
