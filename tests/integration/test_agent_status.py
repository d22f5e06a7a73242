"""What a running agent says of itself: the status command, Prometheus, and among its readings."""

import asyncio
import json
import stat
import sys
from pathlib import Path

import pytest

from tests.integration import servers
from tests.integration.agent_process import AgentProcess, Meters, until
from tests.unit.edge_agent.test_metrics import asked, parsed
from wire.mqtt import Broker, Client
from wire.segment import open_segment

pytestmark = pytest.mark.mosquitto


async def typed(agent: AgentProcess, *words: str) -> tuple[int, str, str]:
    """Exit code, output and errors of `edge-agent status`."""
    command = (sys.executable, "-m", "edge_agent", "status", "--config", str(agent.config))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, *words, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_it_says_how_it_goes_in_every_way(tmp_path: Path) -> None:
    metrics_file, metrics_socket = tmp_path / "wattprint.prom", tmp_path / "metrics.sock"
    with servers.mosquitto(tmp_path / "mosquitto") as (_, port):
        async with Meters().serving() as meters:
            agent = AgentProcess(tmp_path, port)
            agent.head |= {
                "self_metrics_s": 10,
                "metrics_file": str(metrics_file),
                "metrics_socket": str(metrics_socket),
            }
            bus = {"driver": "modbus", "transport": "tcp", "host": "127.0.0.1"}
            bus["timeout_ms"] = 20_000  # no answer is too late
            agent.write({"a": {**bus, "port": meters.port}}, {"m-1": {"bus": "a", "unit_id": 1}})
            assert (await typed(agent))[0] == 2, "it has never run"
            cloud = Client(Broker(port=port), "cloud", subscribe=["wp/v1/cq/gw/seg"])
            async with cloud.running(), agent.running():
                own = await readings_of(cloud, "gw")
                while own["slots_answered"][0] < 2:  # ten seconds ended just as it started
                    own = await readings_of(cloud, "gw")
                assert own["slots_due"][0] in range(2, 60)
                assert own["slots_answered"][0] <= own["slots_due"][0] + 1  # one of before
                assert own["cpu_time"][0] > 0
                assert own["disk_free"][0] > 0

                code, out, err = await typed(agent)
                assert (code, err) == (0, "")
                assert [line for line in out.splitlines() if line.startswith("m-1  ")]
                told = json.loads((await typed(agent, "--json"))[1])
                assert told["problems"] == []
                assert stat.S_IMODE((tmp_path / "state" / "status.json").stat().st_mode) == 0o600
                link = told["status"]["link"]
                assert (link["connected"], link["losses"]) == (True, 0)
                assert told["status"]["meters"]["m-1"]["answers"] > 0

                values = parsed(metrics_file.read_text())
                assert values["wattprint_meter_up", 'meter="m-1",bus="a"'] == 1
                said, body = await asked(metrics_socket, b"GET /metrics HTTP/1.1\r\n\r\n")
                assert said == "HTTP/1.1 200 OK"
                assert parsed(body).keys() == values.keys()

                del agent.head["metrics_socket"]
                bus["timeout_ms"] = 200
                agent.write(
                    {"a": {**bus, "port": meters.port}}, {"m-1": {"bus": "a", "unit_id": 1}}
                )
                await agent.reload()
                await until(lambda: not metrics_socket.exists())

                meters.silent = {1}
                await until(lambda: any("no answer" in line for line in agent.said()))
                async with asyncio.timeout(
                    servers.PATIENCE_S
                ):  # what it says is written every ten seconds
                    while code == 0:
                        await asyncio.sleep(0.5)
                        code, out, err = await typed(agent)
                assert code == 1
                assert err.startswith("edge-agent: m-1: unit 1 at 127.0.0.1")
                assert " silent " in out
        code, _, err = await typed(agent)
        assert code == 1
        assert err.startswith("edge-agent: the agent was stopped at ")


async def test_what_cannot_be_written_is_said_once_and_stops_nothing(tmp_path: Path) -> None:
    with servers.mosquitto(tmp_path / "mosquitto") as (_, port):
        async with Meters().serving() as meters:
            agent = AgentProcess(tmp_path, port)
            agent.head |= {
                "metrics_file": str(tmp_path / "nowhere/wattprint.prom"),
                "metrics_socket": str(tmp_path / "nowhere/metrics.sock"),
            }
            bus = {"driver": "modbus", "transport": "tcp", "host": "127.0.0.1"}
            agent.write({"a": {**bus, "port": meters.port}}, {"m-1": {"bus": "a", "unit_id": 1}})
            async with agent.running():
                await until(lambda: told(agent, "No such file or directory") == 2)
                asked = len(meters.asked)
                await until(lambda: len(meters.asked) > asked + 10)
                (tmp_path / "nowhere").mkdir()
                await until(lambda: told(agent, "works again") == 2)
                assert (tmp_path / "nowhere/wattprint.prom").exists()
                assert (tmp_path / "nowhere/metrics.sock").exists()
            assert told(agent, "No such file or directory") == 2
            assert told(agent, "works again") == 2


def told(agent: AgentProcess, words: str) -> int:
    """How many of its messages hold these words."""
    return sum(words in line for line in agent.said())


async def readings_of(cloud: Client, meter: str) -> dict[str, tuple[int, int]]:
    """The values of this meter's first sample that comes."""
    async with asyncio.timeout(servers.PATIENCE_S):
        async for message in cloud.messages():
            message.ack()
            for table in open_segment(message.payload).tables:
                if table.meter == meter:
                    return next(table.samples()).values
    raise AssertionError
