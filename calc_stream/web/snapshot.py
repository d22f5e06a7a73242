"""The whole page in one object, made from a site's state and what was last seen."""

from collections.abc import Iterator, Mapping
from fractions import Fraction

import msgspec

from calc_stream.alarms import Alarm, alarms
from calc_stream.core import SiteModel, SiteState, Versions
from calc_stream.core.plant import Meter
from calc_stream.ledger.figures import as_text, in_kwh, kwh_per_quantum, texts
from calc_stream.ledger.rows import BatchRow
from calc_stream.site import Site
from calc_stream.web.view import Happening, View
from wire.units import convert, kind

SHOWN_ENDED = 20
OPEN = ("live", "provisional")  # between two stations a batch stands still, but is not done
LATE_MS, SILENT_MS = 10_000, 60_000


class SourceNow(msgspec.Struct, frozen=True):
    """What entered so far; `amount` in the carrier's unit, `kwh` "0.000000" for no energy."""

    source: str
    carrier: str
    unit: str
    amount: str
    kwh: str
    power_w: int | None


class AccountNow(msgspec.Struct, frozen=True):
    """What went elsewhere than to batches."""

    account: str
    kwh: str
    by_source: dict[str, str]


class MachineNow(msgspec.Struct, frozen=True):
    """A node; `power_history`: [ms, W] of the last two minutes."""

    node: str
    meter: str | None
    state: str
    power_w: int | None
    batches: tuple[str, ...]
    power_history: list[tuple[int, int]]


class MeterNow(msgspec.Struct, frozen=True):
    """A meter of the model. `energy_kwh`: its running total, multiplied by CT x PT; `quality`: of
    its register's latest reading; `notice`: what was last told of it."""

    meter: str
    health: str
    last_ms: int | None
    energy_kwh: str | None
    power_w: int | None
    quality: str | None
    notice: Happening | None = None


class Snapshot(msgspec.Struct, frozen=True):
    """One `data:` line of the live stream."""

    site: str
    now_ms: int
    frontier_ms: int | None
    offset: int
    latest_reading_ms: int | None
    method: str
    closure: dict[str, str] = {}
    sources: list[SourceNow] = []
    batches: list[BatchRow] = []
    accounts: list[AccountNow] = []
    machines: list[MachineNow] = []
    meters: list[MeterNow] = []
    events: list[Happening] = []
    alarms: list[Alarm] = []


def build(site: Site, view: View, now_ms: int) -> Snapshot:
    """`now_ms`: the clock on the wall, for showing only. The site may not change meanwhile."""
    state, model, versions = site.state, site.state.model, site.state.versions
    events = list(view.happenings)
    top = (site.rules.site, now_ms, state.frontier_ms, site.offset, view.latest_reading_ms)
    if model is None or versions is None:
        return Snapshot(*top, site.rules.method.id, events=events)
    return Snapshot(
        *top,
        site.rules.method.id,
        texts(versions, state.closure()),
        list(_sources(state, versions, view)),
        shown_batches(site.book.rows),
        list(_accounts(state, versions)),
        list(_machines(state, model, view)),
        meters_now(site, view, now_ms),
        events,
        alarms(site),
    )


def shown_batches(rows: Mapping[str, BatchRow], ended: int | None = SHOWN_ENDED) -> list[BatchRow]:
    """Batches not closed yet first, then the others, newest first."""
    newest = sorted(rows.values(), key=lambda row: (row.started_ms or 0, row.batch), reverse=True)
    running = [row for row in newest if row.state in OPEN]
    others = [row for row in newest if row.state not in OPEN]
    others.sort(key=lambda row: (row.ended_ms or 0, row.batch), reverse=True)
    return running + others[:ended]


def meters_now(site: Site, view: View, now_ms: int) -> list[MeterNow]:
    """Every meter of the model."""
    model = site.state.model
    return [_meter(site, model, meter, view, now_ms) for meter in model.meters] if model else []


def _meter(site: Site, model: SiteModel, meter: Meter, view: View, now_ms: int) -> MeterNow:
    state = site.state
    seen = view.meters.get(meter.id.removesuffix(".export"))
    series = state.readings.totals(meter.id)
    last_ms = seen.last_ms if seen else int(series.times[-1]) if series.times.size else None
    energy = None
    if series.times.size:
        total = int(series.totals[-1]) * Fraction(10) ** series.exponent
        energy = as_text(total * meter.scale * kwh_per_quantum(model.carriers[meter.carrier]))
    age_ms = None if last_ms is None else now_ms - last_ms
    silent = meter.id in state.silent or age_ms is None or age_ms > SILENT_MS
    late = age_ms is not None and age_ms > LATE_MS
    health = "silent" if silent else "late" if late else "ok"
    _, quality = view.qualities.get(meter.id, (0, None))
    told = site.told.notices.latest.get(meter.id.removesuffix(".export"))
    notice = Happening(told.t_ms, "meter", told.event, told.meter, told.detail) if told else None
    power = _power(model, meter, view)
    return MeterNow(meter.id, health, last_ms, energy, power, quality, notice)


def _power(model: SiteModel, meter: Meter, view: View) -> int | None:
    seen = view.meters.get(meter.id)
    if seen is None or seen.power_w is None:
        return None
    return round(seen.power_w * _multiplier(model, meter))


def _multiplier(model: SiteModel, meter: Meter) -> float:
    """CT x PT, which the model keeps inside the register's scale."""
    carrier = model.carriers[meter.carrier]
    if kind(meter.unit) != kind(carrier.unit):
        return 1.0
    return float(meter.scale / (convert(meter.unit, carrier.unit) * carrier.quanta_per_unit))


def _sources(state: SiteState, versions: Versions, view: View) -> Iterator[SourceNow]:
    amounts, model = texts(versions, state.inflow()), state.model or versions.at(0)
    for name, quanta in state.inflow().items():
        carrier = versions.carrier_of(name)
        powers = [_power(model, meter, view) for meter in model.meters if meter.start == name]
        known = [power for power in powers if power is not None]
        kwh = as_text(in_kwh(versions, name, quanta))
        power_w = sum(known) if known else None
        yield SourceNow(name, carrier.name, carrier.unit, amounts[name], kwh, power_w)


def _accounts(state: SiteState, versions: Versions) -> Iterator[AccountNow]:
    for account, sums in sorted(state.totals().items()):
        if not account.startswith("batch:"):
            kwh = sum((in_kwh(versions, s, quanta) for s, quanta in sums.items()), Fraction(0))
            yield AccountNow(account, as_text(kwh), texts(versions, sums))


def _machines(state: SiteState, model: SiteModel, view: View) -> Iterator[MachineNow]:
    nodes = state.nodes_at(view.latest_reading_ms or state.frontier_ms or 0)
    for name, node in model.nodes.items():
        feeding = [meter for meter in model.meters if meter.end == name]
        powers = [power for meter in feeding if (power := _power(model, meter, view)) is not None]
        stretch = nodes.get(name)
        phase = "overhead" if node.overhead or stretch is None else stretch.state
        batches = tuple(batch for batch, _ in stretch.active) if stretch else ()
        first = feeding[0] if feeding else None
        seen = view.meters.get(first.id) if first else None
        history: list[tuple[int, int]] = []
        if first and seen:
            times = _multiplier(model, first)
            history = [(t_ms, round(watts * times)) for t_ms, watts in seen.powers]
        power_w = sum(powers) if powers else None
        yield MachineNow(name, first.id if first else None, phase, power_w, batches, history)
