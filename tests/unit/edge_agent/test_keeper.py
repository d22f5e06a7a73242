"""What the keeper recalls of a meter after a restart."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from edge_agent.clock import NOT_BEFORE_MS, Clock
from edge_agent.config import AgentConfig
from edge_agent.counters import Seen
from edge_agent.device import Memory
from edge_agent.keeper import Keeper
from edge_agent.store import Disk, Store, open_store
from edge_agent.uplink import Uplink
from wire.messages import Sample
from wire.mqtt import Broker
from wire.signing import SigningKey

KWH = "active_energy_import"
KEY = SigningKey(bytes(range(32)))
T0 = NOT_BEFORE_MS + 1_000_000
CLOCK = Clock(lambda: T0 * 10**6, lambda: 0, "boot-b", Path("/none"))


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[tuple[Store, Keeper]]:
    disk, broker = Disk(), Broker(port=1)
    store = open_store(tmp_path / "store.db", "cq", "gw", KEY, CLOCK.now())
    uplink = Uplink(broker, "cq", "gw", store, disk, [KEY.public], CLOCK)
    settings = AgentConfig("cq", "gw", tmp_path, tmp_path / "receipt.pub", {}, {}, broker)
    yield store, Keeper(settings, store, disk, uplink, CLOCK)
    disk.close()
    store.close()


@pytest.mark.parametrize(("seen_ms", "dated"), [(T0, True), (40_000, False)])
async def test_how_long_ago_is_known_only_of_what_was_seen_by_a_clock_that_was_set(
    kept: tuple[Store, Keeper], seen_ms: int, dated: bool
) -> None:
    store, keeper = kept
    memory = msgspec.msgpack.encode(Memory(seen={KWH: Seen((7, 0), seen_ms)}))
    store.commit([Sample("m", seen_ms, {KWH: (7, 0)})], [], CLOCK.now(), {"m": memory})
    await keeper.begin()
    assert keeper.memory("m").seen[KWH].dated == dated
    assert keeper.memory("new") == Memory()
