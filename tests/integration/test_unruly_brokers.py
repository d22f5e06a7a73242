"""Brokers with bad manners between an agent and an ingestor: slower, and nothing else."""

import asyncio
from pathlib import Path

import pytest

from tests.integration import servers
from tests.integration.ingestor_process import Ingestor
from tests.integration.store_and_uplink import Agent
from tests.integration.unruly_broker import Manners, Proxy
from wire.journal import verify_chain
from wire.mqtt import Broker, Client
from wire.segment import open_segment

pytestmark = pytest.mark.mosquitto


async def arrives(cloud: Ingestor, agent: Agent, readings: int, patience_s: float = 100) -> None:
    """All of them, sent while they are made; then the journal has exactly what was sealed."""
    async with agent.linked(), asyncio.timeout(patience_s):
        for _ in range(readings // 10):
            await agent.read(10)
            await asyncio.sleep(0.1)
        await agent.receipted(readings)
    exact(cloud, agent, readings)


def exact(cloud: Ingestor, agent: Agent, readings: int) -> None:
    (state,) = agent.store.streams()
    sealed = [agent.store.segment(state.stream, seq) for seq in range(1, readings + 1)]
    assert cloud.segments(cloud.gateways[0]) == [segment.data for segment in sealed]
    journal = cloud.journal()
    verify_chain(journal.walk("s1"))
    journal.close()
    assert cloud.command("quarantine", "list").stdout == ""


@pytest.fixture
def cloud(tmp_path: Path):
    with servers.mosquitto(tmp_path / "mosquitto") as (_, port):
        made = Ingestor(tmp_path / "cloud", port)
        yield made
        made.process.kill()


@pytest.mark.parametrize(
    ("side", "manners"),
    [
        ("agent", Manners(drop_puback=0.1, cut_every_s=3)),
        ("agent", Manners(double=0.3, hold=0.3)),
        ("ingestor", Manners(drop_puback=0.1, double=0.2, hold=0.2, cut_every_s=4)),
    ],
    ids=["dropped acknowledgements", "twice and out of order", "all of it before the ingestor"],
)
async def test_what_a_broker_does_to_messages_changes_nothing(tmp_path, cloud, side, manners):
    agent = Agent(cloud, tmp_path / "store.db")
    try:
        async with Proxy(cloud.broker_port, manners, seed=1).serving() as proxy:
            if side == "agent":
                await asyncio.to_thread(cloud.start_connected)
                agent.broker_port = proxy.port
            else:
                agent.broker_port, cloud.broker_port = cloud.broker_port, proxy.port
                await asyncio.to_thread(cloud.start_connected)
            await arrives(cloud, agent, 80)
        wanted = {"dropped": manners.drop_puback, "doubled": manners.double, "held": manners.hold}
        for what, chance in wanted.items():
            assert bool(manners.done[what]) == bool(chance), manners.done
    finally:
        agent.close()


async def test_a_topic_wanted_later_that_is_refused_is_told_and_the_link_stays(tmp_path):
    manners = Manners()
    with servers.mosquitto(tmp_path) as (_, port):
        async with Proxy(port, manners, seed=1).serving() as proxy:
            client = Client(Broker(port=proxy.port), "listener", subscribe=["a"])
            async with client.running(), asyncio.timeout(60):
                await client.connected.wait()
                client.subscribe(["b"])
                await client.publish("b", b"heard")
                assert (await anext(client.messages())).payload == b"heard"
                manners.refuse = True
                client.subscribe(["c"])
                while not client.problem:
                    await asyncio.sleep(0.02)
                await client.publish("a", b"still heard")
                assert (await anext(client.messages())).payload == b"still heard"
    assert client.problem == (
        "it does not let us hear all we ask for: Not authorized; its access list must name us"
    )


@pytest.mark.parametrize(("granted", "least", "most"), [(3, 2, 3), (500, 4, 20)])
async def test_no_more_is_under_way_than_a_broker_grants(tmp_path, granted, least, most):
    """One that acknowledges late would end the connection of who sends more."""
    with servers.mosquitto(tmp_path, inflight=granted) as (_, port):
        async with Proxy(port, Manners(late_s=0.3), seed=1).serving() as proxy:
            client = Client(Broker(port=proxy.port), "sender")
            async with client.running(), asyncio.timeout(60):
                await client.connected.wait()
                async with asyncio.TaskGroup() as tasks:
                    for _ in range(30):
                        tasks.create_task(client.publish("a", b""))
                assert client.epoch == 1
            assert least <= proxy.most_unanswered <= most


async def test_a_queue_of_ten_that_acknowledges_what_it_drops_loses_nothing(tmp_path):
    """The ingestor is away; the broker acknowledges everything and keeps ten messages of it."""
    with servers.mosquitto(tmp_path / "mosquitto", queue=10) as (_, port):
        cloud = Ingestor(tmp_path / "cloud", port)
        agent = Agent(cloud, tmp_path / "store.db")
        try:
            cloud.start_connected()  # its session is what the broker queues for
            assert cloud.process.stop() == 0
            async with agent.linked(), asyncio.timeout(100):
                await agent.read(60)
                await asyncio.sleep(2)
                state = agent.store.current()
                assert (state.last_seq, state.receipted) == (60, 0)
                await asyncio.to_thread(cloud.start_connected)
                await agent.receipted(60)
            exact(cloud, agent, 60)
        finally:
            cloud.process.kill()
            agent.close()


async def test_a_copied_disk_is_told_within_a_segment_and_neither_copy_loses_anything(
    tmp_path, cloud
):
    """Both go on from the same number: the second to come is a fork, whose readings are kept."""
    agent = Agent(cloud, tmp_path / "store.db")
    await asyncio.to_thread(cloud.start_connected)
    async with agent.linked():
        await agent.read(10)
        await agent.receipted(10)
    copy = agent.copied(tmp_path / "copy.db")
    try:
        async with agent.linked():
            await agent.read(5)
            await agent.receipted(15)
        await copy.read(5)
        async with copy.linked():
            async with asyncio.timeout(60):
                while len(copy.store.streams()) == 1:
                    await asyncio.sleep(0.05)
            old, new = copy.store.streams()
            await copy.read(5)
            async with asyncio.timeout(60):
                while copy.store.current().receipted < 5:
                    await asyncio.sleep(0.05)
        async with agent.linked():
            await agent.read(5)
            await agent.receipted(20)
    finally:
        agent.close()
        copy.close()
    headers = [open_segment(data).header for data in cloud.segments(cloud.gateways[0])]
    places = [(header.stream, header.seq) for header in headers]
    assert [seq for stream, seq in places if stream == old.stream] == list(range(1, 21))
    assert [seq for stream, seq in places if stream == new.stream] == list(range(1, 6))
    with cloud.client() as http:
        site = http.get("/v1/status").json()["sites"]["s1"]
    assert site["quarantined"] >= 5
    listed = cloud.command("quarantine", "list").stdout
    for seq in range(11, 16):
        assert f"fork: gw/{old.stream}/{seq} " in listed, "the other branch, number by number"
