"""What was read, on its way to the disk: committed often, sealed at the publishing interval."""

import asyncio
import logging
import shutil

import msgspec

from edge_agent import counters, room
from edge_agent.clock import NOT_BEFORE_MS, Clock, Instant
from edge_agent.config import AgentConfig
from edge_agent.dating import shifted
from edge_agent.device import Device, Memory, Polled
from edge_agent.store import MOST_CYCLE_BYTES, Disk, Store
from edge_agent.uplink import Uplink
from wire.errors import TransientError
from wire.messages import MeterEvent, Sample
from wire.segment import NUMBER_LIMIT

log = logging.getLogger(__name__)

# While nobody takes them, readings are sealed in bigger packets: fewer bytes on disk in a long outage.
_OFFLINE_SEAL_S = 600.0
_PRUNE_EVERY_S = 3600.0
_SEALS_A_TURN = 4  # a long backlog must not keep what is read meanwhile from the disk
_MOST_IN_MEMORY = 400_000  # readings that wait while the disk takes none
_THINNED_EVERY_MS = 900_000
_MB = 1024 * 1024
_SPARE_BYTES = 16 * _MB  # of the disk, for SQLite's log and the status
_DAY_MS = 86_400_000


class Keeper:
    """Takes what the buses bring. `settings` may be exchanged while it runs; `turns` counts its
    rounds, so that a disk that hangs is noticed."""

    def __init__(
        self, settings: AgentConfig, store: Store, disk: Disk, uplink: Uplink, clock: Clock
    ) -> None:
        self.settings = settings
        self.turns = 0
        self._store = store
        self._disk = disk
        self._uplink = uplink
        self._clock = clock
        self._samples: list[Sample] = []
        self._events: list[MeterEvent] = []
        self._changed: dict[str, Device] = {}
        self._memories: dict[str, bytes] = {}
        self._lost = room.Loss()
        self._thinning = room.Thinning()
        self._thinned_ms = 0
        self._failing: set[str] = set()  # what is so because the disk fails

    async def begin(self) -> None:
        """Recall what the meters' devices remembered last."""
        try:
            self._memories = await self._disk(self._store.memories)
        except TransientError as exc:
            log.error("%s; every register begins anew", exc)

    def memory(self, meter: str) -> Memory:
        """What a meter's device remembered last, whether or not there is such a meter now."""
        if meter in self._changed:
            return self._changed[meter].memory
        kept = self._memories.get(meter)
        try:
            memory = msgspec.msgpack.decode(kept, type=Memory) if kept else Memory()
        except msgspec.DecodeError as exc:
            log.error(
                "%s: what was remembered of it cannot be read: %s; it begins anew", meter, exc
            )
            memory = Memory()
        if all(seen.t_ms >= NOT_BEFORE_MS for seen in memory.seen.values()):
            return memory
        # Kept while the clock was not set: nobody knows how long ago.
        return msgspec.structs.replace(memory, seen=dict(counters.undated(memory.seen)))

    def took(self, device: Device, polled: Polled) -> None:
        """One round of a meter; it waits here for the next commit."""
        for sample in polled.samples:
            self.add(sample)
        for event in polled.events:
            self.tell(event)
        self._changed[device.name] = device

    def add(self, sample: Sample) -> None:
        """One more sample."""
        if self._store.room.level:
            sample = self._thinning.of(sample)
        kept, lost = _storable(sample)
        self._samples += [kept] if kept.values else []
        self._events += [lost] if lost else []

    def tell(self, event: MeterEvent) -> None:
        """One more event."""
        self._events.append(event)

    def clock_stepped(self, by_ms: int) -> None:
        """The clock was set: what waits was read at the same instants by the new time."""
        self._samples = shifted(self._samples, by_ms)
        self._events = shifted(self._events, by_ms)

    async def run(self) -> None:
        """Commit often, seal at the publishing interval, prune now and then; until cancelled."""
        loop = asyncio.get_running_loop()
        sealed_at = pruned_at = loop.time()
        while True:
            self.turns += 1
            await asyncio.sleep(self.settings.commit_interval_s)
            await self.commit()
            pause_s = self._uplink.flowing and self.settings.publish_interval_s
            # Half a commit interval early is on time: the next chance would be late by more.
            early_s = self.settings.commit_interval_s / 2
            is_much = self._store.pending_bytes > MOST_CYCLE_BYTES
            if is_much or loop.time() - sealed_at >= (pause_s or _OFFLINE_SEAL_S) - early_s:
                began = loop.time()
                if not await self._seal():
                    sealed_at = began
                await self._make_room()
            if loop.time() - pruned_at > _PRUNE_EVERY_S:
                pruned_at = loop.time()
                await self._prune()

    async def commit(self) -> None:
        """Put what was read since the last time on disk; on failure it waits for the next."""
        if not self._samples and not self._events:
            return
        samples, self._samples = self._samples, []
        events, self._events = self._events, []
        changed, self._changed = self._changed, {}
        memories = {name: msgspec.msgpack.encode(d.memory) for name, d in changed.items()}
        self._memories.update(memories)
        now = self._clock.now()
        try:
            await self._disk(self._store.commit, samples, events, now, memories)
        except TransientError as exc:
            by_ms = self._clock.now().offset_ms - now.offset_ms  # set meanwhile
            waiting = shifted(samples, by_ms) + self._samples
            self._samples = room.shorten(waiting, _MOST_IN_MEMORY, self._lost)
            self._events = shifted(events, by_ms) + self._events
            self._changed = changed | self._changed
            self._failed("what is read waits in memory", exc)
        else:
            self._worked("what is read waits in memory")
            if self._lost.readings:
                why = "the disk took nothing and the memory was full"
                self.tell(
                    self._lost.event(self.settings.gateway, now.wall_ms, "readings_lost", why)
                )
                self._lost = room.Loss()

    async def _seal(self) -> bool:
        """Seal what is pending; True if that was not all of it."""
        now, state = self._clock.now(), self._clock.state()
        left = True
        try:
            for _ in range(_SEALS_A_TURN):
                live = self._uplink.connected
                left = await self._disk(self._store.seal, now, state, live=live) is not None
                if not left:
                    break
                self._uplink.sealed.set()
        except TransientError as exc:
            self._failed("readings stay pending", exc)
            return False
        self._worked("readings stay pending")
        return left

    async def _make_room(self) -> None:
        now = self._clock.now()
        try:
            await self._disk(self._limit, now)
        except (TransientError, OSError) as exc:
            self._failed("the store grows on", exc)
        else:
            self._worked("the store grows on")
        loss = self._thinning.loss
        if loss.readings and now.wall_ms - self._thinned_ms > _THINNED_EVERY_MS:
            why = "the store is nearly full"
            self.tell(loss.event(self.settings.gateway, now.wall_ms, "readings_thinned", why))
            self._store.room.thinned += loss.readings
            self._thinning.loss, self._thinned_ms = room.Loss(), now.wall_ms

    def _limit(self, now: Instant) -> None:
        """The quota, or less on a disk that others fill. For the disk's thread."""
        path = self._store.path
        there = path.stat().st_size + shutil.disk_usage(path.parent).free - _SPARE_BYTES
        self._store.room.make(now, min(self.settings.quota_mb * _MB, max(there, _MB)))

    async def _prune(self) -> None:
        before_ms = self._clock.now_ms() - round(self.settings.keep_days * _DAY_MS)
        try:
            while await self._disk(self._store.prune, before_ms):
                # After a long outage there is much of it, and what is read meanwhile must not wait.
                self.turns += 1
                await self.commit()
        except TransientError as exc:
            self._failed("old segments stay a while longer", exc)
        else:
            self._worked("old segments stay a while longer")

    def _failed(self, so: str, exc: Exception) -> None:
        """A disk that fails is asked several times a second; a log, too, stands on a disk."""
        if so not in self._failing:
            self._failing.add(so)
            log.error("%s; %s", exc, so)

    def _worked(self, so: str) -> None:
        if so in self._failing:
            self._failing.discard(so)
            log.info("no longer: %s", so)


def _storable(sample: Sample) -> tuple[Sample, MeterEvent | None]:
    """A sample without numbers no segment can carry, and an event that names those."""
    if max([abs(m) for m, _ in sample.values.values()], default=0) < NUMBER_LIMIT:
        return sample, None
    wild = {q: str(m) for q, (m, _) in sample.values.items() if abs(m) >= NUMBER_LIMIT}
    kept = {q: value for q, value in sample.values.items() if q not in wild}
    event = MeterEvent(sample.meter, sample.t_ms, "out_of_range", wild)
    return msgspec.structs.replace(sample, values=kept), event
