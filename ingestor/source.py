"""The MQTT side: what arrives is handed on with its acknowledgement, what is said waits its turn.

Of everything about one subject only the newest word is kept, so a slow link never queues up old
receipts. When the link is lost the words are dropped: at the next one the pipeline says everything
that is true then.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Sequence

from ingestor.receipts import Saying
from wire.errors import TransientError
from wire.mqtt import Broker, Client, Message
from wire.topics import ROOT

log = logging.getLogger(__name__)

_WINDOW = 20


class Source:
    """One durable session under a fixed client id; `sites`: `+` is every one."""

    def __init__(self, broker: Broker, client_id: str, sites: Iterable[str]) -> None:
        self._sites = set(sites)
        self._mqtt = Client(broker, client_id, subscribe=_topics(sorted(self._sites)))
        self._words: dict[str, Saying] = {}
        self._more = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def epoch(self) -> int:
        """Counts connections."""
        return self._mqtt.epoch

    @property
    def connected(self) -> asyncio.Event:
        return self._mqtt.connected

    def follow(self, sites: Iterable[str]) -> None:
        """Hear these sites, too."""
        if fresh := set(sites) - self._sites:
            log.info("hears %s from now on, too", ", ".join(sorted(fresh)))
            self._sites |= fresh
            self._mqtt.subscribe(_topics(sorted(fresh)))

    def deliveries(self) -> AsyncIterator[Message]:
        """Everything that arrives; each is to be acknowledged once it is safe."""
        return self._mqtt.messages()

    def say(self, sayings: Sequence[Saying]) -> None:
        """Publish these, as soon as may be."""
        for saying in sayings:
            self._words.pop(saying.about, None)
            self._words[saying.about] = saying
        if sayings:
            self._empty.clear()
            self._more.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        async with self._mqtt.running():
            while True:
                await self._more.wait()
                await self._mqtt.connected.wait()
                self._more.clear()
                await self._publish()

    async def flush(self, timeout_s: float) -> None:
        """Wait until everything said is with the broker, but not for ever."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._empty.wait()
        except TimeoutError:
            log.warning("%d receipts were not published; they follow later", len(self._words))

    async def _publish(self) -> None:
        try:
            while self._words:
                about = list(self._words)[:_WINDOW]
                said = [self._words.pop(each) for each in about]
                async with asyncio.TaskGroup() as tasks:
                    for word in said:
                        tasks.create_task(
                            self._mqtt.publish(word.topic, word.payload, retain=word.retain)
                        )
        except* TransientError:
            self._words.clear()
        self._empty.set()


def _topics(sites: Iterable[str]) -> list[str]:
    tails = "+/seg", "+/state", "event", "event/+"
    return [f"{ROOT}/{site}/{tail}" for site in sites for tail in tails]
