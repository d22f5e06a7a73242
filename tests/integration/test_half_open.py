"""A link that stands and carries nothing is found; the broker that comes back is too."""

import asyncio
import contextlib
import os
import random
import subprocess
import time

import pytest

from tests.integration import servers
from tests.integration.unruly_broker import Manners, Proxy
from wire import mqtt
from wire.errors import TransientError
from wire.mqtt import Broker, Client

pytestmark = pytest.mark.mosquitto

KEEPALIVE_S = 4  # the usual 20 makes 41 seconds of it
FOUND_S = 2 * KEEPALIVE_S + 30  # who looks may be late


async def lost(client):
    """Seconds until the client knows."""
    began = time.monotonic()
    while client.connected.is_set():
        await asyncio.sleep(0.05)
        assert time.monotonic() - began < servers.PATIENCE_S
    return time.monotonic() - began


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize("is_busy", [False, True], ids=["silent", "publishing"])
async def test_a_frozen_broker_is_found(tmp_path, protocol, is_busy):
    """Its kernel takes every byte, so only the missing answers tell."""
    with servers.mosquitto(tmp_path) as (process, port):
        client = Client(Broker(port=port, protocol=protocol, keepalive_s=KEEPALIVE_S), "half-open")
        async with client.running():
            await client.connected.wait()
            await client.publish("a", b"before")
            process.freeze()
            try:
                waiting = asyncio.create_task(client.publish("a", b"after")) if is_busy else None
                assert await lost(client) < FOUND_S
                if waiting is not None:
                    with pytest.raises(TransientError):
                        await waiting
            finally:
                process.thaw()
            async with asyncio.timeout(servers.PATIENCE_S):
                await client.connected.wait()
            await client.publish("a", b"again")


@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
async def test_a_link_that_swallows_every_packet_is_found(tmp_path):
    """No reset, no answer: a firewall that forgot, a cable pulled behind the switch."""
    name, port = f"wp{os.getpid()}", servers.free_port()
    net = f"10.213.{os.getpid() % 256}"  # another run beside this one has another
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 0.0.0.0\nallow_anonymous true\n")
    with contextlib.ExitStack() as stack:
        ip("netns", "add", name)
        stack.callback(ip, "netns", "del", name)
        ip("link", "add", f"{name}a", "type", "veth", "peer", "name", "wpfar", "netns", name)
        ip("addr", "add", f"{net}.1/30", "dev", f"{name}a")
        ip("link", "set", f"{name}a", "up")
        ip("-n", name, "addr", "add", f"{net}.2/30", "dev", "wpfar")
        ip("-n", name, "link", "set", "dev", "wpfar", "up")
        broker = await asyncio.create_subprocess_exec(
            *("ip", "netns", "exec", name, "mosquitto", "-c", str(config)),
            stderr=subprocess.DEVNULL,
        )
        stack.callback(broker.kill)
        client = Client(Broker(f"{net}.2", port, keepalive_s=KEEPALIVE_S), "swallowed")
        async with client.running():
            async with asyncio.timeout(servers.PATIENCE_S):
                await client.connected.wait()
            ip("-n", name, "link", "set", "dev", "wpfar", "down")
            waiting = asyncio.create_task(client.publish("a", b"swallowed"))
            assert await lost(client) < FOUND_S
            with pytest.raises(TransientError):
                await waiting
            ip("-n", name, "link", "set", "dev", "wpfar", "up")
            async with asyncio.timeout(servers.PATIENCE_S):
                await client.connected.wait()
            await client.publish("a", b"again")


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Noted(random.Random):
    """Notes between what the pause before the next attempt was drawn; takes none."""

    def __init__(self):
        super().__init__(1)
        self.ceilings = []

    def uniform(self, a, b):
        assert a == 0
        self.ceilings.append(b)
        return 0.0


async def test_attempts_come_less_and_less_often_up_to_a_minute():
    noted = Noted()
    client = Client(Broker(port=servers.free_port()), "nobody", random_=noted)
    async with client.running(), asyncio.timeout(servers.PATIENCE_S):
        while len(noted.ceilings) < 9:
            await asyncio.sleep(0.02)
    assert noted.ceilings[:9] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.parametrize("stable_s", [0.3, 60.0], ids=["after a stable time", "not before"])
async def test_only_a_link_that_has_stood_a_while_starts_the_pauses_anew(
    tmp_path, monkeypatch, stable_s
):
    monkeypatch.setattr(mqtt, "_STABLE_S", stable_s)
    noted = Noted()
    with servers.mosquitto(tmp_path) as (process, port):
        client = Client(Broker(port=port), "falls", random_=noted)
        async with client.running(), asyncio.timeout(2 * servers.PATIENCE_S):
            for _ in range(3):
                await client.connected.wait()
                await asyncio.sleep(0.5)
                process.kill()
                await lost(client)
                process.start()
            await client.connected.wait()
    assert (noted.ceilings[-1] == 1 or 1 in noted.ceilings[1:]) == (stable_s < 1)


async def test_a_message_that_is_never_acknowledged_is_found_though_others_are(tmp_path):
    manners = Manners(drop_puback=1)
    with servers.mosquitto(tmp_path) as (_, port):
        async with Proxy(port, manners, seed=1).serving() as proxy:
            client = Client(Broker(port=proxy.port, keepalive_s=2), "half-open")
            async with client.running(), asyncio.timeout(servers.PATIENCE_S):
                await client.connected.wait()
                lost_one = asyncio.create_task(client.publish("a", b"lost"))
                while not manners.done["dropped"]:
                    await asyncio.sleep(0.02)
                manners.drop_puback = 0
                while not lost_one.done():
                    with contextlib.suppress(TransientError):
                        await client.publish("a", b"another")
                    await asyncio.sleep(0.1)
                with pytest.raises(TransientError, match="lost"):
                    await lost_one
                await client.connected.wait()
                await client.publish("a", b"again")
                assert client.epoch >= 2
