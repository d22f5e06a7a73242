"""Looks for alarms every few seconds, and says which were raised or cleared."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from calc_stream.alarms import alarms
from calc_stream.engines.embedded import Engine
from calc_stream.web.alarm_book import AlarmBook, AlarmNow
from calc_stream.web.charts import Charts
from wire.errors import TransientError

log = logging.getLogger(__name__)

_EVERY_S = 2.0
_CATCHING_UP = 500  # records a look: what was so long ago is no alarm


class Watch:
    """One look after the other. `told` gets what changed."""

    def __init__(
        self,
        engine: Engine,
        book: AlarmBook,
        charts: Charts,
        told: Callable[[Sequence[AlarmNow]], None],
        now_ms: Callable[[], int],
    ) -> None:
        self._engine, self._book, self._charts = engine, book, charts
        self._told, self._now_ms = told, now_ms
        self._offset: int | None = None
        self._failing = False

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(_EVERY_S)

    def look(self) -> None:
        """Once; not while the engine reads what was long ago."""
        now_ms = self._now_ms()
        with self._engine.lock:
            site = self._engine.site
            if site is None:
                return
            before, self._offset = self._offset, site.offset
            if before is None or site.offset - before > _CATCHING_UP:
                return
            found = alarms(site, now_ms, self._charts.over(site))
        try:
            changed = self._book.follow(found, now_ms)
        except TransientError as exc:
            if not self._failing:
                log.error("%s; trying again", exc)
            self._failing = True
            return
        self._failing = False
        for alarm in changed:
            state = "raised" if alarm.cleared_ms is None else "cleared"
            log.warning("alarm %s: %s", state, alarm.text)
        self._told(changed)
