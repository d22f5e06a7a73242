"""What `explain` found, and its form for people: a tree of text."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import msgspec

from calc_stream.core.decimals import instant, parse_fraction, significant
from calc_stream.evidence.accounts import AccountTrail, IntervalTrail
from calc_stream.evidence.budget import Budget, Doubt
from calc_stream.evidence.trail import EdgeTrail, EventTrail, MeterTrail, ReadingTrail, SegmentTrail
from calc_stream.explanation import Explanation, MassTrail, SourceTrail

Branch = tuple[str, Sequence["Branch"]]
_MOST_METERS = 8
_MOST_INTERVALS = 6


def tree(found: Explanation) -> str:
    """The explanation for a person."""
    row = found.row
    head = (
        f"batch {row.batch} ({row.product or 'no product told'}), {row.state}, "
        f"revision {row.revision}, journal offset {row.offset}"
    )
    ends = {meter.end for meter in found.meters} - {meter.start for meter in found.meters}
    meters = sorted(found.meters, key=lambda meter: meter.end not in ends)
    branches: list[Branch] = [
        _mass(found),
        (
            f"{row.energy_kwh} kWh; measured share {row.measured_share}",
            [_energy(source) for source in found.sources],
        ),
        *_uncertain(found.uncertainty),
        (f"{len(found.accounts)} accounts", [_account(found, its) for its in found.accounts]),
        *_pools(found),
        (
            f"{len(meters)} meters on the way to {', '.join(row.nodes) or 'no node'}",
            [_meter(meter) for meter in meters],
        ),
        (f"{len(found.events)} events", [_event(event) for event in found.events]),
    ]
    hint = "every reading of a segment: wattprint segment show --config INGESTOR.toml --offset N"
    return "\n".join([head, *_drawn(branches), hint])


def _drawn(branches: Sequence[Branch], indent: str = "") -> Iterator[str]:
    for at, (text, below) in enumerate(branches, 1):
        last = at == len(branches)
        yield f"{indent}{'└─' if last else '├─'} {text}"
        yield from _drawn(below, indent + ("   " if last else "│  "))


def _mass(found: Explanation) -> Branch:
    row = found.row
    below: list[Branch] = []
    for source in found.sources:
        if not source.masses:
            below.append((f"{source.source}: {source.amount} {source.unit}: no factor", []))
        below += [_weighed(source, mass) for mass in source.masses]
    counted = [m.kg for source in found.sources for m in source.masses if m.counted]
    if row.kg_co2e is not None and counted:
        total = sum(map(Decimal, counted))
        below.append((f"sum {total} kg, rounded once, half-even: {row.kg_co2e} kg", []))
    stands = f"method {row.method}; factor set {row.factor_set or 'none'}; model {row.model}"
    kg = "unknown kg CO2e" if row.kg_co2e is None else f"{row.kg_co2e} kg CO2e"
    good = f" / {row.good} {row.unit} = {row.kg_co2e_per_unit} kg per {row.unit}"
    return kg + (good if row.kg_co2e_per_unit else ""), [*below, (stands, [])]


def _weighed(source: SourceTrail, mass: MassTrail) -> Branch:
    """One factor applied, with the parts it is made of and the document it stands in."""
    f = mass.factor
    aside = "" if mass.counted else ", for comparison"
    words = f"{mass.amount} {source.unit} × {mass.per_unit} {f.unit} = {mass.kg} kg"
    below: list[Branch] = []
    if f.parts is not None:
        said = msgspec.to_builtins(f.parts)
        below.append((", ".join(f"{key} {value}" for key, value in said.items()), []))
    proof = f", sha256 {f.hash}" if f.hash else ""
    paper = f"{f.id}: “{f.document}”, {f.publisher}, {f.dated}; {f.status}{proof}"
    return f"{source.source}: {words} ({mass.column}{aside})", [*below, (paper, [])]


def _energy(source: SourceTrail) -> Branch:
    unit = source.unit
    rest = " and ".join(("posted in whole quanta, interval by interval", *source.besides))
    below: list[Branch] = [
        (f"{source.entered} {unit}: its part of what the meters of {source.source} counted", []),
        (f"{Decimal(source.rounding):+f} {unit}: {rest}", []),
    ]
    if Decimal(source.allocated):
        below.append((f"{source.allocated} {unit}: its part of pools", []))
    if Decimal(source.inherited):
        below.append((f"{source.inherited} {unit}: came with its input batches", []))
    return f"{source.source}: {source.amount} {unit} =", below


def _account(found: Explanation, its: AccountTrail) -> Branch:
    units = {source.source: source.unit for source in found.sources}
    times = "" if its.counts == "1" else f" x {its.counts}"
    below = [_interval(one, units) for one in its.intervals]
    if len(below) > _MOST_INTERVALS:
        left = len(below) - _MOST_INTERVALS + 1
        below[-left:] = [(f"and {left} more: --json has all of them", [])]
    amounts = _amounts(its.amounts, units) or "nothing"
    return f"{its.account}{times}: {amounts} in {len(its.intervals)} intervals", below


def _pools(found: Explanation) -> list[Branch]:
    if not found.pools:
        return []
    units = {source.source: source.unit for source in found.sources}
    below: list[Branch] = []
    for its in found.pools:
        when = ""
        if its.from_ms is not None and its.to_ms is not None:
            when = f", {instant(its.from_ms)} – {instant(its.to_ms)}"
        part = f"{_amounts(its.amounts, units)}, {Decimal(its.share) * 100:.6g} % by {its.by}"
        below.append((f"{its.account}{when}: {part}, of {_amounts(its.received, units)}", []))
    return [(f"{len(below)} pools and campaigns gave to it", below)]


def _interval(one: IntervalTrail, units: Mapping[str, str]) -> Branch:
    return f"{instant(one.from_ms)} – {instant(one.to_ms)[11:]}: {_amounts(one.amounts, units)}", []


def _amounts(amounts: Mapping[str, str], units: Mapping[str, str]) -> str:
    said = [f"{amount} {units.get(source, '')} of {source}" for source, amount in amounts.items()]
    return ", ".join(said)


def _uncertain(found: Budget | None) -> list[Branch]:
    if found is None:
        return []
    below = [_doubt(found.kwh, "kWh")]
    if found.kg is not None:
        below.append(_doubt(found.kg, "kg"))
    share = "unknown" if found.traceable_share is None else found.traceable_share
    below.append((f"{share} of the energy passed only meters with a valid certificate", []))
    return [("uncertainty, about 95 %", below)]


def _doubt(doubt: Doubt, unit: str) -> Branch:
    if doubt.u95 is None:
        lacking = ", ".join(doubt.unknown)
        return f"{unit}: not known: no class and no certificate of {lacking}", []
    below: list[Branch] = [
        (f"{part.meter} ± {_short(part.u95)} {unit} ({part.origin})", [])
        for part in doubt.meters[:_MOST_METERS]
    ]
    if Decimal(doubt.split_bound):
        text = f"edges between readings: {_short(doubt.split_bound)} {unit} at most"
        below.append((text, []))
    if Decimal(doubt.factors_u95):
        below.append((f"factors ± {_short(doubt.factors_u95)} {unit}", []))
    return f"{doubt.value} ± {_short(doubt.u95)} {unit} ({doubt.percent} %)", below


def _short(number: str) -> str:
    """An uncertainty for people: three digits."""
    return significant(parse_fraction(number), 3)


def _meter(meter: MeterTrail) -> Branch:
    edges = [edge for edge in (meter.since, meter.until) if edge is not None]
    below: list[Branch] = [_edge(edge, meter) for edge in edges]
    part = "nothing" if meter.share is None else f"{Decimal(meter.share) * 100:.6g} %"
    below.append(
        (f"counted {meter.counted} {meter.unit}; to this batch {meter.to_batch} ({part})", [])
    )
    for run in _runs(meter.segments):
        below.append((_run(run), []))
    times = "" if meter.multiplier == "1" else f", register x {meter.multiplier}"
    return f"{meter.meter} ({meter.start} → {meter.end}{times}): {meter.readings} answers", below


def _edge(edge: EdgeTrail, meter: MeterTrail) -> Branch:
    text = f"{instant(edge.t_ms)}: {edge.total} {meter.unit}"
    if edge.before == edge.after:
        return f"{text}, as read: {_reading(edge.before, meter)}", []
    between = f"between {_reading(edge.before, meter)} and {_reading(edge.after, meter)}"
    return f"{text}, {between}", []


def _reading(reading: ReadingTrail, meter: MeterTrail) -> str:
    swapped = "" if reading.register in (None, reading.total) else f" (register {reading.register})"
    where = "" if reading.offset is None else f", offset {reading.offset}"
    time = instant(reading.t_ms)[11:]
    return f"{reading.total} {meter.register_unit}{swapped} ({time}{where})"


def _runs(segments: list[SegmentTrail]) -> list[list[SegmentTrail]]:
    """Segments of a stream whose numbers follow each other."""
    runs: list[list[SegmentTrail]] = []
    for segment in sorted(segments, key=_place):
        stream, number = _place(segment)
        if runs and _place(runs[-1][-1]) == (stream, number - 1):
            runs[-1].append(segment)
        else:
            runs.append([segment])
    return runs


def _place(segment: SegmentTrail) -> tuple[str, int]:
    stream, _, number = segment.key.rpartition("/")
    return stream, int(number)


def _run(run: list[SegmentTrail]) -> str:
    first, last = run[0], run[-1]
    if first is last:
        return f"segment {first.key}, journal offset {first.offset}, {first.readings} answers"
    count = sum(segment.readings for segment in run)
    offsets = sorted(segment.offset for segment in run)
    return (
        f"segments {first.key} … {_place(last)[1]}, journal offsets {offsets[0]} … {offsets[-1]}, "
        f"{count} answers"
    )


def _event(trail: EventTrail) -> Branch:
    said = msgspec.to_builtins(trail.event)
    left_out = ("id", "t", "type", "node", "source", "n")
    rest = " ".join(f"{key}={value}" for key, value in said.items() if key not in left_out)
    where = f" on {trail.event.node}" if trail.event.node else ""
    text = f"{trail.event.t} {trail.event.type}{where}: {rest}"
    return f"{text} (event {trail.event.id}, offset {trail.offset})", []
