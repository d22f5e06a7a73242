"""What needs a person: found in a site's state, never repaired silently. Pure."""

from collections.abc import Collection, Iterator
from fractions import Fraction

import numpy as np

from calc_stream.alarm import Alarm
from calc_stream.core.decimals import instant
from calc_stream.core.plant import Meter
from calc_stream.core.uncertainty import bias_of, residual_of
from calc_stream.ledger.figures import texts
from calc_stream.overdue import overdue
from calc_stream.site import Site
from wire.quantities import QUANTITIES

__all__ = ["Alarm", "alarms"]

_MOST_PROBLEMS = 20


def alarms(site: Site, now_ms: int | None = None, over: Collection[str] = ()) -> list[Alarm]:
    """The gravest kinds first; with `now_ms`, the clock on the wall, also what is overdue (see there)."""
    if site.state.model is None:
        return []
    found = list(_alarms(site))
    return found if now_ms is None else [*found, *overdue(site, now_ms, over)]


def _alarms(site: Site) -> Iterator[Alarm]:
    state = site.state
    for source, quanta in state.closure().items():
        if quanta:
            text = f"{quanta} quanta of {source} are on no account"
            yield Alarm("closure", source, text, None, _rest(site, source, quanta))
    for about, why in list(site.told.problems.items())[:_MOST_PROBLEMS]:
        yield Alarm("record", about, why, None, {"cause": why})
    yield from _notices(site)
    for meter in sorted(state.silent):
        reach = state.readings.reach(meter)
        since_ms, detail = (reach[1], {"since": instant(reach[1])}) if reach else (None, {})
        text = f"{meter} is silent: batches close without it, incomplete"
        yield Alarm("silent", meter, text, since_ms, detail)
    read = set(state.readings.meters())
    for unread in state.model.meters if state.model else ():
        if unread.id not in read and unread.id not in state.silent:
            yield Alarm("unread", unread.id, f"{unread.id} was never read: nothing can be posted")
    for problem in state.problems()[:_MOST_PROBLEMS]:
        detail = {**problem.reason.values, "key": problem.key, "code": problem.reason.code}
        text = f"{problem.key}: {problem.text}"
        yield Alarm("event", problem.event.id, text, problem.event.t_ms, detail)
    for register, why in site.unmapped().items():
        yield Alarm("unmapped", register, f"{register}: {why}")
    for account, sums in state.totals().items():
        # Meters differ by their errors, so a small negative residual is no news.
        below = {source for source, quanta in sums.items() if quanta < 0}
        if account.startswith("residual:") and below and _matters(site, account, sums):
            yield Alarm("residual", account, f"{account}: more went out than came in")


def _notices(site: Site) -> Iterator[Alarm]:
    """What gateways said that is not over, or that somebody must say a word to."""
    notices, readings = site.told.notices, site.state.readings
    for register, event in sorted(notices.doubted(readings).items()):
        text = f"{register}: {event.event}: read {event.detail.get('read')}, last good"
        text += f" {event.detail.get('last')}: nothing of it is booked until it is clear"
        yield Alarm("doubt", register, text, event.t_ms, event.detail)
    for register, resets in notices.unconfirmed(readings).items():
        event = resets[-1]
        text = f"{register}: the register went on at {event.detail.get('opening')} on"
        text += f" {instant(event.t_ms)}; what was used just before is not counted until a swap"
        text += " event tells its true ends"
        yield Alarm("reset", register, text, event.t_ms, _ends(event.detail))
    for gateway, until_ms in sorted(notices.behind.items()):
        if site.told.now_ms <= until_ms:
            until = instant(until_ms)
            text = f"{gateway}: its clock is behind: readings until {until} are kept, not booked"
            yield Alarm("clock", gateway, text, until_ms, {"until": until})


def _rest(site: Site, source: str, quanta: int) -> dict[str, str]:
    versions = site.state.versions
    if versions is None:
        return {}
    unit = versions.carrier_of(source).unit
    return {"amount": texts(versions, {source: quanta})[source], "unit": unit}


def _ends(detail: dict[str, str]) -> dict[str, str]:
    """What a register showed when it ended and when the next began, and in which unit."""
    quantity = QUANTITIES.get(detail.get("quantity", ""))
    return detail | ({"unit": quantity.unit} if quantity else {})


def _matters(site: Site, account: str, sums: dict[str, int]) -> bool:
    """Whether more is missing than the meters of the bus may differ by together."""
    below = -sum(quanta for quanta in sums.values() if quanta < 0)
    u95 = _u95(site, account.removeprefix("residual:"))
    if u95 is not None:
        return below > u95
    # Of meters without a class: a hundredth of what entered the site is beyond class 1.
    return below * 100 > sum(site.state.inflow().values())


def _u95(site: Site, place: str) -> float | None:
    """Of a bus's residual; None where it has edges without a meter, or meters without a class."""
    model = site.state.model
    if model is None or place not in model.buses:
        return None
    if any(place in (link.start, link.end) for link in model.links):
        return None
    around = [meter for meter in model.meters if place in (meter.start, meter.end)]
    biases = {meter.id: bias for meter in around if (bias := bias_of(meter)) is not None}
    counted = {meter.id: _counted(site, meter) for meter in around}
    return residual_of(place, model, counted, biases).u95


def _counted(site: Site, meter: Meter) -> int:
    """Quanta up to the last reading that is posted: near enough to weigh a doubt."""
    state = site.state
    reach = state.readings.reach(meter.id)
    if reach is None or state.frontier_ms is None:
        return 0
    series = state.readings.totals(meter.id)
    at = int(np.searchsorted(series.times, state.frontier_ms, "right")) - 1
    moved = int(series.totals[max(at, 0)]) - int(series.totals[0])
    return round(moved * Fraction(10) ** series.exponent * meter.scale)
