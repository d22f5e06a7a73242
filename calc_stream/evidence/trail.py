"""From a batch back to meters, their registers at its edges, and the segments that hold them."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import msgspec
import numpy as np

from calc_stream.core.batches import batches_of
from calc_stream.core.course import timelines
from calc_stream.core.decimals import fixed, significant
from calc_stream.core.edges import edges_within, extra_cuts, span_of
from calc_stream.core.events import in_force, swaps_told
from calc_stream.core.plant import Carrier, Meter, SiteModel
from calc_stream.core.registers import quanta_at
from calc_stream.evidence.budget import Grounds, grounds_over
from calc_stream.evidence.shares import Shares, shares_of
from calc_stream.evidence.told import Told
from wire.messages import ProductionEvent


class EventTrail(msgspec.Struct, frozen=True):
    """An event that names the batch, or voids one that does."""

    offset: int
    hash: str
    event: ProductionEvent


class ReadingTrail(msgspec.Struct, frozen=True):
    """A register as it was read, in the meter's unit. `total`: since before its first swap."""

    t_ms: int
    register: str | None
    total: str
    offset: int | None


class EdgeTrail(msgspec.Struct, frozen=True):
    """The total at an edge, in the carrier's unit to the quantum: on the line between two readings.

    Where a reading stands on the edge itself, both are this one.
    """

    t_ms: int
    total: str
    before: ReadingTrail
    after: ReadingTrail


class SegmentTrail(msgspec.Struct, frozen=True):
    """A sealed segment that holds readings this meter's part stands on."""

    offset: int
    key: str
    hash: str
    readings: int
    first_ms: int
    last_ms: int


class MeterTrail(msgspec.Struct, frozen=True):
    """One meter on the way, while the batch had a part of what it counted; `unit`: the carrier's.

    counted = total at `until` - total at `since`; `to_batch` of it went to the batch, which is
    `share` of it. `multiplier`: total in the carrier's unit for one unit of the register.
    """

    meter: str
    start: str
    end: str
    unit: str
    register_unit: str
    multiplier: str
    since: EdgeTrail | None
    until: EdgeTrail | None
    counted: str
    to_batch: str
    share: str | None
    readings: int
    segments: list[SegmentTrail]


@dataclass
class Trail:
    """`entered`: exact quanta by source that came to the batch through the source's meters.

    `over`: the same time, version by version.
    """

    events: list[EventTrail]
    meters: list[MeterTrail]
    entered: dict[str, Fraction]
    intervals: int
    over: Sequence[Grounds] = ()


def trail(told: Told, batch: str, until_ms: int) -> Trail:
    """What `batch` stands on, posted up to `until_ms`."""
    standing, _ = in_force(told.events.values())
    batches, _ = batches_of(standing)
    nodes, _ = timelines(told.versions, standing, batches)
    told.readings.tell(swaps_told(standing))
    span = span_of(told.versions, told.readings)
    found = Trail(_events(told, batch), [], {}, 0)
    if span is None or span[0] >= until_ms:
        return found
    span = span[0], min(span[1], until_ms)
    for reign, part in told.versions.within(span):
        model = reign.model
        cuts = extra_cuts(reign, told.readings, standing, told.periods, part)
        edges = edges_within(part, model.slot_ms, cuts)
        shares = shares_of(f"batch:{batch}", model, nodes, told.readings, edges)
        found.intervals += max(shares.edges.size - 1, 0)
        for meter in model.meters:
            window = shares.window(meter.end)
            if window is None:
                continue
            found.meters.append(_meter(told, model, meter, window, shares))
            if meter.start in model.sources:
                through = shares.through(meter.id, meter.end)
                before = found.entered.get(meter.start, Fraction(0))
                found.entered[meter.start] = before + through
    found.over = grounds_over(told.periods, standing, nodes, batches, told.readings, span)
    return found


def finer(quanta: Fraction, carrier: Carrier) -> str:
    """Quanta in the carrier's unit with three decimals more than a quantum has."""
    return fixed(round(quanta * 1000), carrier.quanta_per_unit * 1000, carrier.digits + 3)


def _events(told: Told, batch: str) -> list[EventTrail]:
    names = [e.id for _, e in told.production if batch in (e.batch, _drawn(e))]
    return [
        EventTrail(record.offset, record.hash, event)
        for record, event in told.production
        if event.id in names or (event.type == "void" and event.of in names)
    ]


def _drawn(event: ProductionEvent) -> str | None:
    return event.of if event.type == "input" else None


def _meter(
    told: Told, model: SiteModel, meter: Meter, window: tuple[int, int], shares: Shares
) -> MeterTrail:
    carrier = model.carriers[meter.carrier]
    since, until = _edges(told, meter, carrier, window)
    lo, hi = window if since is None or until is None else (since.before.t_ms, until.after.t_ms)
    rows = np.searchsorted(shares.edges, window)
    counted = int(sum(shares.flows[meter.id][rows[0] : rows[1]].tolist()))
    through = shares.through(meter.id, meter.end)
    segments = _segments(told, meter.id, lo, hi)
    return MeterTrail(
        meter.id,
        meter.start,
        meter.end,
        carrier.unit,
        meter.unit,
        significant(meter.scale / carrier.quanta_per_unit),
        since,
        until,
        fixed(counted, carrier.quanta_per_unit, carrier.digits),
        finer(through, carrier),
        significant(through / counted, 6) if counted else None,
        sum(segment.readings for segment in segments),
        segments,
    )


def _edges(
    told: Told, meter: Meter, carrier: Carrier, window: tuple[int, int]
) -> tuple[EdgeTrail | None, EdgeTrail | None]:
    """The totals at both ends of the window, or at the first and last reading within it."""
    times = told.readings.totals(meter.id).times
    if not times.size or times[0] > window[1] or times[-1] < window[0]:
        return None, None
    ends = (max(window[0], int(times[0])), min(window[1], int(times[-1])))
    return _edge(told, meter, carrier, ends[0]), _edge(told, meter, carrier, ends[1])


def _edge(told: Told, meter: Meter, carrier: Carrier, t_ms: int) -> EdgeTrail:
    series = told.readings.totals(meter.id)
    quanta = int(quanta_at(np.array([t_ms], dtype=np.int64), series, meter.scale)[0])
    total = fixed(quanta, carrier.quanta_per_unit, carrier.digits)
    before = int(np.searchsorted(series.times, t_ms, "right")) - 1
    after = int(np.searchsorted(series.times, t_ms, "left"))
    return EdgeTrail(t_ms, total, _reading(told, meter.id, before), _reading(told, meter.id, after))


def _reading(told: Told, meter: str, at: int) -> ReadingTrail:
    """The reading at this place of the meter's series; a swap is no reading of one register."""
    series, column = told.readings.totals(meter), told.readings.columns.get(meter)
    t_ms = int(series.times[at])
    register = None
    if column is not None and t_ms in column.times:
        mantissa = int(column.mantissas[int(np.searchsorted(column.times, t_ms))])
        register = _decimal(mantissa, column.exponent)
    offset = next((p.offset for p in told.parts.get(meter, ()) if t_ms in p.times_ms), None)
    return ReadingTrail(t_ms, register, _decimal(int(series.totals[at]), series.exponent), offset)


def _decimal(mantissa: int, exponent: int) -> str:
    if exponent > 0:
        return str(mantissa * 10**exponent)
    return fixed(mantissa, 10**-exponent, -exponent)


def _segments(told: Told, meter: str, lo: int, hi: int) -> list[SegmentTrail]:
    found = []
    for part in told.parts.get(meter, ()):
        inside = part.times_ms[(part.times_ms >= lo) & (part.times_ms <= hi)]
        if inside.size:
            first, last = int(inside.min()), int(inside.max())
            found.append(
                SegmentTrail(part.offset, part.key, part.hash, int(inside.size), first, last)
            )
    return found
