"""One meter as the agent sees it: who it is, what it said, and whether to believe it."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import NamedTuple

import msgspec

from edge_agent import counters
from edge_agent.drivers import Answer, Meter, NoAnswer, Remembers, Wanted
from edge_agent.scaling import modulus
from wire.messages import MeterEvent, Sample
from wire.quantities import QUANTITIES

_IDENTITY_EVERY_MS = 3_600_000
_ABSENCE_MS = 60_000  # long enough to exchange a meter
_IDENTITY_TRIES = 2
_GAP_MS = 900_000  # hides a quarter of an hour's boundary: worth asking the meter's own memory
_HISTORY_TRIES = 3
BOUND_BY_POWER = ("kWh", "kvarh", "kVAh")


class Memory(msgspec.Struct, frozen=True):
    """What a device must remember over a restart to notice a swap or a reset meanwhile.

    `origins`: see `edge_agent/origins.py`.
    """

    identity: dict[str, str] = {}
    seen: dict[str, counters.Seen] = {}
    origins: dict[str, str] = {}


_BLANK = Memory()


class Polled(NamedTuple):
    """One round: a sample for each request (suspect values apart), and what happened."""

    samples: list[Sample]
    events: list[MeterEvent]


class Device:
    """The meter `name` behind `meter`. `bounds`: what its registers can honestly do; `memory`: what
    it remembered last time; `origins`: see `edge_agent/origins.py`; `profile`: the name of its own."""

    def __init__(
        self,
        name: str,
        meter: Meter,
        now_ms: Callable[[], int],
        bounds: Mapping[str, counters.Register],
        memory: Memory = _BLANK,
        origins: Mapping[str, str] = {},
        profile: str = "",
    ) -> None:
        self.name, self.meter = name, meter
        self._remembers = meter if isinstance(meter, Remembers) else None
        self._now_ms = now_ms
        self._bounds = bounds
        self._profile = {"profile": profile} if profile else {}
        self._memory = _read_anew(memory, origins)
        self._identified_ms: int | None = None
        self._answered_ms: int | None = None
        self._identity_missed = 0
        self._skip_identity = False
        self._history_missed = 0
        self._clock_steps = 0

    @property
    def memory(self) -> Memory:
        """What to keep for the next start."""
        return self._memory

    async def poll(self) -> Polled:
        """One round. The identity is read with the first, every hour, after an absence, and after a
        round in which a register came into doubt: perhaps somebody else answers.

        After a gap that hides a boundary, a meter that remembers is asked for it first. Raises what
        `Meter.read` and `Meter.identify` raise; a round that raises leaves the memory as it was.
        """
        while True:
            steps = self._clock_steps
            memory, identified_ms, polled = await self._round()
            if steps == self._clock_steps:
                break
            # The clock was set meanwhile: some of it is by another time than the rest.
        if identified_ms == self._identified_ms and _newly_doubted(self._memory, memory):
            identified_ms = None
        self._memory, self._identified_ms, self._answered_ms = memory, identified_ms, self._now_ms()
        if self._identity_missed >= _IDENTITY_TRIES:
            self._identified_ms, self._identity_missed = self._answered_ms, 0
        self._skip_identity = False
        self._history_missed = 0
        return polled

    def clock_stepped(self, by_ms: int) -> None:
        """The clock was set: what is remembered was at the same instants by the new time."""
        self._clock_steps += 1
        self._memory = _with(self._memory, counters.shifted(self._memory.seen, by_ms))
        if self._identified_ms is not None:
            self._identified_ms += by_ms
        if self._answered_ms is not None:
            self._answered_ms += by_ms

    async def _round(self) -> tuple[Memory, int | None, Polled]:
        memory, polled = self._memory, Polled([], [])
        identified_ms = self._identified_ms
        if self._identity_due():
            memory, told = self._recognise(memory, await self._identity())
            polled.events.extend(told)
            identified_ms = self._now_ms()
        memory = await self._look_back(memory, polled)
        async for answer in self.meter.read():
            memory = self._judge(memory, answer, polled, "good")
        return memory, identified_ms, polled

    @property
    def takes_its_time(self) -> bool:
        """Whether its next round leaves the line to its neighbours in between: it rests between
        requests, or many will be for what it remembers of a gap."""
        return self.meter.rest_ms > 0 or self._gap_since(self._memory) is not None

    def _gap_since(self, memory: Memory) -> int | None:
        """Since when values are missing that the meter may remember. What another meter remembers
        it may have counted elsewhere."""
        if self._remembers is None or self._history_missed >= _HISTORY_TRIES:
            return None
        if any(seen.replaced for seen in memory.seen.values()):
            return None
        known = [seen.last_t_ms for seen in memory.seen.values() if seen.dated]
        since_ms = max([*known, self._answered_ms or 0])
        return since_ms if known and self._now_ms() - since_ms >= _GAP_MS else None

    async def _look_back(self, memory: Memory, polled: Polled) -> Memory:
        """After a gap, samples `backfilled` from what the meter itself remembers of it."""
        since_ms = self._gap_since(memory)
        if since_ms is None or self._remembers is None:
            return memory
        try:
            async for answer in self._remembers.history(since_ms):
                memory = self._judge(memory, answer, polled, "backfilled")
        except NoAnswer:
            self._history_missed += 1
            raise
        return memory

    def _judge(self, memory: Memory, answer: Answer, polled: Polled, quality: str) -> Memory:
        values = {q: value for q, value in answer.values.items() if value is not None}
        sample = Sample(self.name, answer.t_ms, values, quality)
        judged = counters.judge(memory.seen, sample, self._bounds)
        polled.samples.extend(judged.samples)
        polled.events.extend(judged.events)
        return _with(memory, judged.state)

    def _identity_due(self) -> bool:
        if self._skip_identity:
            return False
        if self._identified_ms is None or self._answered_ms is None:
            return True
        now_ms = self._now_ms()
        return (
            abs(now_ms - self._identified_ms) > _IDENTITY_EVERY_MS
            or now_ms - max(self._answered_ms, self._identified_ms) > _ABSENCE_MS
        )

    async def _identity(self) -> dict[str, str]:
        try:
            found = await self.meter.identify()
        except NoAnswer:
            # It is gone, or silent about this alone: the next round asks for values.
            self._identity_missed += 1
            self._skip_identity = True
            raise
        self._identity_missed = 0
        return found

    def _recognise(self, memory: Memory, found: dict[str, str]) -> tuple[Memory, list[MeterEvent]]:
        """An `identity` event if the meter is new or another; then its counters were exchanged. So
        it is told by which profile it is read, which is no word of the meter's own."""
        known, told = memory.identity, {**found, **self._profile}
        if found and all(known.get(key) == text for key, text in found.items()):
            memory = _with(memory, counters.confirmed(memory.seen))
        if all(known.get(key) == text for key, text in told.items()):
            return memory, []
        exchanged = any(known.get(key, text) != text for key, text in found.items())
        memory = _with(memory, counters.replaced(memory.seen)) if exchanged else memory
        identity = told if exchanged else {**known, **told}
        event = MeterEvent(self.name, self._now_ms(), "identity", told)
        return msgspec.structs.replace(memory, identity=identity), [event]


def bounds(
    wanted: Wanted, rated_power_w: int | None, rated_flow_per_h: Fraction | None = None
) -> dict[str, counters.Register]:
    """What each register wanted can honestly do.

    `rated_power_w`: the most the load draws, which bounds energies; `rated_flow_per_h`: the most
    that flows in an hour, in the quantity's unit, which bounds every other counter.
    """
    found = {}
    for quantity in wanted.quantities:
        meaning = wanted.profile.meanings[quantity]
        by_power = QUANTITIES[quantity].unit in BOUND_BY_POWER
        power = Fraction(rated_power_w, 1000) if rated_power_w is not None else None
        found[quantity] = counters.Register(
            per_hour=power if by_power else rated_flow_per_h,
            modulus=modulus(quantity, meaning, wanted.ct, wanted.pt),
            float32=meaning.is_float32,
        )
    return found


def _read_anew(memory: Memory, origins: Mapping[str, str]) -> Memory:
    """The memory of a meter whose configuration may have been changed since."""
    known = memory.origins
    changed = {q for q, origin in origins.items() if known.get(q, origin) != origin}
    seen = {q: counters.another(s) if q in changed else s for q, s in memory.seen.items()}
    return Memory(memory.identity, seen, {**known, **origins})


def _newly_doubted(before: Memory, after: Memory) -> bool:
    doubted = {quantity for quantity, seen in before.seen.items() if seen.doubt}
    return any(seen.doubt and quantity not in doubted for quantity, seen in after.seen.items())


def _with(memory: Memory, seen: counters.State) -> Memory:
    return msgspec.structs.replace(memory, seen=dict(seen))
