"""Which meters nobody waits for any longer. Pure: "now" is when the ingestor wrote the record."""

from collections.abc import Sequence

import msgspec

from calc_stream.core import Readings, Versions
from calc_stream.core.edges import reach_of
from calc_stream.notices import Notices
from wire.messages import MeterEvent


class Patience(msgspec.Struct, frozen=True):
    """How old a meter's last good reading must be: with the gateway's word that none comes (it is
    silent, or its register in doubt), and without."""

    silent_after_ms: int
    close_after_ms: int


class Told(msgspec.Struct):
    """What is kept besides the core's state.

    `chain`: the journal's chain value at the last record; `silent`: meters gateways called so;
    `problems`: records that could not be used, with the reason; `notices`: see there.
    """

    chain: str = ""
    first_ms: int | None = None
    now_ms: int = 0
    silent: set[str] = set()
    segments: int = 0
    readings: int = 0
    problems: dict[str, str] = {}
    notices: Notices = msgspec.field(default_factory=Notices)

    def hear(self, events: Sequence[MeterEvent]) -> None:
        self.notices.hear(events)
        for event in events:
            if event.event == "silent":
                self.silent.add(event.meter)
            elif event.event == "back":
                self.silent.discard(event.meter)


def silent_meters(
    versions: Versions, readings: Readings, told: Told, patience: Patience
) -> frozenset[str]:
    """Registers declared silent; never all of them, or there would be no frontier at all."""
    lasts: dict[str, int] = {}
    silent: set[str] = set()
    doubted = told.notices.doubted(readings)
    for meter in versions.meters.values():
        reach = reach_of(readings, meter.id)
        if reach:
            lasts[meter.id] = reach[1]
        age_ms = told.now_ms - (reach[1] if reach else told.first_ms or told.now_ms)
        said = not told.silent.isdisjoint((meter.id, meter.id.removesuffix(".export")))
        said = said or meter.id in doubted
        if age_ms > (patience.silent_after_ms if said else patience.close_after_ms):
            silent.add(meter.id)
    if silent and lasts and len(silent) == len(versions.meters):
        silent.discard(max(lasts, key=lambda meter: (lasts[meter], meter)))
    return frozenset(silent)
