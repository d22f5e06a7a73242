"""What systemd hears of a real agent: alive only while it works, whoever else is dead."""

import asyncio
import contextlib
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random
from types import ModuleType

import msgspec
import pytest

from edge_agent import agent as agent_module
from edge_agent import config
from edge_agent.agent import Agent
from edge_agent.clock import system_clock
from edge_agent.store import Disk, open_store
from edge_agent.systemd import Systemd
from edge_agent.uplink import Uplink
from tests.integration import servers
from tests.integration.agent_process import AgentProcess, Meters, until
from wire.signing import SigningKey

WATCHDOG_S = 1.5


class Manager:
    """The socket systemd would have opened, and what came on it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self.heard: list[tuple[float, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.settimeout(0.1)
        self._done = False
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self) -> "Manager":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done = True
        self._thread.join()
        self._socket.close()

    @property
    def environ(self) -> dict[str, str]:
        return {"NOTIFY_SOCKET": str(self.path), "WATCHDOG_USEC": str(round(1e6 * WATCHDOG_S))}

    def words(self) -> list[str]:
        """Everything but how alive it is."""
        said = [text.partition("\n")[0] for _, text in self.heard]
        return [word for word in said if word != "WATCHDOG=1" and not word.startswith("STATUS=")]

    def alive(self, since: float) -> int:
        return sum(1 for t, text in self.heard if text == "WATCHDOG=1" and t > since)

    async def now(self) -> float:
        """When everything said so far has been heard."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
            ours.sendto(b"STATUS=heard", str(self.path))
        await until(lambda: any(text == "STATUS=heard" for _, text in self.heard))
        return self.heard[-1][0]

    def _listen(self) -> None:
        while not self._done:
            with contextlib.suppress(TimeoutError):
                self.heard.append((time.monotonic(), self._socket.recv(4096).decode()))


@pytest.fixture
def manager(tmp_path) -> Iterator[Manager]:
    with Manager(tmp_path) as manager:
        yield manager


@pytest.fixture
async def meters() -> AsyncIterator[Meters]:
    async with Meters().serving() as serving:
        yield serving


def configured(folder: Path, manager: Manager, meters: Meters) -> AgentProcess:
    """An agent with one meter that answers, one that is dead, and a broker that is not there."""
    agent = AgentProcess(folder, servers.free_port(), **manager.environ)
    bus = {"driver": "modbus", "transport": "tcp", "host": "127.0.0.1", "timeout_ms": 1000}
    buses = {"a": {**bus, "port": meters.port}, "b": {**bus, "port": servers.free_port()}}
    agent.write(buses, {"m-1": {"bus": "a", "unit_id": 1}, "m-2": {"bus": "b", "unit_id": 2}})
    return agent


async def test_it_says_when_it_is_ready_reloading_and_stopping(tmp_path, manager, meters) -> None:
    agent = configured(tmp_path, manager, meters)
    async with agent.running():
        await until(lambda: manager.words() == ["READY=1"])
        await agent.reload()
        await until(lambda: manager.words() == ["READY=1", "RELOADING=1", "READY=1"])
        agent.config.write_text("nonsense")
        await agent.reload()
        await until(lambda: manager.words()[3:] == ["RELOADING=1", "READY=1"])
    assert manager.words()[5:] == ["STOPPING=1"]
    lines = [text for _, text in manager.heard if text.startswith("STATUS=")]
    assert "of 2 meters answer; no connection to the broker" in lines[0]


async def test_a_dead_broker_a_dead_meter_and_a_store_nobody_can_write_starve_nobody(
    tmp_path, manager, meters
) -> None:
    agent = configured(tmp_path, manager, meters)
    async with agent.running():
        await until(lambda: "m-1: ok" in agent.said())
        db = sqlite3.connect(tmp_path / "state/store.db", isolation_level=None)
        db.execute("BEGIN IMMEDIATE")  # another program holds it: every commit fails
        await until(lambda: any("the store cannot be used" in line for line in agent.said()))
        since = time.monotonic()
        await until(lambda: manager.alive(since) >= 9)  # it does so three times in WATCHDOG_S
        db.execute("ROLLBACK")
        db.close()


async def test_a_process_that_does_not_run_is_not_alive(tmp_path, manager, meters) -> None:
    agent = configured(tmp_path, manager, meters)
    async with agent.running():
        await until(lambda: manager.alive(0.0) > 0)
        agent.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(0.3)
        since = await manager.now()
        await asyncio.sleep(2 * WATCHDOG_S)
        starved = manager.alive(since)
        agent.process.send_signal(signal.SIGCONT)
        assert starved == 0
        await until(lambda: manager.alive(since) > 0)


class Hanging(ModuleType):
    """A driver like any other, but for a meter that is never done."""

    PROTOCOL = "modbus"

    class Settings(msgspec.Struct, frozen=True):
        """None."""

    Address = config.drivers.load("modbus").Address

    @staticmethod
    @contextlib.asynccontextmanager
    async def connect(*_: object) -> AsyncIterator["Hanging"]:
        yield Hanging("hanging")

    def meter(self, _wanted: object) -> "Hanging":
        return self

    @staticmethod
    def cost(*_: object) -> object:
        raise AssertionError

    rest_ms = 0
    missed: tuple[str, ...] = ()
    tally = config.drivers.Tally()

    async def identify(self) -> dict[str, str]:
        await asyncio.Event().wait()
        raise AssertionError


@contextlib.asynccontextmanager
async def inside(folder: Path, manager: Manager, plan: config.Plan) -> AsyncIterator[Disk]:
    """The agent in this process, so that a test may take hold of its parts; its disk."""
    clock, disk = system_clock(), Disk()
    key = SigningKey(bytes(range(32)))
    store = open_store(folder / "state/store.db", "cq", "gw", key, clock.now())
    uplink = Uplink(plan.config.broker, "cq", "gw", store, disk, plan.receipt_keys, clock)
    agent = Agent(plan, store, disk, uplink, clock, Systemd(manager.environ), Random(1))
    work = asyncio.create_task(agent.run(asyncio.Event(), folder / "agent.toml"))
    try:
        yield disk
    finally:
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
        disk.close()
        store.close()


async def test_a_disk_that_hangs_starves_the_watchdog(
    tmp_path, manager, meters, monkeypatch
) -> None:
    monkeypatch.setattr(agent_module, "_DISK_PATIENCE_S", 12.0)  # a look every 10 s is a turn
    agent = configured(tmp_path, manager, meters)
    async with inside(tmp_path, manager, config.load(agent.config)) as disk:
        await until(lambda: manager.alive(0.0) > 3)
        began, release = threading.Event(), threading.Event()

        def hang() -> None:
            began.set()
            release.wait()

        hangs = asyncio.create_task(disk(hang))
        await until(began.is_set)
        await asyncio.sleep(14.0)
        since = time.monotonic()
        await asyncio.sleep(2 * WATCHDOG_S)
        starved = manager.alive(since)
        release.set()
        await hangs
        assert starved == 0
        await until(lambda: manager.alive(since) > 0)


async def test_a_bus_that_hangs_starves_the_watchdog_though_the_others_work(
    tmp_path, manager, meters, monkeypatch
) -> None:
    monkeypatch.setattr(agent_module, "_BUS_PATIENCE_S", 2.0)
    agent = configured(tmp_path, manager, meters)
    plan = config.load(agent.config)
    buses = {**plan.buses, "b": (Hanging, Hanging.Settings())}
    async with inside(tmp_path, manager, msgspec.structs.replace(plan, buses=buses)):
        await until(lambda: manager.alive(0.0) > 0)
        await asyncio.sleep(3.0)
        since = time.monotonic()
        await asyncio.sleep(2 * WATCHDOG_S)
        assert manager.alive(since) == 0
        asked = len(meters.asked)
        await until(lambda: len(meters.asked) > asked + 2)  # the other bus goes on
        assert manager.alive(since) == 0
