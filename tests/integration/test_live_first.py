"""After a day without a link the newest readings need not wait for the old ones."""

import asyncio
import contextlib
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
from wire.signing import PublicKey

pytestmark = pytest.mark.mosquitto

METERS, REGISTERS = 20, 12
BUNDLES = 144  # of ten minutes each: a day


def day_of_backlog(store, clock, begin_ms):
    """What 20 meters said every ten seconds, sealed while there was no link."""
    store._file._db.execute("PRAGMA synchronous = OFF")  # a day in seconds
    for bundle in range(BUNDLES):
        samples = [
            Sample(
                f"m-{meter}",
                begin_ms + 600_000 * bundle + 10_000 * row,
                {"active_energy_import": (bundle * 60 + row, -3)}
                | {q: (hash((meter, bundle, row, q)) % 10_000, -1) for q in QUANTITIES},
            )
            for row in range(60)
            for meter in range(METERS)
        ]
        store.commit(samples, [], clock.now(), {})
        assert store.seal(clock.now(), "synchronized", live=False) == 0
    store._file._db.execute("PRAGMA synchronous = FULL")


QUANTITIES = [
    *("voltage_l1", "voltage_l2", "voltage_l3", "current_l1", "current_l2", "current_l3"),
    *("active_power_l1", "active_power_l2", "active_power_l3", "active_power", "frequency"),
]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_live_readings_do_not_wait_behind_a_days_backlog(
    tmp_path: Path, protocol: str
) -> None:
    with servers.mosquitto(tmp_path / "mosquitto") as (_, port):
        cloud = Ingestor(tmp_path / "cloud", port)
        gateway = cloud.gateway("gw")
        clock = Clock(time.time_ns, time.monotonic_ns, "boot")
        store = open_store(tmp_path / "store.db", gateway.site, "gw", gateway.key, clock.now())
        begin_ms = clock.now_ms() - 600_000 * (BUNDLES + 1)
        day_of_backlog(store, clock, begin_ms)
        cloud.start_connected()
        try:
            await _live(store, clock, cloud, gateway.site, Broker(port=port, protocol=protocol))
        finally:
            cloud.process.kill()
        segments = [open_segment(data) for data in cloud.segments(gateway)]
        assert [s.header.seq for s in segments] == list(range(1, len(segments) + 1))
        times = [t.times_ms.values() for s in segments for t in s.tables if t.meter != "live"]
        assert sum(map(len, times)) == BUNDLES * 60 * METERS, "all of it, once"
        first = next(n for n, s in enumerate(segments) if any(t.meter == "live" for t in s.tables))
        assert first < 40, "not behind the backlog"
        store.close()


async def _live(store, clock, cloud, site, broker):
    """A reading every half second, until the backlog has gone."""
    key = PublicKey.parse((cloud.directory / "receipt.key.pub").read_text())
    disk = Disk()
    uplink = Uplink(broker, site, "gw", store, disk, [key], clock)
    task = asyncio.create_task(uplink.run())
    readings = 0
    try:
        await uplink_connected(uplink)
        async with asyncio.timeout(150):
            while readings < 8 or (await disk(store.standing)).behind:
                await _one_live(store, disk, uplink, clock)
                readings += 1
                await asyncio.sleep(0.5)
            while (await disk(store.numbered))[0]:
                await asyncio.sleep(0.1)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        disk.close()


async def _one_live(store, disk, uplink, clock):
    """From the reading to the receipt."""
    reading = Sample("live", clock.now_ms(), {"active_power": (1, 0)})
    await disk(store.commit, [reading], [], clock.now(), {})
    seq = await disk(store.seal, clock.now(), "synchronized", live=uplink.connected)
    assert seq, "it has a number at once"
    uplink.sealed.set()
    async with asyncio.timeout(60):
        while (await disk(store.current)).receipted < seq:
            await asyncio.sleep(0.02)


async def uplink_connected(uplink):
    async with asyncio.timeout(60):
        while not uplink.connected:
            await asyncio.sleep(0.02)
