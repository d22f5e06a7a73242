"""What the latest records showed: power, quality, events. Only for looking at, so never stored."""

from collections import deque
from dataclasses import dataclass, field

import msgspec

from calc_stream.decode import Decoded, numbers
from calc_stream.site import Site, Step
from wire.messages import ProductionEvent
from wire.quantities import QUANTITIES, register_id
from wire.segment import Table

HISTORY_MS = 120_000
_EVENTS = 60


class Happening(msgspec.Struct, frozen=True):
    """Something that happened to a meter or in production."""

    t_ms: int
    kind: str
    event: str
    meter: str | None = None
    detail: dict[str, str] = {}


@dataclass
class Seen:
    """One meter's latest answer; power in W as the meter tells it, before CT x PT."""

    gateway: str = ""
    last_ms: int = 0
    powers: deque[tuple[int, float]] = field(default_factory=deque)

    @property
    def power_w(self) -> float | None:
        return self.powers[-1][1] if self.powers else None


class View:
    """Follows the engine, record by record."""

    def __init__(self) -> None:
        self.meters: dict[str, Seen] = {}
        # register -> when its latest reading was, and of which quality
        self.qualities: dict[str, tuple[int, str]] = {}
        self.happenings: deque[Happening] = deque(maxlen=_EVENTS)
        self.latest_reading_ms: int | None = None

    def see(self, _site: Site, step: Step) -> None:
        """Take in what a record shows."""
        self.take(step.decoded)

    def take(self, decoded: Decoded) -> None:
        segment = decoded.segment
        if segment is not None:
            for table in segment.tables:
                self._answered(table, segment.header.gateway)
            for event in segment.events:
                self.happenings.append(
                    Happening(event.t_ms, "meter", event.event, event.meter, event.detail)
                )
        for told in decoded.chunk.events:
            if decoded.production is not None:
                detail = _detail(decoded.production)
                self.happenings.append(Happening(told.t_ms, "production", told.type, None, detail))

    def _answered(self, table: Table, gateway: str) -> None:
        if all(QUANTITIES[quantity].gateway for quantity in table.quantities):
            return  # a gateway's word about itself is no meter's answer
        seen = self.meters.setdefault(table.meter, Seen())
        times = numbers(table.times_ms)
        last_ms = int(times[-1])
        seen.gateway, seen.last_ms = gateway, max(seen.last_ms, last_ms)
        for quantity in table.quantities:
            register = register_id(table.meter, quantity)
            if register is not None and last_ms >= self.qualities.get(register, (0, ""))[0]:
                self.qualities[register] = last_ms, table.quality
        self.latest_reading_ms = max(self.latest_reading_ms or 0, last_ms)
        if "active_power" not in table.quantities:
            return
        at = table.quantities.index("active_power")
        watts = numbers(table.columns[at]) * 10.0 ** table.exponents[at]
        newest_ms = seen.powers[-1][0] if seen.powers else 0
        fresh = times > newest_ms  # backfilled power is history nobody watches any more
        seen.powers.extend(zip(times[fresh].tolist(), watts[fresh].tolist(), strict=True))
        while seen.powers and seen.powers[0][0] < seen.powers[-1][0] - HISTORY_MS:
            seen.powers.popleft()


def _detail(event: ProductionEvent) -> dict[str, str]:
    said = msgspec.to_builtins(event)
    return {key: str(said[key]) for key in said if key not in ("t", "type", "source", "n")}
