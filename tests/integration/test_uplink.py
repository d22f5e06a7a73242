"""The agent's way out against a real broker: only the right receipt lets anything go."""

import asyncio
import base64
import contextlib

import msgspec
import pytest

from edge_agent.clock import NOT_BEFORE_MS, Clock
from edge_agent.store import Disk, open_store
from edge_agent.uplink import Uplink
from tests.integration import servers
from tests.integration.test_doctor import told
from wire.messages import GatewayState, Receipt, Refusal, Sample
from wire.mqtt import Broker, Client
from wire.segment import open_segment
from wire.signing import SigningKey

pytestmark = pytest.mark.mosquitto

GATEWAY_KEY = SigningKey(bytes(range(32)))
CLOUD_KEY = SigningKey(bytes(range(1, 33)))
NOW_MS = NOT_BEFORE_MS + 10**9
CLOCK = Clock(lambda: NOW_MS * 10**6, lambda: 10**15, "boot")


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with servers.mosquitto(tmp_path_factory.mktemp("mosquitto")) as (_, port):
        yield Broker(port=port)


class Cloud:
    """The other side: hears segments, says what it is told to say."""

    def __init__(self, client):
        self.client = client
        self.heard = []

    async def listen(self):
        async for message in self.client.messages():
            self.heard.append(message)
            message.ack()

    def segments(self):
        payloads = [m.payload for m in self.heard if m.topic.endswith("/seg")]
        return [open_segment(payload) for payload in payloads]

    async def wait_for(self, count):
        async with asyncio.timeout(60):
            while len(self.segments()) < count:
                await asyncio.sleep(0.02)
        return self.segments()

    async def say(self, receipt, key=CLOUD_KEY):
        unsigned = msgspec.structs.replace(receipt, key=key.public.id, sig="")
        sig = base64.b64encode(key.sign(msgspec.json.encode(unsigned))).decode()
        signed = msgspec.structs.replace(unsigned, sig=sig)
        await self.client.publish("wp/v1/cq/gw/rcpt", msgspec.json.encode(signed), retain=True)


@contextlib.asynccontextmanager
async def started(broker, tmp_path, samples=3):
    store = open_store(tmp_path / "store.db", "cq", "gw", GATEWAY_KEY, CLOCK.now())
    disk = Disk()
    for n in range(samples):
        store.commit([Sample("m", NOW_MS + n, {"frequency": (n, 0)})], [], CLOCK.now(), {})
        store.seal(CLOCK.now(), "assumed")
    uplink = Uplink(broker, "cq", "gw", store, disk, [CLOUD_KEY.public], CLOCK)
    client = Client(broker, f"cloud-{tmp_path.name}", subscribe=["wp/v1/cq/gw/+"])
    cloud = Cloud(client)
    async with client.running():
        await client.connected.wait()
        # What an earlier test left behind on the broker.
        await client.publish("wp/v1/cq/gw/rcpt", b"", retain=True)
        tasks = [asyncio.create_task(cloud.listen()), asyncio.create_task(uplink.run())]
        try:
            yield store, cloud, uplink
        finally:
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            disk.close()
            store.close()


def receipt_for(segment, **others):
    header = segment.header
    facts = {
        "site": "cq",
        "gateway": "gw",
        "stream": header.stream,
        "upto": header.seq,
        "head": segment.hash,
        "journal": 9,
        "key": "",
        "time_ms": NOW_MS,
    }
    return Receipt(**{**facts, **others})


async def settle(store, expected, patience_s=servers.PATIENCE_S):
    """The receipted number, once it is `expected` or patience is over."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience_s):
            while store.current().receipted != expected:
                await asyncio.sleep(0.02)
    return store.current().receipted


async def test_segments_arrive_in_order_and_a_receipt_covers_them(broker, tmp_path):
    async with started(broker, tmp_path) as (store, cloud, _):
        segments = await cloud.wait_for(3)
        assert [s.header.seq for s in segments] == [1, 2, 3]
        await cloud.say(receipt_for(segments[1]))
        assert await settle(store, 2) == 2
        assert store.waiting() == (0, 1)


async def test_a_refused_segment_stays_on_disk(broker, tmp_path):
    async with started(broker, tmp_path) as (store, cloud, _):
        segments = await cloud.wait_for(3)
        await cloud.say(receipt_for(segments[2], refused=[Refusal(2, "from the future")]))
        assert await settle(store, 3) == 3
        store.prune(NOW_MS + 10**9)
        assert store.segment(store.current().stream, 2) is not None
        assert store.segment(store.current().stream, 1) is None


@pytest.mark.parametrize(
    ("others", "key"),
    [
        ({}, SigningKey(bytes(32))),
        ({"gateway": "other"}, CLOUD_KEY),
        ({"site": "other"}, CLOUD_KEY),
        ({"stream": "f" * 32}, CLOUD_KEY),
    ],
    ids=["another key", "another gateway", "another site", "another stream"],
)
async def test_a_hostile_receipt_lets_nothing_go(broker, tmp_path, others, key):
    async with started(broker, tmp_path) as (store, cloud, _):
        segments = await cloud.wait_for(3)
        await cloud.say(receipt_for(segments[2], **others), key)
        await cloud.client.publish("wp/v1/cq/gw/rcpt", b"not json")
        # An honest one afterwards shows that the hostile ones have been heard.
        await cloud.say(receipt_for(segments[0]))
        assert await settle(store, 1) == 1
        assert store.waiting() == (0, 2)


async def test_a_tampered_receipt_lets_nothing_go(broker, tmp_path):
    async with started(broker, tmp_path) as (store, cloud, _):
        segments = await cloud.wait_for(3)
        await cloud.say(receipt_for(segments[0]))
        assert await settle(store, 1) == 1
        async with asyncio.timeout(60):  # the cloud hears its own receipts, too
            while not (genuine := [m for m in cloud.heard if _is_receipt(m)]):
                await asyncio.sleep(0.02)
        stretched = genuine[0].payload.replace(b'"upto":1', b'"upto":3')
        assert stretched != genuine[0].payload
        await cloud.client.publish("wp/v1/cq/gw/rcpt", stretched)
        assert await settle(store, 3, patience_s=1.0) == 1


def _is_receipt(message):
    return message.topic.endswith("/rcpt") and message.payload


async def test_a_replayed_old_receipt_changes_nothing(broker, tmp_path):
    async with started(broker, tmp_path) as (store, cloud, _):
        segments = await cloud.wait_for(3)
        await cloud.say(receipt_for(segments[2]))
        assert await settle(store, 3) == 3
        await cloud.say(receipt_for(segments[0]))
        assert await settle(store, 1, patience_s=0.5) == 3


async def test_another_hash_at_our_number_is_a_fork_and_keeps_everything(broker, tmp_path, caplog):
    async with started(broker, tmp_path) as (store, cloud, uplink):
        segments = await cloud.wait_for(3)
        old = store.current().stream
        await cloud.say(receipt_for(segments[2], head="0" * 64))
        async with asyncio.timeout(60):
            while store.current().stream == old:
                await asyncio.sleep(0.02)
        assert len(store.unreceipted(old, 0, 10)) == 3
        store.commit([Sample("m", NOW_MS, {"frequency": (9, 0)})], [], CLOCK.now(), {})
        store.seal(CLOCK.now(), "assumed")
        uplink.sealed.set()
        segments = await cloud.wait_for(4)
        assert segments[-1].header.stream == store.current().stream
        assert segments[-1].header.seq == 1
        for _ in range(3):
            await cloud.say(receipt_for(segments[2], head="0" * 64))
        await cloud.say(receipt_for(segments[3]))
        assert await settle(store, 1) == 1
        assert len(store.streams()) == 2
        assert caplog.text.count("fork: ") == 1, "told, and not each second"


async def test_a_request_brings_the_numbers_again(broker, tmp_path):
    async with started(broker, tmp_path) as (store, cloud, _):
        segments = await cloud.wait_for(3)
        await cloud.say(receipt_for(segments[2]))
        assert await settle(store, 3) == 3
        request = {"stream": store.current().stream, "from": 1, "to": 2}
        await cloud.client.publish("wp/v1/cq/gw/req", msgspec.json.encode(request))
        segments = await cloud.wait_for(5)
        assert [s.header.seq for s in segments] == [1, 2, 3, 1, 2]


async def test_health_is_retained(broker, tmp_path):
    async with started(broker, tmp_path) as (_, cloud, uplink):
        await cloud.wait_for(3)
        await uplink.publish_state({"m": "ok"})
        # What an earlier test's gateway left, the broker tells first.
        async with asyncio.timeout(60):
            while not (states := [state for state in _states(cloud) if state.online]):
                await asyncio.sleep(0.02)
        (state,) = states
        assert state.meters == {"m": "ok"}
        assert state.sealed == 3


def _states(cloud):
    told = [m.payload for m in cloud.heard if m.topic.endswith("/state")]
    return [msgspec.json.decode(payload, type=GatewayState) for payload in told]


async def test_a_broker_that_takes_no_large_message_is_a_problem_before_there_is_one(tmp_path):
    for size, is_problem in ((100_000, True), (1_000_000, False)):
        with told(tmp_path, f"max_packet_size {size}") as broker:
            async with started(broker, tmp_path / str(size)) as (_, cloud, uplink):
                await cloud.wait_for(3)
                assert ("it takes no message over 100000 bytes" in uplink.problem) == is_problem
                assert bool(uplink.problem) == is_problem
