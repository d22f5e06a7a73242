"""Footprints and alarms as retained messages on the broker, for machines that want to know."""

import asyncio
import logging
from collections.abc import Sequence

import msgspec

from calc_stream.ledger.rows import BatchRow
from calc_stream.web.alarm_book import AlarmNow, message
from wire import topics
from wire.errors import TransientError
from wire.mqtt import Broker, Client

log = logging.getLogger(__name__)

_EVERY_S = 1.0


class Messages:
    """Publishes what moved, once a second; of one batch, or alarm, only the newest word waits."""

    def __init__(self, broker: Broker, site: str) -> None:
        self._client = Client(broker, f"wattprint-calc-{site}")
        self._site = site
        self._waiting: dict[str, BatchRow | None] = {}
        self._alarms: dict[str, AlarmNow] = {}

    def moved(self, rows: Sequence[BatchRow], gone: Sequence[str] = ()) -> None:
        """May be called from any thread. `gone`: batches of which nothing stands any more."""
        for row in rows:
            self._waiting[row.batch] = row
        for batch in gone:
            self._waiting[batch] = None

    def told(self, alarms: Sequence[AlarmNow]) -> None:
        """Alarms that were raised, acknowledged or cleared. May be called from any thread."""
        for alarm in alarms:
            self._alarms[alarm.id] = alarm

    async def run(self) -> None:
        """Until cancelled."""
        async with self._client.running():
            while True:
                await self._client.connected.wait()
                for batch in list(self._waiting):
                    await self._publish(batch, self._waiting.pop(batch))
                for alarm in list(self._alarms):
                    await self._tell(self._alarms.pop(alarm))
                await asyncio.sleep(_EVERY_S)

    async def _publish(self, batch: str, row: BatchRow | None) -> None:
        if set(batch) & set("/+#\0"):
            return  # cannot be part of a topic
        try:
            # An empty message takes the retained one away.
            said = b"" if row is None else msgspec.json.encode(row)
            await self._client.publish(topics.batch(self._site, batch), said, retain=True)
        except TransientError:
            # The link's own log says so; the row waits unless a newer one does.
            self._waiting.setdefault(batch, row)
            await asyncio.sleep(_EVERY_S)

    async def _tell(self, alarm: AlarmNow) -> None:
        """What stands is retained; what is over is told once, and what was retained goes."""
        topic = topics.alarm(self._site, alarm.kind, alarm.id)
        try:
            is_over = alarm.cleared_ms is not None
            await self._client.publish(topic, message(alarm), retain=not is_over)
            if is_over:
                await self._client.publish(topic, b"", retain=True)
        except TransientError:
            self._alarms.setdefault(alarm.id, alarm)
            await asyncio.sleep(_EVERY_S)
