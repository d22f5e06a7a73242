"""The whole agent on a machine whose clock a test sets: a real meter, broker and store."""

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pyModbusTCP.server import DataBank, ModbusServer

from edge_agent import agent, config
from edge_agent.clock import Clock
from edge_agent.store import Disk, Store, open_store
from edge_agent.systemd import Systemd
from tests.integration import servers
from wire.messages import MeterEvent, Sample
from wire.segment import open_segment
from wire.signing import SigningKey

pytestmark = pytest.mark.mosquitto

KWH = "active_energy_import"
HOUR_MS = 3_600_000
CLOUD_KEY = SigningKey(bytes(range(32)))


class Machine:
    """The true time, and a wall clock that is `off_ms` from it."""

    def __init__(self, folder: Path, off_ms: int) -> None:
        self.off_ms = off_ms
        (folder / "synchronized").touch()
        self.clock = Clock(self.wall_ns, time.monotonic_ns, "boot-1", folder / "synchronized")

    def wall_ns(self) -> int:
        return time.time_ns() + self.off_ms * 10**6


@pytest.fixture
def meter() -> Iterator[tuple[int, Callable[[int], None]]]:
    """Its port, and what makes its register (kWh, a 32-bit float) count on by so much."""
    bank, port = DataBank(), servers.free_port()
    total_wh = 1000

    def count(wh: int) -> None:
        nonlocal total_wh
        total_wh += wh
        bank.set_input_registers(72, list(struct.unpack(">HH", struct.pack(">f", total_wh / 1000))))

    count(0)
    server = ModbusServer(host="127.0.0.1", port=port, no_block=True, data_bank=bank)
    server.start()
    yield port, count
    server.stop()


def configured(folder: Path, broker_port: int, meter_port: int) -> Path:
    (folder / "receipt.pub").write_text(f"{CLOUD_KEY.public}\n")
    path = folder / "agent.toml"
    path.write_text(
        f'site = "cq"\ngateway = "gw"\nstate = "{folder}/state"\n'
        f'receipt_key_file = "{folder}/receipt.pub"\npublish_interval_s = 0.5\n'
        f"[broker]\nport = {broker_port}\n"
        f'[buses.b]\ndriver = "modbus"\ntransport = "tcp"\nhost = "127.0.0.1"\nport = {meter_port}\n'
        '[meters.m-1]\nbus = "b"\nunit_id = 1\nprofile = "eastron_sdm630"\nrated_power_w = 40000\n'
        f'quantities = ["{KWH}"]\ninterval_s = 0.1\n'
    )
    return path


async def test_boot_in_1970_then_set_then_set_back_and_every_reading_leaves_once_at_its_time(
    tmp_path: Path, meter: tuple[int, Callable[[int], None]]
) -> None:
    port, count = meter
    machine = Machine(tmp_path, 5_000 - time.time_ns() // 10**6)  # it is 5 s after the epoch
    with servers.mosquitto(tmp_path / "mosquitto") as (_, broker):
        async with running(configured(tmp_path, broker, port), machine) as store:
            began = true_ms()
            await counting(count, lambda: store.waiting()[0] > 10)
            assert sealed(store) == ([], []), "nothing leaves with a guessed date"
            was_set = true_ms()
            machine.off_ms = 0
            await counting(count, lambda: left(store, "good")[-1:] > [was_set + 1_000])
            turned = true_ms()
            machine.off_ms = -HOUR_MS
            await counting(count, lambda: len(left(store, "suspect")) > 5)
    ended = true_ms()
    samples, events = sealed(store)
    good = [s for s in samples if s.quality == "good"]
    times = [s.t_ms for s in good]
    assert times == sorted(set(times))
    assert began - 100 <= times[0] < was_set, "what was read in 1970 is where it belongs"
    told = sorted((e.event, e.t_ms) for e in events if e.meter == "gw")
    assert [event for event, _ in told] == ["clock_behind", "clock_step", "clock_step"]
    # The watch sees a step a while after it: until then all is by the time of before.
    seen = min(t_ms for event, t_ms in told if event == "clock_step") + HOUR_MS
    assert turned - 100 < seen
    assert times[-1] < seen + 100
    later = left(store, "suspect")
    assert all(turned - HOUR_MS < t_ms < ended - HOUR_MS + 100 for t_ms in later)
    registers = [s.values[KWH] for s in sorted(good, key=lambda s: s.t_ms)]
    assert registers == sorted(registers), "no reading counts backwards"
    store.close()


@asynccontextmanager
async def running(path: Path, machine: Machine) -> AsyncIterator[Store]:
    """An agent at work; its store stays open for whoever looks at what it left."""
    plan, disk, stop = config.load(path), Disk(), asyncio.Event()
    key = SigningKey.load_or_create(plan.config.state / "gateway.key")
    now = machine.clock.now()
    store = open_store(plan.config.state / "store.db", "cq", "gw", key, now)
    work = asyncio.create_task(
        agent.run(plan, store, disk, machine.clock, Systemd({}), stop, asyncio.Event(), path)
    )
    try:
        yield store
    finally:
        stop.set()
        await work
        disk.close()


async def counting(count: Callable[[int], None], is_enough: Callable[[], bool]) -> None:
    """The register goes up until it is."""
    async with asyncio.timeout(servers.PATIENCE_S):
        while not is_enough():
            count(1)
            await asyncio.sleep(0.1)


def left(store: Store, quality: str) -> list[int]:
    """The times of the readings of this quality that left, in the order in which they did."""
    return [s.t_ms for s in sealed(store)[0] if s.quality == quality]


def true_ms() -> int:
    return time.time_ns() // 10**6


def sealed(store: Store) -> tuple[list[Sample], list[MeterEvent]]:
    """Everything that left, in the order in which it did."""
    samples, events, stream = [], [], store.current()
    for seq in range(1, stream.last_seq + 1):
        kept = store.segment(stream.stream, seq)
        assert kept is not None
        segment = open_segment(kept.data)
        samples += [s for t in segment.tables for s in t.samples() if KWH in s.values]
        events += segment.events
    return samples, events
