"""The agent at work: one task per bus reads, one keeps and seals, the uplink hands on.

A reading's way: a bus task asks a device when the schedule says so; `keeper` has it on disk within
a commit interval and seals what is pending into one segment at the publishing interval; `uplink`
offers that until it is signed for.
"""

import asyncio
import logging
from contextlib import suppress
from random import Random

from edge_agent.buses import Buses
from edge_agent.clock import Clock
from edge_agent.config import Plan
from edge_agent.device import Device, Memory, Polled
from edge_agent.keeper import Keeper
from edge_agent.store import Disk, Store
from edge_agent.uplink import Uplink
from wire.messages import MeterEvent

log = logging.getLogger(__name__)

_HEALTH_EVERY_S = 10.0
_LEAVE_S = 2.0


class Agent:
    """One gateway. `run` serves until cancelled."""

    def __init__(
        self, plan: Plan, store: Store, disk: Disk, uplink: Uplink, clock: Clock, random: Random
    ) -> None:
        self._plan = plan
        self._uplink = uplink
        self._clock = clock
        self._random = random
        self._keeper = Keeper(plan.config, store, disk, uplink, clock)
        self._health: dict[str, str] = dict.fromkeys(plan.meters, "starting")

    async def run(self) -> None:
        await self._keeper.begin()
        try:
            async with asyncio.TaskGroup() as tasks:
                self._buses = Buses(tasks, self, self._clock.now_ms, self._random)
                await self._buses.change(self._plan)
                tasks.create_task(self._keeper.run(), name="keep")
                tasks.create_task(self._uplink.run(), name="uplink")
                tasks.create_task(self._report(), name="health")
                tasks.create_task(self._watch_clock(), name="clock")
        finally:
            await self._keeper.commit()

    def memory(self, meter: str) -> Memory:
        """See Rounds."""
        return self._keeper.memory(meter)

    def took(self, device: Device, polled: Polled) -> None:
        """See Rounds."""
        self._keeper.took(device, polled)
        for event in polled.events:
            log.info("meter %s: %s %s", event.meter, event.event, event.detail)

    def note(self, meter: str, health: str) -> None:
        """See Rounds: keep a meter's health; a change of it between working and silent is an event."""
        was, self._health[meter] = self._health[meter], health
        if (was == "ok") != (health == "ok") and was != "starting":
            event = "back" if health == "ok" else "silent"
            detail = {} if health == "ok" else {"reason": health}
            self._keeper.tell(MeterEvent(meter, self._clock.now_ms(), event, detail))
        if was != health and (health == "ok" or was in ("ok", "starting")):
            log.log(logging.INFO if health == "ok" else logging.WARNING, "%s: %s", meter, health)

    async def _report(self) -> None:
        while True:
            await self._uplink.publish_state(self._health)
            await asyncio.sleep(_HEALTH_EVERY_S)

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


async def run(plan: Plan, store: Store, disk: Disk, clock: Clock, stop: asyncio.Event) -> None:
    """Run the agent until `stop` is set; then everything read is on disk and the link closed."""
    settings = plan.config
    uplink = Uplink(
        settings.broker,
        settings.site,
        settings.gateway,
        store,
        disk,
        plan.receipt_key,
        clock,
    )
    agent = Agent(plan, store, disk, uplink, clock, Random())
    work = asyncio.create_task(agent.run(), name="agent")
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((work, stopping), return_when=asyncio.FIRST_COMPLETED)
    if not work.done():
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_S):
                await uplink.publish_state({}, online=False)
    work.cancel()
    with suppress(asyncio.CancelledError):
        await work
