"""The agent's store and its way out, without meters."""

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

from edge_agent.clock import Clock
from edge_agent.disk import Disk
from edge_agent.store import open_store
from edge_agent.uplink import Uplink
from tests.integration.ingestor_process import Ingestor
from tests.unit.ingestor.gateway import Gateway
from wire.messages import Sample
from wire.mqtt import Broker
from wire.signing import PublicKey


class Agent:
    """One gateway of `cloud`, with its store at `path`."""

    def __init__(self, cloud: Ingestor, path: Path, gateway: Gateway | None = None) -> None:
        self.clock = Clock(time.time_ns, time.monotonic_ns, "boot")
        self._gateway = gateway or cloud.gateway("gw")
        its = self._gateway.site, "gw", self._gateway.key
        self.store = open_store(path, *its, self.clock.now())
        self._cloud, self._path = cloud, path
        self._disk = Disk()
        self.uplink: Uplink | None = None
        self.broker_port = cloud.broker_port

    def copied(self, path: Path) -> "Agent":
        """One with a copy of this one's disk, and its key."""
        self._disk.close()
        self.store.close()
        shutil.copy(self._path, path)
        copy = Agent(self._cloud, path, self._gateway)
        self.__init__(self._cloud, self._path, self._gateway)
        return copy

    @contextlib.asynccontextmanager
    async def linked(self) -> AsyncIterator[None]:
        key = PublicKey.parse((self._cloud.directory / "receipt.key.pub").read_text())
        broker = Broker(port=self.broker_port)
        place = (broker, self._gateway.site, "gw")
        self.uplink = Uplink(*place, self.store, self._disk, [key], self.clock)
        task = asyncio.create_task(self.uplink.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def read(self, times: int) -> None:
        """So many readings, each in a segment of its own."""
        for _ in range(times):
            now = self.clock.now()
            sample = Sample("m", now.wall_ms, {"active_power": (1, 0)})
            await self._disk(self.store.commit, [sample], [], now, {})
            assert await self._disk(self.store.seal, now, "synchronized") is not None
            await asyncio.sleep(0.002)
        if self.uplink is not None:
            self.uplink.sealed.set()

    async def receipted(self, upto: int) -> None:
        async with asyncio.timeout(90):
            while (await self._disk(self.store.current)).receipted < upto:
                await asyncio.sleep(0.02)

    async def forget(self, upto: int) -> None:
        """As after seven days: what was receipted is kept no longer."""
        query = "DELETE FROM segment WHERE seq <= ?"
        await self._disk(lambda: self.store._file._db.execute(query, (upto,)))

    def close(self) -> None:
        self._disk.close()
        self.store.close()
