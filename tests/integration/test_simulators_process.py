"""The plant as a process of its own, and its production system on a real broker."""

import asyncio
import json
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge_agent.protocols.modbus import Request, find_answer, request_frame
from simulators import plant
from simulators.mes import Mes
from simulators.scenario import SOURCE, Scenario
from tests.integration import servers
from tests.integration.agent_process import until
from wire import topics
from wire.messages import EventReceipt
from wire.mqtt import Broker, Client

T0_MS = 1_800_000_000_000


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with servers.mosquitto(tmp_path / "mosquitto") as (_, port):
        yield Broker(port=port)


def tcp_port(config: Path) -> int:
    return int(config.read_text().split("port = ")[-1])


class TestMes:
    pytestmark = pytest.mark.mosquitto

    async def test_events_are_sent_again_until_they_are_signed_for(self, broker, tmp_path):
        kept, started = tmp_path / "receipted", time.monotonic()

        def now_ms() -> int:  # ten times as fast as here
            return T0_MS + int(10_000 * (time.monotonic() - started))

        demo = plant.load(plant.find("demo_plant"))
        scenario = Scenario(demo, 7, T0_MS)
        site = Client(broker, "site", subscribe=[topics.events("s", SOURCE)])
        got: list[dict[str, Any]] = []

        async def listen() -> None:
            async for message in site.messages():
                got.append(json.loads(message.payload))
                message.ack()

        async def sign(upto: int) -> None:
            receipt = EventReceipt(SOURCE, upto)
            await site.publish(topics.event_receipts("s", SOURCE), msgspec.json.encode(receipt))

        def times_seen(n: int) -> int:
            return sum(event.get("n") == n and "id" in event for event in got)

        def last_seen(n: int) -> int:
            return max(at for at, event in enumerate(got) if event.get("n") == n)

        async with site.running(), asyncio.TaskGroup() as tasks:
            await site.connected.wait()
            listening = tasks.create_task(listen())
            first = tasks.create_task(self.run_mes(broker, scenario, kept, now_ms))
            await until(lambda: times_seen(1) >= 2 and times_seen(20) >= 2)  # nobody signed
            await sign(20)
            await until(lambda: kept.exists() and kept.read_text() == "20\n")
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            got.clear()
            second = tasks.create_task(self.run_mes(broker, scenario, kept, now_ms))
            # What the first had on its way may still come before the second begins.
            await until(lambda: times_seen(21) >= 1)
            await until(lambda: any("heartbeat" in event for event in got[last_seen(21) :]))
            del got[: last_seen(21)]
            (beat, *_) = [event for event in got if "heartbeat" in event]
            numbers = [e["n"] for e in got[: got.index(beat)]]
            assert numbers == list(range(21, beat["n"] + 1))  # goes on behind the receipt
            assert beat["n"] == scenario.due(beat["heartbeat"])
            sent = [event for event in got if "id" in event][:5]
            assert sent == list(scenario.events(21, 25))
            for task in (second, listening):
                task.cancel()

    async def run_mes(
        self, broker: Broker, scenario: Scenario, kept: Path, now_ms: Callable[[], int]
    ) -> None:
        client = Client(broker, "plant", subscribe=[topics.event_receipts("s", SOURCE)])
        async with client.running():
            await Mes(scenario, "s", client, kept, now_ms).run()


class TestProcess:
    """`plant-sim run` as its own process; it needs no broker to answer as meters."""

    @pytest.fixture
    def config(self, tmp_path: Path) -> Path:
        path = tmp_path / "plant.toml"
        text = f'site = "demo"\nstate = "{tmp_path / "state"}"\n[broker]\nport = 1\n'
        path.write_text(f"{text}[tcp]\nport = {servers.free_port()}\n")
        return path

    async def start(self, config: Path) -> asyncio.subprocess.Process:
        command = (sys.executable, "-m", "simulators", "run", "--config", str(config))
        return await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)

    async def grid_kwh(self, config: Path) -> float:
        number = tcp_port(config)
        request = Request(1, 3, 801, 8)
        for _ in range(900):
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", number)
            except ConnectionError:
                await asyncio.sleep(0.1)
                continue
            writer.write(request_frame(request, "tcp"))
            answer, _ = find_answer(await reader.readexactly(25), request, "tcp")
            writer.close()
            assert answer is not None
            return sum(struct.unpack(">dd", struct.pack(">8H", *answer.words))) / 1000
        raise AssertionError("the plant never answered")

    async def test_killed_and_started_again_its_registers_went_on_meanwhile(self, config):
        line = config.parent / "state" / "line-a"
        process = await self.start(config)
        before = await self.grid_kwh(config)
        pty = line.readlink()
        process.kill()
        await process.wait()
        await asyncio.sleep(0.5)
        again = await self.start(config)
        after = await self.grid_kwh(config)
        assert 0.005 < after - before < 5.0  # at least 60 kW for half a second, and no new index
        assert line.readlink() != pty or line.readlink().exists()
        again.terminate()
        _, log = await again.communicate()
        assert again.returncode == 0
        assert b"Traceback" not in log
        assert not line.is_symlink()

    async def test_it_stops_cleanly_while_somebody_is_connected(self, config):
        process = await self.start(config)
        await self.grid_kwh(config)
        number = tcp_port(config)
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        await asyncio.sleep(0.1)
        process.terminate()
        _, log = await process.communicate()
        assert process.returncode == 0
        assert b"Traceback" not in log
        assert b'"ERROR"' not in log
        assert await reader.read() == b""
        writer.close()

    async def test_a_taken_port_is_one_line_and_exit_2(self, config):
        number = tcp_port(config)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", number))
            taken.listen()
            process = await self.start(config)
            _, log = await process.communicate()
        assert process.returncode == 2
        assert f"tcp.port: 127.0.0.1:{number} cannot be opened" in log.decode()
        assert b"Traceback" not in log
