"""How it all goes, and everybody who is told.

One look every few seconds serves them all: the status file, Prometheus, systemd's line, the
gateway's retained state, and now and then a sample of the gateway itself among the readings.
"""

import asyncio
import logging
import math
import os
from contextlib import suppress
from pathlib import Path

import msgspec

from edge_agent import gateway, metrics, status
from edge_agent.buses import Buses
from edge_agent.clock import Clock
from edge_agent.config import AgentConfig
from edge_agent.device import Device
from edge_agent.keeper import Keeper
from edge_agent.rounds import Rounds
from edge_agent.standing import Standing, Standings
from edge_agent.status import EVERY_S, LinkStatus, MeterStatus, Status, StoreStatus
from edge_agent.store import Disk, Store
from edge_agent.systemd import Systemd
from edge_agent.uplink import Uplink
from wire.errors import TransientError

log = logging.getLogger(__name__)

_AGAIN_S = 1.0


class Observer:
    """Looks at the parts of an agent. `settings` may be exchanged while it runs; `turns` counts its
    looks; `stuck` and `refused` are told to it (see Status)."""

    def __init__(
        self,
        settings: AgentConfig,
        buses: Buses,
        standings: Standings,
        keeper: Keeper,
        uplink: Uplink,
        store: Store,
        disk: Disk,
        clock: Clock,
        systemd: Systemd,
    ) -> None:
        self.settings = settings
        self.turns = 0
        self.stuck: list[str] = []
        self.refused: list[str] = []
        self._buses, self._standings, self._keeper = buses, standings, keeper
        self._uplink, self._store, self._disk = uplink, store, disk
        self._clock, self._systemd = clock, systemd
        self._started_ms = clock.now_ms()
        self._link = LinkStatus(str(settings.broker), False, self._started_ms)
        self._soon = asyncio.Event()
        self._sampled: Status | None = None
        self._failing: set[Path] = set()
        self._latest = self._status(StoreStatus(), True)

    async def run(self) -> None:
        """Look and tell until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_link(), name="link")
            tasks.create_task(self._publish(), name="state")
            tasks.create_task(self._serve_metrics(), name="metrics")
            while True:
                await self.look()
                await self._pause()

    def soon(self) -> None:
        """Something changed that everybody is to be told at once."""
        self._soon.set()
        self._soon.clear()

    async def look(self, running: bool = True) -> None:
        """See how it goes, and tell."""
        store, folder = self._latest.store, self.settings.state
        try:
            store = await self._disk(gateway.store_status, self._store, folder)
        except OSError as exc:
            self._failed(folder, exc)
        except TransientError:
            pass  # the keeper says so, and the figures of before stay
        before, self._latest = self._latest, self._status(store, running)
        every_ms = 1000 * self.settings.self_metrics_s
        if every_ms and before.t_ms // every_ms != self._latest.t_ms // every_ms:
            self._keeper.add(gateway.sample(self._sampled, self._latest))
            self._sampled = self._latest
        await self._disk(self._write)
        self._systemd.status(status.headline(self._latest))
        self.turns += 1

    def _write(self) -> None:
        """The files. For the disk's thread."""
        self._replace(self.settings.state / status.FILE, msgspec.json.encode(self._latest), 0o600)
        if path := self.settings.metrics_file:
            self._replace(path, metrics.text(self._latest).encode(), 0o644)

    def _replace(self, path: Path, text: bytes, mode: int) -> None:
        try:
            status.replace(path, text, mode)
        except OSError as exc:
            self._failed(path, exc)
        else:
            self._worked(path)

    def _status(self, store: StoreStatus, running: bool) -> Status:
        now = self._clock.now()
        meters = {}
        for rounds in self._buses:
            for name, device in rounds.devices.items():
                if standing := self._standings.get(name):
                    meters[name] = _meter(rounds, device, standing, now.wall_ms)
        return Status(
            site=self.settings.site,
            gateway=self.settings.gateway,
            running=running,
            pid=os.getpid(),
            t_ms=now.wall_ms,
            mono_ms=now.mono_ms,
            boot=now.boot,
            clock=self._clock.state(),
            started_ms=self._started_ms,
            cpu_ms=gateway.cpu_ms(),
            resident_bytes=gateway.resident_bytes(),
            stuck=self.stuck,
            refused=self.refused,
            store=store,
            link=self._link,
            meters=meters,
        )

    async def _watch_link(self) -> None:
        while True:
            connected = self._uplink.connected
            losses = self._uplink.connections - connected
            since_ms, problem = self._link.since_ms, self._uplink.problem
            if (connected, losses) != (self._link.connected, self._link.losses):
                since_ms = self._clock.now_ms()
            self._link = LinkStatus(self._link.broker, connected, since_ms, losses, problem)
            await asyncio.sleep(_AGAIN_S)

    async def _publish(self) -> None:
        """The retained state; a broker that answers nothing must not hold up the rest."""
        while True:
            await self._uplink.publish_state(self._standings.health)
            await self._pause()

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(EVERY_S):
                await self._soon.wait()

    async def _serve_metrics(self) -> None:
        """The socket for Prometheus, while the configuration names one."""
        while True:
            if path := self.settings.metrics_socket:
                try:
                    async with metrics.serving(path, lambda: metrics.text(self._latest)):
                        self._worked(path)
                        while self.settings.metrics_socket == path:
                            await asyncio.sleep(_AGAIN_S)
                except OSError as exc:
                    self._failed(path, exc)
            await asyncio.sleep(_AGAIN_S)

    def _worked(self, path: Path) -> None:
        if path in self._failing:
            self._failing.discard(path)
            log.info("%s: works again", path)

    def _failed(self, path: Path, exc: OSError) -> None:
        """What the system refuses is logged when it begins, and tried again."""
        if path not in self._failing:
            self._failing.add(path)
            log.error("%s: %s; trying again", path, exc.strerror or exc)


def _meter(rounds: Rounds, device: Device, standing: Standing, now_ms: int) -> MeterStatus:
    slots, tally = rounds.slots[device.name], device.meter.tally
    quarters = [(q.start_ms, q.since_ms, q.due, q.answered) for q in slots.count(now_ms)]
    times_s = sorted(tally.times_s)
    return MeterStatus(
        bus=rounds.name,
        health=standing.health,
        since_ms=standing.since_ms,
        slots_due=slots.due,
        slots_answered=slots.answered,
        requests=tally.asked,
        answers=tally.answered,
        silent=tally.silent,
        garbled=tally.garbled,
        stray=tally.stray,
        p50_ms=percentile_ms(times_s, 50),
        p99_ms=percentile_ms(times_s, 99),
        probe_ms=rounds.schedule.probe_ms(device.name),
        error=standing.error,
        error_ms=standing.error_ms,
        quarters=quarters,
    )


def percentile_ms(times_s: list[float], percent: int) -> float | None:
    """The nearest rank of sorted times; None if there are none."""
    if not times_s:
        return None
    return round(1000 * times_s[math.ceil(percent * len(times_s) / 100) - 1], 1)
