"""Nothing is acknowledged or answered before it is on disk."""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from ingestor.intake import Post
from ingestor.pipeline import Pipeline
from ingestor.source import Source
from tests.integration import servers
from tests.unit.ingestor.conftest import Cloud
from tests.unit.ingestor.gateway import Gateway
from wire.errors import TransientError
from wire.mqtt import Broker, Message

EVENT = b'{"id": "e1", "t": "2026-11-18T08:00:00Z", "type": "void", "of": "e0"}'


class Wire:
    """The connection a message came on; notes what the journal held at each acknowledgement."""

    def __init__(self, cloud: Cloud) -> None:
        self.acked: list[int] = []
        self._cloud = cloud

    def send_acks(self) -> None:
        self.acked.append(len(self._cloud.segments()))


async def test_a_message_is_acknowledged_and_a_post_answered_only_after_the_write(
    cloud: Cloud, gateway: Gateway
) -> None:
    source = Source(Broker(port=servers.free_port()), "i", ["+"])
    wire = Wire(cloud)
    packet = SimpleNamespace(topic=gateway.topic, payload=gateway.seal(), mid=1, qos=1, retain=0)
    message = Message(packet, wire)
    with ThreadPoolExecutor(1) as thread:
        pipeline = Pipeline(cloud.intake, source, thread, lambda: None, lambda: None)
        running = asyncio.create_task(pipeline.run(asyncio.Event()))
        cloud.journal._db.execute("PRAGMA query_only = ON")  # every append fails
        source._mqtt._inbox.put_nowait(message)
        with pytest.raises(TransientError, match="cannot be written"):
            await pipeline.submit(Post("s1", "event", (EVENT,)))
        await asyncio.sleep(0.2)
        assert not message.done
        assert wire.acked == []
        cloud.journal._db.execute("PRAGMA query_only = OFF")
        async with asyncio.timeout(60):
            while not message.done:
                await asyncio.sleep(0.01)
        assert wire.acked == [1]
        [placed] = await pipeline.submit(Post("s1", "event", (EVENT,)))
        assert cloud.journal.read("s1", placed.offset - 1)[0].key == "e1"
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
