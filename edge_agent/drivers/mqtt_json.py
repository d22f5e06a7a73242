"""Meters and PLC gateways that publish JSON documents by themselves, on a broker of the plant.

~~~toml
driver = "mqtt_json"
host = "192.168.1.10"
port = 1883
client_id = "wattprint-hall-2"     # of this agent on that broker; no two may share one
silent_after_s = 300               # how long a meter may publish nothing before it counts as silent
# username, password_file, ca_file, cert_file, key_file and protocol as for the agent's own broker

[meter]
topic = "tele/press-1/SENSOR"
channel = 0                        # for profiles with several channels
~~~

A meter's interval says how often what it published is fetched here; nothing it published in
between is left out, each with the time of its arrival (or its own, where the profile knows it).
A retained message without a time of its own is old and not taken; nor is what the broker would keep
while the link is down, unless every meter of the bus tells the time itself.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

import msgspec

from edge_agent.drivers import Answer, Cost, LinkLost, NoAnswer, Wanted
from edge_agent.json_meter import JsonMeter
from edge_agent.line import Tally
from wire import mqtt
from wire.errors import BadData

log = logging.getLogger(__name__)

PROTOCOL = "json"
_MOST_WAITING = 10_000  # documents of one topic; more come only if nobody fetches them
_PAUSE_S = 1.0


class Settings(mqtt.Broker, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The plant's broker, and who we are there."""

    client_id: str
    silent_after_s: float = 300.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.client_id:
            raise ValueError("client_id must not be empty")
        if self.silent_after_s <= 0:
            raise ValueError("silent_after_s must be above 0")


class Address(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The topic a meter publishes on, and which of its channels."""

    topic: str
    channel: int = 0

    def __post_init__(self) -> None:
        if not self.topic or "#" in self.topic or "+" in self.topic:
            raise ValueError("topic is one topic, without # and +")


@asynccontextmanager
async def connect(
    settings: Settings, random: Random, now_ms: Callable[[], int]
) -> AsyncIterator["MqttBus"]:
    """The broker; subscribed to once the first meter is read."""
    bus = MqttBus(settings, random, now_ms)
    try:
        yield bus
    finally:
        await bus.leave()


def cost(_settings: Settings, _wanted: Wanted) -> Cost:
    """The meter asks nothing of us, so it costs nothing."""
    return Cost(1, 0.0)


class _Arrived(msgspec.Struct, frozen=True):
    t_ms: int
    data: bytes


class MqttBus:
    """One connection for all topics of a bus."""

    def __init__(self, settings: Settings, random: Random, now_ms: Callable[[], int]) -> None:
        self.silent_after_s = settings.silent_after_s
        self._settings, self._random, self._now_ms = settings, random, now_ms
        self._arrived: dict[str, deque[_Arrived]] = {}
        self._dated: dict[str, bool] = {}  # whether a topic's documents carry their own time
        self._listening: asyncio.Task[None] | None = None
        self._client: mqtt.Client | None = None

    def meter(self, wanted: Wanted) -> "MqttMeter":
        """See edge_agent.drivers.Bus."""
        meter = MqttMeter(self, wanted)
        topic = wanted.address.topic
        self._dated[topic] = self._dated.get(topic, False) or meter.is_dated
        return meter

    async def fetch(self, topic: str, queue: deque[_Arrived]) -> None:
        """See that what arrives on `topic` gets into `queue`. Raises LinkLost."""
        if self._arrived.get(topic) is not queue:
            self._arrived[topic] = queue
            await self.leave()  # a broker is asked for all topics at once
        if self._listening is None or self._client is None:
            self._client = mqtt.Client(
                self._settings,
                self._settings.client_id,
                subscribe=list(self._arrived),
                random_=self._random,
                durable=all(self._dated[each] for each in self._arrived),
            )
            self._listening = asyncio.create_task(self._listen(self._client))
        if self._listening.done():
            self._listening.result()
        if not self._client.connected.is_set():
            raise LinkLost(f"no connection to the broker at {self._settings}", _PAUSE_S)

    async def leave(self) -> None:
        """End the connection; the next fetch makes it anew."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait((self._listening,))
        self._listening = self._client = None

    async def _listen(self, client: mqtt.Client) -> None:
        async with client.running():
            async for message in client.messages():
                queue = self._arrived.get(message.topic)
                if queue is not None and (not message.retained or self._dated[message.topic]):
                    queue.append(_Arrived(self._now_ms(), message.payload))
                message.ack()


class MqttMeter:
    """See edge_agent.drivers.Meter."""

    rest_ms = 0

    def __init__(self, bus: MqttBus, wanted: Wanted) -> None:
        self.missed: list[str] = []
        self.tally = Tally()
        self._bus = bus
        self._topic: str = wanted.address.topic
        self._meter = JsonMeter(wanted, wanted.address.channel)
        self._queue: deque[_Arrived] = deque(maxlen=_MOST_WAITING)
        self._last: _Arrived | None = None
        self._heard_at = asyncio.get_running_loop().time()

    @property
    def is_dated(self) -> bool:
        """Whether its documents say when they were measured."""
        return self._meter.profile.time is not None

    @property
    def absent(self) -> frozenset[str]:
        """Optional quantities the last document did not have."""
        return self._meter.absent

    async def identify(self) -> dict[str, str]:
        """What its last document says of it; nothing before the first."""
        await self._bus.fetch(self._topic, self._queue)
        newest = self._queue[-1] if self._queue else self._last
        return self._meter.identity(newest.data) if newest else {}

    async def read(self) -> AsyncIterator[Answer]:
        """Everything published since the last round. A document that is none is told and left."""
        await self._bus.fetch(self._topic, self._queue)
        loop = asyncio.get_running_loop()
        self.missed, answered = [], False
        if not self._queue and loop.time() - self._heard_at > self._bus.silent_after_s:
            self.tally.asked += 1
            self.tally.silent += 1
            raise NoAnswer(f"nothing on {self._topic} for {self._bus.silent_after_s:g} s")
        while self._queue:
            self._last = self._queue.popleft()
            self._heard_at = loop.time()
            self.tally.asked += 1
            try:
                answer = self._meter.answer(self._last.data, self._last.t_ms)
            except BadData as exc:
                self.tally.garbled += 1
                self.missed.append(f"{self._topic}: {exc}")
                if not self._queue and not answered:
                    raise
            else:
                answered = True
                self.tally.answered += 1
                yield answer
