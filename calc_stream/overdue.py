"""What should have come or ended by now: found in a site's state at an instant. Pure."""

from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, timedelta

import numpy as np

from calc_stream.alarm import Alarm
from calc_stream.core import SiteModel
from calc_stream.core.decimals import instant
from calc_stream.core.whole import Rows
from calc_stream.ledger.rows import CLOSED, BatchRow
from calc_stream.site import Site

SILENT_MS = 300_000
_STEPS = 4  # of its usual ones a meter may miss
GAP_MS = 900_000
FILL_MS = 900_000  # a gateway that kept its readings has sent them by then
HELD_MS = 1_800_000  # that long after its end and lateness a batch should be closed
_DAY_MS = 86_400_000
_SOON = timedelta(days=30)
_LEAST_BATCHES = 3


def overdue(site: Site, now_ms: int, over: Collection[str] = ()) -> Iterator[Alarm]:
    """`now_ms`: the clock on the wall; `over`: batches beyond their control limits."""
    model = site.state.model
    if model is None:
        return
    yield from _silent(site, model, now_ms)
    yield from _gaps(site, model)
    yield from _certificates(model, now_ms)
    yield from _over_limits(site, over)
    yield from _long(site)
    yield from _held(site, now_ms)


def _silent(site: Site, model: SiteModel, now_ms: int) -> Iterator[Alarm]:
    """Nothing of a meter for longer than it ever pauses: what is posted waits for it."""
    for meter in model.meters:
        times = site.state.readings.totals(meter.id).times
        if meter.id in site.state.silent or not times.size:
            continue
        last_ms = int(times[-1])
        age_ms = now_ms - last_ms
        if age_ms > SILENT_MS and age_ms > _STEPS * (usual_step_ms(times) or 0):
            text = f"{meter.id} has told nothing since {instant(last_ms)}: results wait for it"
            yield Alarm("silent", meter.id, text, last_ms, {"since": instant(last_ms)})


def usual_step_ms(times: Rows) -> int | None:
    """What lies between two of a meter's last answers, more often than not; None before two."""
    steps = np.sort(np.diff(times[-64:]))
    return int(steps[steps.size // 2]) if steps.size else None


def _gaps(site: Site, model: SiteModel) -> Iterator[Alarm]:
    """Times of the last day without readings, though the meter told before and after."""
    limit_ms = model.max_gap_ms or GAP_MS
    for meter in model.meters:
        times = site.state.readings.totals(meter.id).times
        if not times.size:
            continue
        recent = times[int(np.searchsorted(times, int(times[-1]) - _DAY_MS)) :]
        steps = np.diff(recent)
        if not steps.size:
            continue
        limit = max(limit_ms, _STEPS * (usual_step_ms(times) or 0))
        if steps.max() <= limit:
            continue
        for at in np.flatnonzero(steps > limit).tolist():
            since_ms, until_ms = int(recent[at]), int(recent[at + 1])
            if site.told.now_ms - until_ms < FILL_MS:
                continue
            ends = {"since": instant(since_ms), "until": instant(until_ms)}
            text = f"{meter.id}: no readings from {ends['since']} to {ends['until']}: its energy is"
            yield Alarm("gap", meter.id, f"{text} counted, its course is not known", since_ms, ends)
            break  # one a meter is enough to go and look


def _certificates(model: SiteModel, now_ms: int) -> Iterator[Alarm]:
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    for meter in model.meters:
        due = certificate_due(meter.facts or {})
        if due is not None and due - today <= _SOON:
            when = "was due" if due < today else "is due"
            text = f"{meter.id}: its certificate {when} on {due}"
            yield Alarm("certificate", meter.id, text, None, {"due": str(due)})


def certificate_due(facts: object) -> date | None:
    """The day in a meter's facts; None where there is none, or something that is no day."""
    due = facts.get("certificate_due") if isinstance(facts, dict) else None
    if isinstance(due, datetime):
        return due.date()
    if isinstance(due, date):
        return due
    try:
        return date.fromisoformat(str(due))
    except ValueError:
        return None


def _over_limits(site: Site, over: Collection[str]) -> Iterator[Alarm]:
    """Those that ended within a day."""
    for batch in sorted(over):
        row = site.book.latest[batch]
        if (row.ended_ms or 0) >= site.told.now_ms - _DAY_MS:
            figure = f"{row.kg_co2e_per_unit} kg CO2e per {row.unit}"
            text = f"{batch}: {figure} is beyond the control limits of {row.product}"
            detail = {"factor": row.kg_co2e_per_unit, "unit": row.unit, "product": row.product}
            said = {key: value for key, value in detail.items() if value is not None}
            yield Alarm("over_limit", batch, text, row.ended_ms, said)


def _long(site: Site) -> Iterator[Alarm]:
    """Batches that run longer than any of their product did."""
    longest: dict[str | None, tuple[int, int]] = {}
    for row in site.book.rows.values():
        if row.state in CLOSED and row.started_ms is not None and row.ended_ms is not None:
            count, most = longest.get(row.product, (0, 0))
            longest[row.product] = count + 1, max(most, row.ended_ms - row.started_ms)
    for row in site.book.rows.values():
        count, most = longest.get(row.product, (0, 0))
        if _is_running(row) and row.product is not None and count >= _LEAST_BATCHES:
            since_ms = row.started_ms or 0
            if site.told.now_ms - since_ms > most:
                text = f"{row.batch} runs longer than any {row.product} before: was its stop told?"
                detail = {"product": row.product, "since": instant(since_ms)}
                yield Alarm("long", row.batch, text, since_ms + most, detail)


def _held(site: Site, now_ms: int) -> Iterator[Alarm]:
    """Gateways and production systems that long ended batches cannot be closed for."""
    told, rules = site.told, site.rules
    rows = (row for row in site.book.rows.values() if row.state == "provisional")
    due = [row.ended_ms + rules.lateness_ms for row in rows if row.ended_ms is not None]
    due = [t_ms for t_ms in due if now_ms - t_ms > HELD_MS]
    for gateway, backlog in told.waited(told.backlogs, rules.patience):
        if count := sum(backlog.from_ms < t_ms for t_ms in due):
            since = instant(backlog.from_ms)
            text = f"{gateway} has yet to send its readings from {since} on: {count} batches wait"
            detail = {"since": since, "batches": str(count)}
            yield Alarm("backlog", gateway, text, backlog.from_ms, detail)
    for source, sender in told.waited(told.senders, rules.patience):
        if count := sum(sender.upto_ms < t_ms for t_ms in due):
            since = instant(sender.upto_ms)
            text = (
                f"{source} has not told its events after {since}, or not all: {count} batches wait"
            )
            detail = {"since": since, "batches": str(count)}
            yield Alarm("unheard", source, text, sender.upto_ms, detail)


def _is_running(row: BatchRow) -> bool:
    return row.state == "live" and row.started_ms is not None and row.ended_ms is None
