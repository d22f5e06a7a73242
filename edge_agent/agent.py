"""The agent at work: one task per bus reads, one keeps and seals, the uplink hands on.

A reading's way: a bus task asks a device when the schedule says so; `keeper` has it on disk within
a commit interval and seals what is pending into one segment at the publishing interval; `uplink`
offers that until it is signed for. `observer` tells how it goes. A configuration read again changes
the buses and meters it changes, and leaves the others at work.
"""

import asyncio
import logging
from contextlib import suppress
from pathlib import Path
from random import Random

from edge_agent.buses import Buses
from edge_agent.clock import Clock
from edge_agent.config import Plan
from edge_agent.device import Device, Memory, Polled
from edge_agent.keeper import Keeper
from edge_agent.observer import Observer
from edge_agent.pulse import Pulse
from edge_agent.reload import differences, read_again
from edge_agent.renewal import Renewal
from edge_agent.standing import Standings
from edge_agent.store import Disk, Store
from edge_agent.systemd import Systemd
from edge_agent.uplink import Uplink
from wire.messages import MeterEvent

log = logging.getLogger(__name__)

_LEAVE_S = 2.0
_BEAT_S = 10.0
# How long a part may take for one turn before it hangs. A commit on a worn card takes seconds; a
# bus may listen to one long answer at 300 baud.
_DISK_PATIENCE_S, _BUS_PATIENCE_S = 60.0, 600.0


class Agent:
    """One gateway. `run` serves until cancelled."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        disk: Disk,
        uplink: Uplink,
        clock: Clock,
        systemd: Systemd,
        random: Random,
    ) -> None:
        self._plan = plan
        self._uplink = uplink
        self._clock = clock
        self._systemd = systemd
        self._keeper = Keeper(plan.config, store, disk, uplink, clock)
        self._buses = Buses(self, clock.now_ms, random)
        self._renewal = Renewal(plan.config, clock, random, uplink.trust)
        self._standings = Standings(clock.now_ms, self._keeper.tell)
        self._standings.change(plan.meters)
        self._observer = Observer(
            *(plan.config, self._buses, self._standings, self._keeper, uplink, store, disk),
            *(clock, systemd),
        )

    async def run(self, hup: asyncio.Event, path: Path) -> None:
        """Serve until cancelled; read the configuration in `path` again whenever `hup` is set."""
        await self._keeper.begin()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._buses.run(self._plan), name="buses")
                tasks.create_task(self._keeper.run(), name="keep")
                tasks.create_task(self._uplink.run(), name="uplink")
                tasks.create_task(self._observer.run(), name="observe")
                tasks.create_task(self._watch_clock(), name="clock")
                tasks.create_task(self._renewal.run(), name="renewal")
                tasks.create_task(self._beat(), name="beat")
                await self._buses.served()
                self._systemd.ready()
                while True:
                    await hup.wait()
                    hup.clear()
                    self._systemd.reloading()
                    await self._reload(path)
                    self._systemd.ready()
                    self._observer.soon()
        finally:
            await self._keeper.commit()
            await self._observer.look(running=False)

    def memory(self, meter: str) -> Memory:
        """See Rounds."""
        return self._keeper.memory(meter)

    def took(self, device: Device, polled: Polled) -> None:
        """See Rounds."""
        self._keeper.took(device, polled)
        for event in polled.events:
            log.info("meter %s: %s %s", event.meter, event.event, event.detail)
        if missed := device.meter.missed:
            self._standings.missed(device.name, missed[-1])

    def note(self, meter: str, health: str) -> None:
        """See Rounds."""
        self._standings.note(meter, health)

    async def _reload(self, path: Path) -> None:
        """Go on with the configuration in `path`; one that is wrong changes nothing."""
        found = await asyncio.to_thread(read_again, path, self._plan)
        if not isinstance(found, Plan):
            self._observer.refused = [str(problem) for problem in found]
            for problem in found:
                log.error("not reloaded: %s", problem)
            return
        old, self._plan = self._plan, found
        self._uplink.trust(found.receipt_keys)
        self._keeper.settings = self._observer.settings = found.config
        self._observer.refused = []
        self._standings.change(found.meters)
        await self._buses.change(found)
        different = differences(old, found)
        log.info("reloaded: %s", different or "nothing is different")
        if different:
            gateway = found.config.gateway
            self._keeper.tell(MeterEvent(gateway, self._clock.now_ms(), "reload", different))

    async def _beat(self) -> None:
        """Feed systemd's watchdog while every part turns; without one, know which does not."""
        loop, pulse = asyncio.get_running_loop(), Pulse()
        every_s = min(_BEAT_S, (self._systemd.watchdog_s or _BEAT_S) / 3)
        while True:
            turns = {
                "the store": (self._keeper.turns, _DISK_PATIENCE_S),
                "the status": (self._observer.turns, _DISK_PATIENCE_S),
                **{f"bus {r.name}": (r.progress(), _BUS_PATIENCE_S) for r in self._buses},
            }
            stuck = pulse.stuck(turns, loop.time())
            for part in set(stuck) - set(self._observer.stuck):
                log.error("%s hangs", part)
            self._observer.stuck = stuck
            if not stuck:
                self._systemd.alive()
            await asyncio.sleep(every_s)

    async def _watch_clock(self) -> None:
        """Follow a clock that is set; whoever keeps times goes along, and it is on record."""
        while True:
            await asyncio.sleep(1.0)
            if by_ms := self._clock.follow():
                log.warning("the clock was set by %+d ms", by_ms)
                now_ms = self._clock.now_ms()
                self._keeper.clock_stepped(by_ms)
                for rounds in self._buses:
                    rounds.clock_stepped(now_ms, by_ms)
                gateway, detail = self._plan.config.gateway, {"by_ms": str(by_ms)}
                self._keeper.tell(MeterEvent(gateway, now_ms, "clock_step", detail))


async def run(
    plan: Plan,
    store: Store,
    disk: Disk,
    clock: Clock,
    systemd: Systemd,
    stop: asyncio.Event,
    hup: asyncio.Event,
    path: Path,
) -> None:
    """Run the agent until `stop` is set; then everything read is on disk and the link closed.

    `path`: where the plan was read from, and is again whenever `hup` is set.
    """
    settings = plan.config
    uplink = Uplink(
        settings.broker,
        settings.site,
        settings.gateway,
        store,
        disk,
        plan.receipt_keys,
        clock,
    )
    agent = Agent(plan, store, disk, uplink, clock, systemd, Random())
    work = asyncio.create_task(agent.run(hup, path), name="agent")
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((work, stopping), return_when=asyncio.FIRST_COMPLETED)
    systemd.stopping()
    if not work.done():
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_S):
                await uplink.publish_state({}, online=False)
    work.cancel()
    with suppress(asyncio.CancelledError):
        await work
