"""From a batch back to the records its figures stand on. Reads the journal; decides nothing."""

from collections.abc import Iterable

import msgspec
import numpy as np

from calc_stream.core import SiteState
from calc_stream.core.plant import SiteModel
from calc_stream.evidence.decode import decode
from wire.errors import BadData
from wire.journal import Record
from wire.messages import ProductionEvent


class SegmentTrail(msgspec.Struct, frozen=True):
    """A sealed segment that holds readings of a meter within the time looked at."""

    offset: int
    key: str
    hash: str
    readings: int
    first_ms: int
    last_ms: int


class MeterTrail(msgspec.Struct, frozen=True):
    """One meter that may have a part in the batch, `start` to `end` of its edge."""

    meter: str
    start: str
    end: str
    readings: int
    segments: list[SegmentTrail]


class Trail(msgspec.Struct, frozen=True):
    """What a batch stands on: events that name it, meters on the way to its nodes."""

    events: list[tuple[int, str, str]]
    meters: list[MeterTrail]


def trail(
    records: Iterable[Record],
    model: SiteModel,
    batch: str,
    nodes: Iterable[str],
    span: tuple[int, int],
) -> Trail:
    """`records` up to the offset of the row that is explained; `span` in ms, both ends included."""
    meters = [meter for meter in model.meters if meter.end in upstream(model, nodes)]
    units = {meter.id: meter.unit for meter in model.meters}
    found: dict[str, list[SegmentTrail]] = {meter.id: [] for meter in meters}
    events = []
    for record in records:
        if record.kind == "event" and _names(record, batch):
            events.append((record.offset, record.key, record.hash))
        elif record.kind == "segment":
            for meter, part in _parts(record, units, span):
                if meter in found:
                    found[meter].append(part)
    return Trail(
        events,
        [
            MeterTrail(m.id, m.start, m.end, sum(p.readings for p in found[m.id]), found[m.id])
            for m in meters
        ],
    )


def upstream(model: SiteModel, nodes: Iterable[str]) -> set[str]:
    """The nodes, and every place that feeds them."""
    feeding: dict[str, set[str]] = {}
    for meter in model.meters:
        feeding.setdefault(meter.end, set()).add(meter.start)
    for link in model.links:
        feeding.setdefault(link.end, set()).add(link.start)
    reached, ahead = set(nodes), list(nodes)
    while ahead:
        for place in feeding.get(ahead.pop(), set()) - reached:
            reached.add(place)
            ahead.append(place)
    return reached


def widened(state: SiteState, span: tuple[int, int]) -> tuple[int, int]:
    """With each meter's neighbouring readings: an edge lies between two of them."""
    first, last = span
    for meter in state.model.meters if state.model else ():
        times = state.readings.totals(meter.id).times
        if times.size:
            before = int(np.searchsorted(times, span[0], "right")) - 1
            after = int(np.searchsorted(times, span[1], "left"))
            first = min(first, int(times[max(before, 0)]))
            last = max(last, int(times[min(after, times.size - 1)]))
    return first, last


def _parts(
    record: Record, units: dict[str, str], span: tuple[int, int]
) -> Iterable[tuple[str, SegmentTrail]]:
    try:
        readings = decode(record, units).chunk.readings
    except BadData:
        return  # the engine passed it over, too, and lists it as a problem
    for block in readings:
        inside = block.times_ms[(block.times_ms >= span[0]) & (block.times_ms <= span[1])]
        if inside.size:
            first, last = int(inside.min()), int(inside.max())
            yield (
                block.meter,
                SegmentTrail(record.offset, record.key, record.hash, int(inside.size), first, last),
            )


def _names(record: Record, batch: str) -> bool:
    try:
        event = msgspec.json.decode(record.data, type=ProductionEvent)
    except msgspec.DecodeError:
        return False  # as above
    return batch in (event.batch, event.of if event.type == "input" else None)
