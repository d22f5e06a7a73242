"""Days of a press in a journal that the ingestor's own appender keeps, and footprints of them."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec

from calc_stream import bundling
from calc_stream.bundling import Figure
from calc_stream.footprints.footprint import Footprint
from calc_stream.footprints.identity import identified
from tests.unit.calc_stream_live.days import HOUR_S, MODEL, Days, Office
from tests.unit.calc_stream_live.plant import SITE, T0
from tests.unit.calc_stream_live.proven import ProvenPlant
from wire.journal import Entry


class ProvenDays(Days, ProvenPlant):
    """What it stands on was told the day before, and is under a head."""

    def __init__(self, folder: Path, model: str = MODEL) -> None:
        super().__init__(folder, model)
        self.close_day()
        self.now_ms = T0

    def two_days(self) -> None:
        """Batches among readings that none of them needs; the second day begins after a head."""
        self.first_day()
        self.batch("D", 11, 60_000, 11_000, "11")
        for hour in (15, 16, 17):
            self.meters(hour, 5, 7)
        self.now_ms = T0 + 18 * HOUR_S * 1000
        self.batch("E", 20, 70_000, 13_000, "12")
        for hour in (24, 27, 28, 33):
            self.meters(hour, 5, 7)

    def attested(self, kind: str, key: str, data: bytes) -> None:
        """What somebody says of a head."""
        self._days.append(self._standing, [Entry(kind, key, data)])


def published(plant: ProvenDays) -> list[Footprint]:
    """One of each day, under a head."""
    found = Office(plant).look()
    plant.close_day()
    return found


def figure(plant: ProvenDays, footprint: Footprint, disclosed: bytes | None = None) -> Figure:
    with closing(Office(plant).store()) as store:
        return replace(bundling.figure_of(store, footprint), disclosed=disclosed)


def bundled(plant: ProvenDays, footprint: Footprint, whole: bool = False) -> bytes:
    return bundling.make(plant.writer, SITE, figure(plant, footprint), whole)


def republished(footprint: Footprint, **changes: object) -> Footprint:
    """Another one, with the id that belongs to it."""
    return identified(msgspec.structs.replace(footprint, **changes))
