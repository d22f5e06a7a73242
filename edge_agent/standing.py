"""The health of each meter: what the buses said of it last, and its last error."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from wire.messages import MeterEvent

log = logging.getLogger(__name__)


@dataclass
class Standing:
    """One meter's health, ok or why not, and its last error whether or not it is over. `told`: that
    it is silent has been told."""

    since_ms: int
    health: str = "starting"
    told: bool = False
    error: str = ""
    error_ms: int | None = None


class Standings:
    """Every meter of the configuration. `tell` takes the events."""

    def __init__(self, now_ms: Callable[[], int], tell: Callable[[MeterEvent], None]) -> None:
        self._now_ms = now_ms
        self._tell = tell
        self._meters: dict[str, Standing] = {}

    def change(self, meters: Iterable[str]) -> None:
        """From now on these are the meters; who stays keeps its health."""
        now_ms = self._now_ms()
        self._meters = {name: self._meters.get(name) or Standing(now_ms) for name in meters}

    def get(self, meter: str) -> Standing | None:
        """None for a meter that is not in the configuration, or no longer."""
        return self._meters.get(meter)

    @property
    def health(self) -> dict[str, str]:
        """Meter -> ok, or why not."""
        return {name: standing.health for name, standing in self._meters.items()}

    def note(self, meter: str, health: str) -> None:
        """What was found. A meter silent twice in a row is an event, and then its return; a line
        has noise, and one lost answer is nobody's news."""
        standing = self._meters.get(meter)
        if standing is None:
            return  # asked before it was taken out of the configuration
        was, standing.health = standing.health, health
        now_ms, is_ok = self._now_ms(), health == "ok"
        if not is_ok:
            standing.error, standing.error_ms = health, now_ms
        if was == "starting" or (was == "ok") != is_ok:
            standing.since_ms = now_ms
        if is_ok:
            is_news = standing.told or was == "starting"
        else:
            is_news = not standing.told and was != "ok"
        if not is_news:
            return
        standing.told = not is_ok
        log.log(logging.INFO if is_ok else logging.WARNING, "%s: %s", meter, health)
        if was != "starting":
            event = "back" if is_ok else "silent"
            detail = {} if is_ok else {"reason": health}
            self._tell(MeterEvent(meter, now_ms, event, detail))

    def missed(self, meter: str, why: str) -> None:
        """It answered, but not every request of the round."""
        if standing := self._meters.get(meter):
            standing.error, standing.error_ms = why, self._now_ms()
