"""Days of a press whose tree heads are stamped and cosigned, and the evidence of its footprints."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from calc_stream.evidence.stamps import authority
from calc_stream.footprints.footprint import Footprint
from calc_stream.verification import Verified, verify
from tests.time_stamps import Authority
from tests.unit.calc_stream_live.plant import SITE
from tests.unit.calc_stream_live.proven_days import ProvenDays, bundled, published
from wire.journal import heads
from wire.journal.cosigned import KIND, cosign
from wire.signing import SigningKey

AUDITOR = SigningKey(bytes(range(1, 33)))


@dataclass(frozen=True)
class Sound:
    """A plant whose heads are stamped and cosigned, its footprints, and the second day's bundle."""

    plant: ProvenDays
    first: Footprint
    second: Footprint
    tsa: Authority
    data: bytes

    def verify(self, data: bytes) -> Verified:
        trusted = authority(self.tsa.ca.read_bytes())
        return verify(data, [self.plant.receipt_key.public], trusted, [AUDITOR.public])


def attested(folder: Path) -> Sound:
    plant = ProvenDays(folder)
    plant.two_days()
    first, second = published(plant)
    tsa = Authority(folder / "tsa")
    signed = plant.writer.of_kind(SITE, heads.KIND)
    for record in signed:
        head = heads.read_head(record)
        stamp = tsa.stamp(record.data, head.time_ms + 60_000)
        plant.attested("stamp", str(head.size), stamp)
    told = cosign(heads.read_head(signed[-1]), AUDITOR, 1_795_000_000)
    plant.attested(KIND, told.key, msgspec.json.encode(told))
    made = Sound(plant, first, second, tsa, bundled(plant, second))
    made.verify(made.data)
    return made
