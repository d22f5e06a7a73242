"""One meter as the agent sees it: what to ask, what it said, and whether to believe it."""

from collections.abc import AsyncIterator, Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

import msgspec

from edge_agent import counters, registers
from edge_agent.drivers import Bus, LinkLost, NoAnswer, NotThere, Refused
from edge_agent.profiles import Profile
from wire.errors import BadData
from wire.messages import MeterEvent, Sample
from wire.quantities import QUANTITIES

_IDENTITY_EVERY_MS = 3_600_000
_ABSENCE_MS = 60_000  # long enough to exchange a meter
_IDENTITY_TRIES = 2
_BOUND_BY_POWER = ("kWh", "kvarh", "kVAh")


class WrongMeter(BadData):
    """Another model answers than the profile describes."""


class Memory(msgspec.Struct, frozen=True):
    """What a device must remember over a restart to notice a swap or a reset meanwhile."""

    identity: dict[str, str] = {}
    seen: dict[str, counters.Seen] = {}


_BLANK = Memory()


class Polled(NamedTuple):
    """One round: a sample for each request (suspect values apart), and what happened."""

    samples: list[Sample]
    events: list[MeterEvent]


class Read(NamedTuple):
    """One answered request, its words, and when the answer was there (UTC ms)."""

    block: registers.Block
    words: tuple[int, ...]
    t_ms: int


class Device:
    """A meter `name` of the model `profile` at `unit` on a bus.

    `quantities`: what to read; `ct`, `pt`: ratios of the transformers before it, for registers on
    the secondary side; `rated_power_w`: the most its load can draw, which bounds its counters;
    `memory`: what it remembered last time. Raises ProfileError for a quantity the model lacks.
    """

    def __init__(
        self,
        name: str,
        profile: Profile,
        unit: int,
        quantities: Sequence[str],
        now_ms: Callable[[], int],
        *,
        rated_power_w: int | None = None,
        ct: Fraction = Fraction(1),
        pt: Fraction = Fraction(1),
        memory: Memory = _BLANK,
    ) -> None:
        self.name, self.profile, self.unit = name, profile, unit
        self.quantities = tuple(quantities)
        self.missed: list[str] = []  # why requests of the last round had no answer
        self._now_ms = now_ms
        self._ct, self._pt = ct, pt
        self._learned = registers.Learned()
        self._blocks = self._plan(self.quantities)
        self._bounds = {q: self._bound(q, rated_power_w) for q in self.quantities}
        self._memory = memory
        self._identified_ms: int | None = None
        self._answered_ms: int | None = None
        self._identity_missed = 0
        self._skip_identity = False

    @property
    def memory(self) -> Memory:
        """What to keep for the next start."""
        return self._memory

    @property
    def blocks(self) -> Sequence[registers.Block]:
        """The requests of one round, by what is known of the meter so far."""
        return self._blocks

    @property
    def absent(self) -> frozenset[str]:
        """Optional quantities this meter has shown not to have."""
        return self._learned.absent

    async def poll(self, bus: Bus) -> Polled:
        """One round. The identity is read with the first, every hour, and after an absence.

        A request in mid-round that gets no answer costs only its own values (`missed`). Raises
        NoAnswer, LinkLost or Refused if nothing was read, WrongMeter or BadData if the profile is
        wrong. A round that raises leaves the memory as it was.
        """
        memory, polled = self._memory, Polled([], [])
        identified_ms = self._identified_ms
        if self._identity_due():
            memory, told = self._recognise(memory, await self._identity(bus))
            polled.events.extend(told)
            identified_ms = self._now_ms()
        async for read in self.read(bus):
            decoded = registers.decode(read.block, read.words)
            values = {q: value for q, value in decoded.items() if value is not None}
            sample = Sample(self.name, read.t_ms, values)
            judged = counters.judge(memory.seen, sample, self._bounds)
            memory = Memory(memory.identity, dict(judged.state))
            polled.samples.extend(judged.samples)
            polled.events.extend(judged.events)
        self._memory, self._identified_ms, self._answered_ms = memory, identified_ms, self._now_ms()
        if self._identity_missed >= _IDENTITY_TRIES:
            self._identified_ms, self._identity_missed = self._answered_ms, 0
        self._skip_identity = False
        return polled

    async def read(self, bus: Bus) -> AsyncIterator[Read]:
        """Each request of one round, answered; what the meter refuses is learned on the way."""
        left, answered = list(self._blocks), False
        self.missed = []
        while left:
            block = left.pop(0)
            try:
                words = await self._ask(bus, block.fc, block.address, block.count)
            except NotThere as exc:
                left = [*self._learn(block, exc), *left]
            except (NoAnswer, LinkLost, Refused) as exc:
                if not answered:
                    raise
                self.missed.append(str(exc))
            else:
                answered = True
                yield Read(block, words, self._now_ms())

    async def identify(self, bus: Bus) -> dict[str, str]:
        """The meter's own `serial` and `model`, as far as it has them. Raises WrongMeter."""
        found: dict[str, str] = {}
        for key, place in self.profile.identity.places():
            count = place.size + (place.size % 2 if self.profile.limits.even else 0)
            try:
                words = await self._ask(bus, place.fc, place.at, count)
            except Refused:
                continue  # not every variant has it
            found[key] = registers.read_text(place, words)
            if place.expect and found[key] not in place.expect:
                raise WrongMeter(
                    f"{self.name}: {key} reads {found[key]!r}; the {self.profile.vendor}"
                    f" {self.profile.model} says {' or '.join(place.expect)}"
                )
        return found

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

    async def _identity(self, bus: Bus) -> dict[str, str]:
        try:
            found = await self.identify(bus)
        except NoAnswer:
            # It is gone, or silent about this alone: the next round asks for values.
            self._identity_missed += 1
            self._skip_identity = True
            raise
        self._identity_missed = 0
        return found

    def _recognise(self, memory: Memory, found: dict[str, str]) -> tuple[Memory, list[MeterEvent]]:
        """An `identity` event if the meter is new or another; then its counters were exchanged."""
        known = memory.identity
        if all(known.get(key) == text for key, text in found.items()):
            return memory, []
        exchanged = any(known.get(key, text) != text for key, text in found.items())
        seen = dict(counters.replaced(memory.seen)) if exchanged else memory.seen
        event = MeterEvent(self.name, self._now_ms(), "identity", found)
        return Memory(found if exchanged else {**known, **found}, seen), [event]

    async def _ask(self, bus: Bus, fc: int, address: int, count: int) -> tuple[int, ...]:
        return await bus.read(self.unit, fc, address, count, self.profile.limits.min_gap_ms)

    def _learn(self, block: registers.Block, refusal: NotThere) -> list[registers.Block]:
        """What to ask instead of a refused block."""
        learned = registers.learn(self._learned, block)
        if learned is None:
            lacks = ", ".join(f.quantity for f in block.fields)
            raise BadData(
                f"{self.name}: {refusal}; every {self.profile.vendor} {self.profile.model} has"
                f" {lacks}: is this the right profile?"
            ) from refusal
        self._learned = learned
        self._blocks = self._plan(self.quantities)
        return self._plan([f.quantity for f in block.fields])

    def _plan(self, quantities: Sequence[str]) -> list[registers.Block]:
        return registers.plan(self.profile, quantities, self._learned, self._ct, self._pt)

    def _bound(self, quantity: str, rated_power_w: int | None) -> counters.Register:
        register = self.profile.registers[quantity]
        by_power = rated_power_w is not None and QUANTITIES[quantity].unit in _BOUND_BY_POWER
        return counters.Register(
            per_hour=Fraction(rated_power_w or 0, 1000) if by_power else None,
            modulus=registers.modulus(quantity, register, self._ct, self._pt),
            float32=register.as_ == "f32",
        )
