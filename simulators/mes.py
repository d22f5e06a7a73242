"""The plant's production system: reports what the scenario says happened, when it is due.

It keeps every event until the site has signed for it. Since events are a function of their number,
keeping them means keeping one number: how far the last receipt went. What lies behind that receipt
is sent again, after a lost link and whenever no receipt has come for a while.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from simulators.scenario import SOURCE, Scenario
from wire import topics
from wire.errors import TransientError
from wire.messages import EventReceipt, Heartbeat
from wire.mqtt import Client

log = logging.getLogger(__name__)

HEARTBEAT_MS = 2_000
RESEND_MS = 10_000
_TICK_S = 0.1
_WINDOW = 500  # events sent and not signed for


class Mes:
    """Publishes events of `scenario` for `site`; `kept` is the file with the last receipt."""

    def __init__(
        self, scenario: Scenario, site: str, client: Client, kept: Path, now_ms: Callable[[], int]
    ) -> None:
        self.receipted = int(kept.read_text(encoding="ascii")) if kept.exists() else 0
        self._scenario, self._site, self._client = scenario, site, client
        self._kept, self._now_ms = kept, now_ms
        self._sent = self.receipted
        self._epoch = 0
        self._progress_ms = self._heartbeat_ms = 0

    async def run(self) -> None:
        """Publish until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._take_receipts())
            tasks.create_task(self._report())

    async def _take_receipts(self) -> None:
        async for message in self._client.messages():
            try:
                receipt = msgspec.json.decode(message.payload, type=EventReceipt)
            except msgspec.DecodeError as exc:
                log.warning("%s: not a receipt: %s", message.topic, exc)
            else:
                if receipt.source == SOURCE and receipt.upto > self.receipted:
                    self._keep(receipt.upto)
            message.ack()

    async def _report(self) -> None:
        while True:
            await self._client.connected.wait()
            try:
                await self._send_due(self._now_ms())
            except TransientError as exc:
                log.info("events wait: %s", exc)
            await asyncio.sleep(_TICK_S)

    async def _send_due(self, now_ms: int) -> None:
        quiet = self._sent > self.receipted and now_ms - self._progress_ms > RESEND_MS
        if self._client.epoch != self._epoch or quiet:
            self._epoch, self._sent, self._progress_ms = self._client.epoch, self.receipted, now_ms
        due = min(self._scenario.due(now_ms), self.receipted + _WINDOW)
        topic = topics.events(self._site, SOURCE)
        for event in self._scenario.events(self._sent + 1, due):
            await self._client.publish(topic, msgspec.json.encode(event))
            if self._sent == self.receipted:
                self._progress_ms = now_ms
            self._sent = max(self._sent, int(event["n"]))
        # What is due has been sent, so nothing earlier than now can follow.
        if now_ms - self._heartbeat_ms >= HEARTBEAT_MS and self._sent == self._scenario.due(now_ms):
            beat = Heartbeat(SOURCE, self._sent, now_ms)
            await self._client.publish(topic, msgspec.json.encode(beat))
            self._heartbeat_ms = now_ms

    def _keep(self, upto: int) -> None:
        self.receipted, self._progress_ms = upto, self._now_ms()
        fresh = self._kept.with_suffix(".new")
        fresh.write_text(f"{upto}\n", encoding="ascii")
        fresh.replace(self._kept)
