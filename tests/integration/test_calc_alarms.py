"""Alarms on a real broker: what stands is retained, what is over is told once and is gone."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from calc_stream.alarm import Alarm
from calc_stream.web.alarm_book import CLEAR_MS, open_book
from calc_stream.web.broker import Messages
from tests.integration import servers
from tests.unit.calc_stream_live.plant import SITE, T0
from wire.mqtt import Broker, Client, Message

SILENT = Alarm("silent", "m/1", "m/1 is silent", T0, {"since": "2026-11-21T08:00:00.000Z"})


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    with servers.mosquitto(tmp_path / "broker") as (_, port):
        yield port


async def heard(client: Client, last: bytes = b"") -> list[Message]:
    """What comes up to the message that holds `last`; up to the empty one without."""
    found: list[Message] = []
    async with asyncio.timeout(servers.PATIENCE_S):
        async for message in client.messages():
            message.ack()
            found.append(message)
            if message.payload == last or (last and last in message.payload):
                break
    return found


def said(messages: list[Message]) -> list[tuple[str, bool]]:
    """What became of the alarm, and whether the broker had kept it; nothing for an empty message."""
    told = [(m.payload and msgspec.json.decode(m.payload)["state"], m.retained) for m in messages]
    return [(str(state) if state else "", kept) for state, kept in told]


@pytest.mark.mosquitto
async def test_an_alarm_is_retained_while_it_stands(port: int, tmp_path: Path) -> None:
    topic = f"wp/v1/{SITE}/alarm/#"
    messages = Messages(Broker(port=port), SITE)
    with closing(open_book(tmp_path)) as book:
        publishing = asyncio.create_task(messages.run())
        before = Client(Broker(port=port), "before", subscribe=[topic])
        async with before.running():
            await before.connected.wait()
            messages.told(book.follow([SILENT], T0))
            (raised,) = await heard(before, b"raised")
            identity = msgspec.json.decode(raised.payload)["id"]
            assert raised.topic == f"wp/v1/{SITE}/alarm/silent/{identity}"
            assert said([raised]) == [("raised", False)]
            messages.told([book.acknowledge(identity, "li.wei", "seen", T0 + 1)])
            assert said(await heard(before, b'acknowledged"')) == [("acknowledged", False)]
            after = Client(Broker(port=port), "after", subscribe=[topic])
            async with after.running():
                assert said(await heard(after, b'acknowledged"')) == [("acknowledged", True)]
            assert book.follow([], T0 + 2) == []
            messages.told(book.follow([], T0 + 2 + CLEAR_MS))
            assert said(await heard(before)) == [("cleared", False), ("", False)]
        late = Client(Broker(port=port), "late", subscribe=[topic])
        async with late.running():
            await late.connected.wait()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await anext(late.messages())
        publishing.cancel()
