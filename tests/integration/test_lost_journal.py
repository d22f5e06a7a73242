"""A cloud that lost its journal gets what the gateway still has, and its word for the rest."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.integration import servers
from tests.integration.ingestor_process import Ingestor
from tests.integration.store_and_uplink import Agent
from wire.segment import open_segment
from wire.segment.gap import read_gap

pytestmark = pytest.mark.mosquitto


async def test_a_journal_lost_for_longer_than_the_gateway_keeps_segments_stalls_nothing(
    tmp_path: Path,
) -> None:
    with servers.mosquitto(tmp_path / "mosquitto") as (_, port):
        cloud = Ingestor(tmp_path / "cloud", port)
        agent = Agent(cloud, tmp_path / "store.db")
        try:
            cloud.start_connected()
            async with agent.linked():
                await agent.read(30)
                await agent.receipted(30)
                await agent.forget(20)
                assert await asyncio.to_thread(cloud.process.stop) == 0
                (cloud.directory / "journal.db").unlink()
                shutil.rmtree(cloud.directory / "state")
                await asyncio.to_thread(cloud.start_connected)
                await agent.read(5)
                await agent.receipted(35)
            _check(cloud, agent)
        finally:
            cloud.process.kill()
            agent.close()


def _check(cloud: Ingestor, agent: Agent) -> None:
    (state,) = agent.store.streams()
    segments = [open_segment(data) for data in cloud.segments(cloud.gateways[0])]
    assert [s.header.seq for s in segments] == list(range(21, 36))
    journal = cloud.journal()
    (record,) = journal.of_kind("s1", "gap")
    journal.close()
    gap = read_gap(record.data)
    assert (record.key, gap.last) == (f"gw/{state.stream}/1", 20)
    assert gap.why == "it was receipted, and is kept no longer"
    with cloud.client() as http:
        streams = http.get("/v1/status").json()["sites"]["s1"]["streams"]
    assert streams == {f"gw/{state.stream}": {"upto": 35, "gaps": [], "lost": [[1, 20]]}}
    verified = cloud.command("journal", "verify")
    assert "15 segments, 0 tree heads, all good" in verified.stdout, verified.stderr
    # Told as an event, too, which leaves with the next segment.
    assert agent.store.seal(agent.clock.now(), "synchronized") == 36
    (event,) = open_segment(agent.store.segment(state.stream, 36).data).events
    assert (event.event, event.detail["number"], event.detail["last"]) == (
        "segment_lost",
        "1",
        "20",
    )
