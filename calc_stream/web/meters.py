"""Meters: how each does, and which answers of the last day came."""

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import msgspec
import numpy as np
from fastapi import APIRouter, Response

from calc_stream.core.decimals import significant
from calc_stream.overdue import certificate_due, usual_step_ms
from calc_stream.site import Site
from calc_stream.web.behind import Behind, json
from calc_stream.web.described import describe, of
from calc_stream.web.guard import needs
from calc_stream.web.paging import Instant
from calc_stream.web.problems import bad_data
from calc_stream.web.snapshot import MeterNow, meters_now
from calc_stream.web.view import Happening

SLOT_MS = 900_000
_DAY_MS = 86_400_000
_MOST_SLOTS = 31 * 96


class MeterKnown(MeterNow, frozen=True, kw_only=True, rename={"from_": "from", "class_": "class"}):
    """With what the model tells of it, and its gateway of its make; None where nobody told.

    `profile`: by which its gateway reads it; `typical_s`: what usually lies between two of its answers;
    `reset_events`: resets that nobody has confirmed by a swap event.
    """

    gateway: str | None = None
    profile: str | None = None
    model: str | None = None
    serial: str | None = None
    class_: str | None = None
    certificate: str | None = None
    certificate_due: str | None = None
    due_days: int | None = None
    typical_s: str | None = None
    reset_events: list[Happening] = []


class Meters(msgspec.Struct, frozen=True):
    meters: list[MeterKnown]


class Completeness(msgspec.Struct, frozen=True):
    """By meter the share (0 to 1) of the answers that usually come in a slot; None before its first.

    The first slot begins at `from_ms`, each is `slot_ms` long.
    """

    from_ms: int
    slot_ms: int
    meters: dict[str, list[float | None]]


_METER = MeterKnown(
    meter="m-press-1",
    from_="main",
    to="press-1",
    carrier="electricity",
    unit="kWh",
    health="ok",
    last_ms=1_795_651_200_000,
    register="12345.678000",
    power_w=41_200,
    quality="good",
    gateway="gw-1",
    profile="eastron_sdm630",
    class_="1",
    certificate_due="2027-03-01",
    due_days=95,
    typical_s="5",
)


def routes(behind: Behind) -> APIRouter:
    router = APIRouter(tags=["meters"], dependencies=[needs("viewer")])

    @router.get("/v1/meters", **describe(of(Meters, Meters([_METER])), problems=(503,)))
    def meters() -> Response:
        """Every meter of the model in force."""
        now_ms = behind.now_ms()
        return json(Meters(behind.ask(lambda site: _known(site, behind, now_ms))))

    example = Completeness(1_795_651_200_000, SLOT_MS, {"m-press-1": [1.0, 0.98, None]})

    @router.get("/v1/meters/completeness", **describe(of(Completeness, example), problems=(503,)))
    def completeness(from_ms: Instant = None, to_ms: Instant = None) -> Response:
        """Answers that came, by quarter of an hour; the last day if nothing else is asked for."""
        end_ms = behind.now_ms() if to_ms is None else to_ms
        begin_ms = (end_ms - _DAY_MS if from_ms is None else from_ms) // SLOT_MS * SLOT_MS
        slots = -(-(end_ms - begin_ms) // SLOT_MS)
        if not 0 < slots <= _MOST_SLOTS:
            raise bad_data(f"to_ms: is after from_ms, at most {_MOST_SLOTS} quarters of an hour")
        edges = begin_ms + SLOT_MS * np.arange(slots + 1, dtype=np.int64)
        return json(behind.ask(lambda site: Completeness(begin_ms, SLOT_MS, _shares(site, edges))))

    return router


def _known(site: Site, behind: Behind, now_ms: int) -> list[MeterKnown]:
    model = site.state.model
    facts = {meter.id: meter.facts or {} for meter in model.meters} if model else {}
    unconfirmed = site.told.notices.unconfirmed(site.state.readings)
    found = []
    for now in meters_now(site, behind.view, now_ms):
        due = certificate_due(facts[now.meter])
        today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
        step_ms = usual_step_ms(site.state.readings.totals(now.meter).times)
        seen = behind.view.meters.get(now.meter.removesuffix(".export"))
        found.append(
            MeterKnown(
                **msgspec.structs.asdict(now),
                gateway=seen.gateway if seen else None,
                profile=_told(site, now.meter, "profile"),
                model=_told(site, now.meter, "model"),
                serial=_told(site, now.meter, "serial"),
                class_=_text(facts[now.meter].get("class")),
                certificate=_text(facts[now.meter].get("certificate")),
                certificate_due=_text(due),
                due_days=None if due is None else (due - today).days,
                typical_s=None if step_ms is None else significant(Fraction(step_ms, 1000), 3),
                reset_events=[
                    Happening(e.t_ms, "meter", e.event, e.meter, e.detail)
                    for e in unconfirmed.get(now.meter, ())
                ],
            )
        )
    return found


def _told(site: Site, meter: str, key: str) -> str | None:
    """What it told of itself when it was first asked."""
    event = site.told.notices.makes.get(meter.removesuffix(".export"))
    return event.detail.get(key) if event else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _shares(site: Site, edges: Any) -> dict[str, list[float | None]]:
    model, readings = site.state.model, site.state.readings
    found: dict[str, list[float | None]] = {}
    for meter in model.meters if model else ():
        times = readings.totals(meter.id).times
        step_ms = usual_step_ms(times)
        if step_ms is None:
            found[meter.id] = [None] * (edges.size - 1)
            continue
        counts = np.diff(np.searchsorted(times, edges, "left"))
        # The newest slot may have just begun, and the first one hold only its end.
        spans = np.minimum(edges[1:], times[-1] + step_ms) - np.maximum(edges[:-1], times[0])
        expected = np.maximum(np.where(edges[1:] > times[-1], SLOT_MS, spans) / step_ms, 1)
        shares = np.round(np.minimum(counts / expected, 1), 3).tolist()
        known = (edges[1:] > times[0]).tolist()
        found[meter.id] = [share if k else None for share, k in zip(shares, known, strict=True)]
    return found
