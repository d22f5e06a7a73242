"""Whoever holds the broker can delay and can lie; it cannot make an agent delete or end."""

import asyncio
import base64
import shutil

import msgspec
import pytest

from edge_agent.store import open_store
from tests.integration import servers
from tests.integration.test_uplink import (
    CLOCK,
    CLOUD_KEY,
    GATEWAY_KEY,
    NOW_MS,
    receipt_for,
    settle,
    started,
)
from wire.messages import Sample
from wire.mqtt import Broker
from wire.segment import open_segment
from wire.signing import SigningKey

pytestmark = pytest.mark.mosquitto

DEEP = b"[" * 100_000


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with servers.mosquitto(tmp_path_factory.mktemp("mosquitto")) as (_, port):
        yield Broker(port=port)


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("rcpt", DEEP),
        ("rcpt", b'{"anything": ' + DEEP),
        ("req", b'{"anything": ' + DEEP),
        ("rcpt", b'{"site": "\xff"}'),
        ("req", b'{"stream": "STREAM", "from": 9223372036854775808, "to": 9223372036854775809}'),
        ("req", b'{"stream": "STREAM", "from": -1, "to": 9223372036854775807}'),
        ("req", b'{"stream": "STREAM", "from": 1e400, "to": 2}'),
        ("req", b'{"stream": "", "from": 3, "to": 1}'),
        ("rcpt", b"x" * 8_000_000),
    ],
)
async def test_no_message_ends_the_agent_or_deletes(broker, tmp_path, kind, payload):
    async with started(broker, tmp_path) as (store, cloud, _):
        segments = await cloud.wait_for(3)
        stream = store.current().stream.encode()
        hostile = payload.replace(b"STREAM", stream)
        await cloud.client.publish(f"wp/v1/cq/gw/{kind}", hostile, retain=True)
        await cloud.client.publish(f"wp/v1/cq/gw/{kind}", b"", retain=True)
        # An honest receipt afterwards shows that it was heard, and that the agent still listens.
        await cloud.say(receipt_for(segments[0]))
        assert await settle(store, 1) == 1
        assert store.waiting() == (0, 2)


@pytest.mark.parametrize("sig", ["", "é", "AAAA", base64.b64encode(bytes(64)).decode()])
async def test_a_receipt_with_a_made_up_signature_lets_nothing_go(broker, tmp_path, sig):
    async with started(broker, tmp_path) as (store, cloud, _):
        segments = await cloud.wait_for(3)
        forged = receipt_for(segments[2], key=CLOUD_KEY.public.id, sig=sig)
        await cloud.client.publish("wp/v1/cq/gw/rcpt", msgspec.json.encode(forged))
        await cloud.say(receipt_for(segments[0]))
        assert await settle(store, 1) == 1
        assert len(store.unreceipted(store.current().stream, 1, 10)) == 2


async def test_a_receipt_for_another_gateways_stream_replayed_here_lets_nothing_go(
    broker, tmp_path
):
    """Same numbers, honestly signed, of another stream."""
    async with started(broker, tmp_path) as (store, cloud, _):
        segments = await cloud.wait_for(3)
        await cloud.say(receipt_for(segments[2], gateway="gw-2", stream="0" * 32))
        await cloud.say(receipt_for(segments[0]))
        assert await settle(store, 1) == 1


async def test_of_two_pinned_keys_each_counts_and_a_third_does_not(broker, tmp_path):
    async with started(broker, tmp_path) as (store, cloud, uplink):
        coming, strange = SigningKey(bytes(32)), SigningKey(bytes([7] * 32))
        segments = await cloud.wait_for(3)
        uplink.trust([CLOUD_KEY.public, coming.public])
        await cloud.say(receipt_for(segments[0]))
        assert await settle(store, 1) == 1
        await cloud.say(receipt_for(segments[1]), coming)
        assert await settle(store, 2) == 2
        uplink.trust([coming.public])
        for key in (strange, CLOUD_KEY):
            await cloud.say(receipt_for(segments[2]), key)
        assert await settle(store, 3, patience_s=1) == 2


async def test_of_a_cloned_store_neither_side_deletes_the_others(broker, tmp_path):
    """F20: the disk was copied; both go on with the same stream and number."""
    async with started(broker, tmp_path) as (store, cloud, _):
        await cloud.wait_for(3)
        stream = store.current().stream
        (tmp_path / "clone").mkdir()
        for file in tmp_path.glob("store.db*"):
            shutil.copy(file, tmp_path / "clone" / file.name)
        clone = open_store(tmp_path / "clone/store.db", "cq", "gw", GATEWAY_KEY, CLOCK.now())
        assert clone.current().stream == stream
        clone.commit([Sample("m", NOW_MS + 99, {"frequency": (99, 0)})], [], CLOCK.now(), {})
        clone.seal(CLOCK.now(), "assumed")
        clone.number_next(CLOCK.now())
        theirs = open_segment(clone.unreceipted(stream, 3, 1)[0].data)
        store.commit([Sample("m", NOW_MS + 77, {"frequency": (77, 0)})], [], CLOCK.now(), {})
        store.seal(CLOCK.now(), "assumed")
        clone.close()
        # The ingestor took the clone's number 4 and signs for it, cumulatively.
        await cloud.wait_for(3)
        async with asyncio.timeout(servers.PATIENCE_S):
            while len(store.unreceipted(stream, 3, 1)) < 1:
                await asyncio.sleep(0.05)
        await cloud.say(receipt_for(theirs))
        async with asyncio.timeout(servers.PATIENCE_S):
            while store.current().stream == stream:
                await asyncio.sleep(0.05)
        assert len(store.unreceipted(stream, 0, 10)) == 4, "everything is kept"
