"""A cloud that lost its journal gets what the gateway still has, and its word for the rest."""

import asyncio
import contextlib
import shutil
import time
from pathlib import Path

import pytest

from edge_agent.clock import Clock
from edge_agent.disk import Disk
from edge_agent.store import open_store
from edge_agent.uplink import Uplink
from tests.integration import servers
from tests.integration.ingestor_process import Ingestor
from wire.messages import Sample
from wire.mqtt import Broker
from wire.segment import open_segment
from wire.segment.gap import read_gap
from wire.signing import PublicKey

pytestmark = pytest.mark.mosquitto


class Agent:
    """The agent's store and uplink, without meters."""

    def __init__(self, cloud: Ingestor, path: Path) -> None:
        self.clock = Clock(time.time_ns, time.monotonic_ns, "boot")
        self._gateway = cloud.gateway("gw")
        its = self._gateway.site, "gw", self._gateway.key
        self.store = open_store(path, *its, self.clock.now())
        self._cloud = cloud
        self._disk = Disk()

    @contextlib.asynccontextmanager
    async def linked(self):
        key = PublicKey.parse((self._cloud.directory / "receipt.key.pub").read_text())
        broker = Broker(port=self._cloud.broker_port)
        place = (broker, self._gateway.site, "gw")
        self.uplink = Uplink(*place, self.store, self._disk, key, self.clock)
        task = asyncio.create_task(self.uplink.run())
        try:
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def read(self, times: int) -> None:
        """So many readings, each in a segment of its own with a number."""
        for _ in range(times):
            now = self.clock.now()
            sample = Sample("m", now.wall_ms, {"active_power": (1, 0)})
            await self._disk(self.store.commit, [sample], [], now, {})
            assert await self._disk(self.store.seal, now, "synchronized")
            await asyncio.sleep(0.002)
        self.uplink.sealed.set()

    async def receipted(self, upto: int) -> None:
        async with asyncio.timeout(40):
            while (await self._disk(self.store.current)).receipted < upto:
                await asyncio.sleep(0.02)

    async def forget(self, upto: int) -> None:
        """As after seven days: what was receipted is kept no longer."""
        query = "DELETE FROM segment WHERE seq <= ?"
        await self._disk(lambda: self.store._file._db.execute(query, (upto,)))

    def close(self) -> None:
        self._disk.close()
        self.store.close()


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
