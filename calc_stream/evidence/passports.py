"""Who each meter is: what the model says of it, and who it said it was itself."""

from collections.abc import Iterable

import msgspec

from calc_stream.core import Versions
from calc_stream.core.decimals import instant, significant
from calc_stream.core.whole import LIMIT
from wire.messages import MeterEvent


class Passport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One meter in one version of the model, in force from `since` ("": from ever).

    `multiplier`: quanta of the carrier in one unit of the register. `facts`: class, CT and PT,
    certificate and when it is due, as far as the model tells them. `identity`: what the meter last
    said of itself (maker, serial number), at `identified`; empty when nothing shown says so.
    """

    meter: str
    since: str
    start: str
    end: str
    unit: str
    multiplier: str
    facts: dict[str, str]
    identity: dict[str, str]
    identified: str


def passports(versions: Versions, events: Iterable[MeterEvent]) -> tuple[Passport, ...]:
    """Of every meter of every version, by version and id."""
    last: dict[str, MeterEvent] = {}
    for event in events:
        known = last.get(event.meter)
        if event.event == "identity" and (known is None or known.t_ms <= event.t_ms):
            last[event.meter] = event
    found = []
    for reign in versions.reigns:
        for meter in reign.model.meters:
            told = last.get(meter.id.removesuffix(".export"))
            found.append(
                Passport(
                    meter.id,
                    "" if reign.from_ms <= -LIMIT else instant(reign.from_ms),
                    *(meter.start, meter.end, meter.unit),
                    significant(meter.scale),
                    {key: str(value) for key, value in sorted((meter.facts or {}).items())},
                    dict(sorted(told.detail.items())) if told else {},
                    instant(told.t_ms) if told else "",
                )
            )
    return tuple(found)
