"""The whole page in one object, made from a site's state and what was last seen."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from heapq import nsmallest

import msgspec

from calc_stream.core import SiteModel, SiteState, Versions
from calc_stream.core.decimals import fixed
from calc_stream.core.plant import Meter
from calc_stream.ledger.figures import as_text, in_kwh, texts
from calc_stream.ledger.rows import BatchRow
from calc_stream.site import Site
from calc_stream.web.alarm_book import AlarmNow
from calc_stream.web.view import Happening, View
from wire.units import convert, kind

SHOWN_ENDED = 20
OPEN = ("live", "provisional")  # between two stations a batch stands still, but is not done
LATE_MS, SILENT_MS = 10_000, 60_000


class SourceNow(msgspec.Struct, frozen=True):
    """What entered so far; `amount` in the carrier's unit, `kwh` None for what is no energy."""

    source: str
    carrier: str
    unit: str
    amount: str
    kwh: str | None
    power_w: int | None


class AccountNow(msgspec.Struct, frozen=True):
    """What went elsewhere than to batches; `kwh` None when none of its sources is energy."""

    account: str
    kwh: str | None
    by_source: dict[str, str]
    units: dict[str, str]


class MachineNow(msgspec.Struct, frozen=True):
    """A node; power of all electricity meters that feed it; `power_history`: [ms, W] of the last
    two minutes."""

    node: str
    line: str | None
    meters: tuple[str, ...]
    state: str
    power_w: int | None
    batches: tuple[str, ...]
    power_history: list[tuple[int, int]]


class MeterNow(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """A meter of the model. `register`: its running total in `unit`, multiplied by CT x PT;
    `quality`: of its register's latest reading; `notice`: what was last told of it."""

    meter: str
    from_: str
    to: str
    carrier: str
    unit: str
    health: str
    last_ms: int | None
    register: str | None
    power_w: int | None
    quality: str | None
    notice: Happening | None = None


class BatchNow(BatchRow, frozen=True, kw_only=True):
    """A batch as it stands; `over_limit`: beyond the control limits of its product."""

    over_limit: bool = False


class Snapshot(msgspec.Struct, frozen=True):
    """The whole of the live stream at one instant."""

    site: str
    now_ms: int
    frontier_ms: int | None
    offset: int
    latest_reading_ms: int | None
    method: str
    closure: dict[str, str] = {}
    sources: list[SourceNow] = []
    batches: list[BatchNow] = []
    accounts: list[AccountNow] = []
    machines: list[MachineNow] = []
    meters: list[MeterNow] = []
    events: list[Happening] = []
    alarms: list[AlarmNow] = []


def build(
    site: Site,
    view: View,
    now_ms: int,
    over: Collection[str] = (),
    alarms: Sequence[AlarmNow] = (),
) -> Snapshot:
    """`now_ms`: the clock on the wall, for showing only; `over`: batches beyond their limits. The
    site may not change meanwhile."""
    state, model, versions = site.state, site.state.model, site.state.versions
    events = list(view.happenings)
    top = (site.rules.site, now_ms, state.frontier_ms, site.offset, view.latest_reading_ms)
    if model is None or versions is None:
        return Snapshot(*top, site.rules.method.id, events=events, alarms=list(alarms))
    return Snapshot(
        *top,
        site.rules.method.id,
        texts(versions, state.closure()),
        list(_sources(state, versions, view)),
        [shown(row, over) for row in shown_batches(site.book.rows)],
        list(_accounts(state, versions)),
        list(_machines(state, model, view)),
        meters_now(site, view, now_ms),
        events,
        list(alarms),
    )


def shown(row: BatchRow, over: Collection[str]) -> BatchNow:
    """The row as the page has it."""
    return BatchNow(**msgspec.structs.asdict(row), over_limit=row.batch in over)


def place_of(row: BatchRow) -> tuple[bool, int, str]:
    """Where a batch stands in a list: those that are open first, then the newest."""
    is_open = row.state in OPEN
    return not is_open, -((row.started_ms if is_open else row.ended_ms) or 0), row.batch


def shown_batches(rows: Mapping[str, BatchRow], ended: int = SHOWN_ENDED) -> list[BatchRow]:
    """Batches not closed yet, and the newest of the others."""
    running = [row for row in rows.values() if row.state in OPEN]
    others = [row for row in rows.values() if row.state not in OPEN]
    return sorted(running, key=place_of) + nsmallest(ended, others, key=place_of)


def meters_now(site: Site, view: View, now_ms: int) -> list[MeterNow]:
    """Every meter of the model."""
    model = site.state.model
    return [_meter(site, model, meter, view, now_ms) for meter in model.meters] if model else []


def _meter(site: Site, model: SiteModel, meter: Meter, view: View, now_ms: int) -> MeterNow:
    state, carrier = site.state, model.carriers[meter.carrier]
    seen = view.meters.get(meter.id.removesuffix(".export"))
    series = state.readings.totals(meter.id)
    last_ms = seen.last_ms if seen else int(series.times[-1]) if series.times.size else None
    register = None
    if series.times.size:
        total = int(series.totals[-1]) * Fraction(10) ** series.exponent
        register = fixed(round(total * meter.scale), carrier.quanta_per_unit, carrier.digits)
    age_ms = None if last_ms is None else now_ms - last_ms
    silent = meter.id in state.silent or age_ms is None or age_ms > SILENT_MS
    late = age_ms is not None and age_ms > LATE_MS
    health = "silent" if silent else "late" if late else "ok"
    _, quality = view.qualities.get(meter.id, (0, None))
    told = site.told.notices.latest.get(meter.id.removesuffix(".export"))
    notice = Happening(told.t_ms, "meter", told.event, told.meter, told.detail) if told else None
    power = _power(model, meter, view)
    where = (meter.id, meter.start, meter.end, carrier.name, carrier.unit)
    return MeterNow(*where, health, last_ms, register, power, quality, notice)


def _power(model: SiteModel, meter: Meter, view: View) -> int | None:
    seen = view.meters.get(meter.id)
    if seen is None or seen.power_w is None:
        return None
    return round(seen.power_w * _multiplier(model, meter))


def _multiplier(model: SiteModel, meter: Meter) -> float:
    """CT x PT, which the model keeps inside the register's scale."""
    carrier, scale = model.carriers[meter.carrier], meter.scale
    # In parts: to hash a Fraction takes longer than all the rest.
    told = (scale.numerator, scale.denominator, meter.unit, carrier.unit, carrier.quanta_per_unit)
    return _times(*told)


@lru_cache(4096)
def _times(
    numerator: int, denominator: int, unit: str, carrier_unit: str, quanta_per_unit: int
) -> float:
    if kind(unit) != kind(carrier_unit):
        return 1.0
    scale = Fraction(numerator, denominator)
    return float(scale / (convert(unit, carrier_unit) * quanta_per_unit))


def _sources(state: SiteState, versions: Versions, view: View) -> Iterator[SourceNow]:
    amounts, model = texts(versions, state.inflow()), state.model or versions.at(0)
    for name, quanta in state.inflow().items():
        carrier = versions.carrier_of(name)
        powers = [_power(model, meter, view) for meter in model.meters if meter.start == name]
        known = [power for power in powers if power is not None]
        kwh = _kwh(versions, {name: quanta})
        power_w = sum(known) if known else None
        yield SourceNow(name, carrier.name, carrier.unit, amounts[name], kwh, power_w)


def _accounts(state: SiteState, versions: Versions) -> Iterator[AccountNow]:
    for account, sums in sorted(state.totals().items()):
        if not account.startswith("batch:"):
            units = {source: versions.carrier_of(source).unit for source in sums}
            yield AccountNow(account, _kwh(versions, sums), texts(versions, sums), units)


def _kwh(versions: Versions, sums: Mapping[str, int]) -> str | None:
    """Of those that are energy; None when none is."""
    energy = {s: quanta for s, quanta in sums.items() if _is_energy(versions, s)}
    if not energy:
        return None
    return as_text(sum((in_kwh(versions, s, q) for s, q in energy.items()), Fraction(0)))


def _is_energy(versions: Versions, source: str) -> bool:
    return kind(versions.carrier_of(source).unit) == "energy"


def _machines(state: SiteState, model: SiteModel, view: View) -> Iterator[MachineNow]:
    nodes = state.nodes_at(view.latest_reading_ms or state.frontier_ms or 0)
    feeding: dict[str, list[Meter]] = {}
    for meter in model.meters:
        if kind(model.carriers[meter.carrier].unit) == "energy":
            feeding.setdefault(meter.end, []).append(meter)
    for name, node in model.nodes.items():
        meters = feeding.get(name, [])
        powers = [power for meter in meters if (power := _power(model, meter, view)) is not None]
        stretch = nodes.get(name)
        phase = "overhead" if node.overhead or stretch is None else stretch.state
        batches = tuple(batch for batch, _ in stretch.active) if stretch else ()
        power_w = sum(powers) if powers else None
        ids = tuple(meter.id for meter in meters)
        history = _history(model, meters, view)
        yield MachineNow(name, node.line, ids, phase, power_w, batches, history)


def _history(model: SiteModel, meters: list[Meter], view: View) -> list[tuple[int, int]]:
    """The sum of all meters, told whenever one of them tells, once each has."""
    points: list[tuple[int, str, float]] = []
    if len(meters) == 1 and (seen := view.meters.get(meters[0].id)):
        times = _multiplier(model, meters[0])
        return [(t_ms, round(watts * times)) for t_ms, watts in seen.powers]
    for meter in meters:
        if (seen := view.meters.get(meter.id)) and seen.powers:
            times = _multiplier(model, meter)
            points += [(t_ms, meter.id, watts * times) for t_ms, watts in seen.powers]
    telling = {meter for _, meter, _ in points}
    latest: dict[str, float] = {}
    sums: dict[int, int] = {}
    for t_ms, meter_id, watts in sorted(points):
        latest[meter_id] = watts
        if len(latest) == len(telling):
            sums[t_ms] = round(sum(latest.values()))
    return list(sums.items())
