"""The agent at work: one task per bus reads, one keeps and seals, the uplink hands on.

A reading's way: a bus task asks a device when the schedule says so; what it answered waits in
memory for at most one commit interval; `store` commits it; at the publishing interval the pending
cycles become one sealed segment; `uplink` offers that until it is signed for.
"""

import asyncio
import logging
from contextlib import suppress
from random import Random

import msgspec

from edge_agent.clock import NOT_BEFORE_MS, Clock, Instant
from edge_agent.config import Plan
from edge_agent.device import Device, Memory, Polled
from edge_agent.rounds import Rounds
from edge_agent.store import Disk, Store
from edge_agent.uplink import Uplink
from wire.errors import TransientError
from wire.messages import MeterEvent, Sample
from wire.segment import NUMBER_LIMIT

log = logging.getLogger(__name__)

# Without a link, readings are sealed in bigger packets: fewer bytes on disk for a long outage.
_OFFLINE_SEAL_S = 60.0
_HEALTH_EVERY_S = 10.0
_PRUNE_EVERY_S = 3600.0
_LEAVE_S = 2.0
_MOST_IN_MEMORY = 100_000  # samples that wait while the disk is full; the oldest go first
_STEP_MS = 1000  # a wall clock that moves this far against the monotonic one was set
_DAY_MS = 86_400_000


class Agent:
    """One gateway. `run` serves until cancelled."""

    def __init__(
        self, plan: Plan, store: Store, disk: Disk, uplink: Uplink, clock: Clock, random: Random
    ) -> None:
        self._plan = plan
        self._store = store
        self._disk = disk
        self._uplink = uplink
        self._clock = clock
        self._random = random
        self._samples: list[Sample] = []
        self._events: list[MeterEvent] = []
        self._since = clock.now()  # when the oldest of these was read
        self._changed: dict[str, Device] = {}
        self._health: dict[str, str] = dict.fromkeys(plan.meters, "starting")
        self._memories: dict[str, bytes] = {}
        self._rounds: list[Rounds] = []

    async def run(self) -> None:
        self._memories = await self._disk(self._store.memories)
        try:
            async with asyncio.TaskGroup() as tasks:
                for name, (driver, settings) in self._plan.buses.items():
                    if meters := self._plan.on(name):
                        boundary_ms = 1000 * self._plan.config.boundary_s
                        rounds = Rounds(
                            name, driver, settings, meters, self, self._clock.now_ms, boundary_ms
                        )
                        self._rounds.append(rounds)
                        tasks.create_task(rounds.run(self._random), name=name)
                tasks.create_task(self._keep(), name="keep")
                tasks.create_task(self._uplink.run(), name="uplink")
                tasks.create_task(self._report(), name="health")
                tasks.create_task(self._watch_clock(), name="clock")
        finally:
            await self._commit()

    def memory(self, meter: str) -> Memory:
        """See Rounds."""
        if meter in self._changed:
            return self._changed[meter].memory
        kept = self._memories.get(meter)
        return msgspec.msgpack.decode(kept, type=Memory) if kept else Memory()

    def took(self, device: Device, polled: Polled) -> None:
        """See Rounds: what a bus brought waits here for the next commit."""
        if not self._samples:
            self._since = self._clock.now()
        for sample in polled.samples:
            kept, lost = _storable(sample)
            self._samples += [kept] if kept.values else []
            self._events += [lost] if lost else []
        self._events += polled.events
        self._changed[device.name] = device
        for event in polled.events:
            log.info("meter %s: %s %s", event.meter, event.event, event.detail)

    def note(self, meter: str, health: str) -> None:
        """See Rounds: keep a meter's health; a change of it between working and silent is an event."""
        was, self._health[meter] = self._health[meter], health
        if (was == "ok") != (health == "ok") and was != "starting":
            event = "back" if health == "ok" else "silent"
            detail = {} if health == "ok" else {"reason": health}
            self._events.append(MeterEvent(meter, self._clock.now_ms(), event, detail))
        if was != health and (health == "ok" or was in ("ok", "starting")):
            log.log(logging.INFO if health == "ok" else logging.WARNING, "%s: %s", meter, health)

    async def _keep(self) -> None:
        """Commit often, seal at the publishing interval, prune now and then."""
        loop = asyncio.get_running_loop()
        settings = self._plan.config
        sealed_at = pruned_at = loop.time()
        while True:
            await asyncio.sleep(settings.commit_interval_s)
            await self._commit()
            pause_s = settings.publish_interval_s if self._uplink.connected else _OFFLINE_SEAL_S
            # Half a commit interval early is on time: the next chance would be late by more.
            if loop.time() - sealed_at >= pause_s - settings.commit_interval_s / 2:
                sealed_at = loop.time()
                await self._seal()
            if loop.time() - pruned_at > _PRUNE_EVERY_S:
                pruned_at = loop.time()
                before_ms = self._clock.now_ms() - round(settings.keep_days * _DAY_MS)
                try:
                    await self._disk(self._store.prune, before_ms)
                except TransientError as exc:
                    log.error("%s; old segments stay a while longer", exc)

    async def _commit(self) -> None:
        """Put what was read since the last time on disk; on failure it waits for the next."""
        if not self._samples and not self._events:
            return
        samples, self._samples = self._samples, []
        events, self._events = self._events, []
        changed, self._changed = self._changed, {}
        memories = {name: msgspec.msgpack.encode(d.memory) for name, d in changed.items()}
        self._memories.update(memories)
        now = self._clock.now()
        early = [s for s in samples if s.t_ms < NOT_BEFORE_MS] if now.is_set else []
        try:
            if early:
                # The clock was set since: what was read before belongs to the time before.
                await self._disk(self._store.commit, early, [], self._since, {})
                samples = [s for s in samples if s.t_ms >= NOT_BEFORE_MS]
            await self._disk(self._store.commit, samples, events, now, memories)
        except TransientError as exc:
            self._samples = (samples + self._samples)[-_MOST_IN_MEMORY:]
            self._events = (events + self._events)[-_MOST_IN_MEMORY:]
            self._changed = changed | self._changed
            log.error("%s; %d samples wait in memory", exc, len(self._samples))

    async def _seal(self) -> None:
        try:
            now, state = self._clock.now(), self._clock.state()
            while await self._disk(self._store.seal, now, state):
                self._uplink.sealed.set()
        except TransientError as exc:
            log.error("%s; readings stay pending", exc)

    async def _report(self) -> None:
        while True:
            await self._uplink.publish_state(self._health)
            await asyncio.sleep(_HEALTH_EVERY_S)

    async def _watch_clock(self) -> None:
        """Notice a clock that was set: schedules follow it, and it is on record."""
        before = self._clock.now()
        while True:
            await asyncio.sleep(1.0)
            now = self._clock.now()
            if abs(step_ms := _offset(now) - _offset(before)) > _STEP_MS:
                log.warning("the clock was set by %+d ms", step_ms)
                detail = {"by_ms": str(step_ms)}
                gateway = self._plan.config.gateway
                self._events.append(MeterEvent(gateway, now.wall_ms, "clock_step", detail))
                for rounds in self._rounds:
                    rounds.schedule.clock_stepped(now.wall_ms)
            before = now


def _storable(sample: Sample) -> tuple[Sample, MeterEvent | None]:
    """A sample without numbers no segment can carry, and an event that names those."""
    wild = {q: str(m) for q, (m, _) in sample.values.items() if abs(m) >= NUMBER_LIMIT}
    if not wild:
        return sample, None
    kept = {q: value for q, value in sample.values.items() if q not in wild}
    event = MeterEvent(sample.meter, sample.t_ms, "out_of_range", wild)
    return msgspec.structs.replace(sample, values=kept), event


def _offset(instant: Instant) -> int:
    return instant.wall_ms - instant.mono_ms


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
