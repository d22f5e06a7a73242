"""One Modbus meter: which blocks of registers it is asked for, and what it has refused."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from fractions import Fraction
from typing import Protocol

from edge_agent import registers
from edge_agent.drivers import Answer, LinkLost, NoAnswer, NotThere, Refused, Wanted, WrongMeter
from edge_agent.line import Tally
from edge_agent.profiles.modbus import Profile, Spot
from wire.errors import BadData, ProfileError

_BLANK = ({0}, {0xFFFF})


class ReadWords(Protocol):
    """How words are read: unit, function, address, count, rest_ms, tally."""

    async def __call__(
        self, unit: int, function: int, address: int, count: int, rest_ms: int, tally: Tally
    ) -> tuple[int, ...]:
        """Raises NoAnswer, LinkLost or Refused."""
        ...


class ModbusMeter:
    """See edge_agent.drivers.Meter."""

    def __init__(self, ask: ReadWords, wanted: Wanted, now_ms: Callable[[], int]) -> None:
        if not isinstance(wanted.profile, Profile):
            raise ProfileError(f"{wanted.name}: is not a Modbus profile")
        self.missed: list[str] = []
        self.tally = Tally()
        self._profile = wanted.profile
        self._ask_words, self._wanted, self._now_ms = ask, wanted, now_ms
        self._learned = registers.Learned()
        self._blocks = self._plan(wanted.quantities)

    @property
    def absent(self) -> frozenset[str]:
        """Optional quantities this meter has shown not to have."""
        return self._learned.absent

    @property
    def rest_ms(self) -> int:
        """The rest it needs between two requests."""
        return self._profile.limits.min_gap_ms

    async def read(self) -> AsyncIterator[Answer]:
        """Each request of one round, answered; what the meter refuses is learned on the way."""
        left, answered = list(self._blocks), False
        self.missed = []
        while left:
            block = left.pop(0)
            try:
                words = await self._ask(block.fc, block.address, block.count)
            except NotThere as exc:
                left = [*self._learn(block, exc), *left]
            except (NoAnswer, LinkLost, Refused) as exc:
                if not answered:
                    raise
                self.missed.append(str(exc))
            else:
                answered = True
                yield self._answer(block, words)

    async def identify(self) -> dict[str, str]:
        """The meter's own `serial` and `model`, as far as it has them. Raises WrongMeter.

        What it lacked is asked for once more: a meter that has just come up, or another variant.
        """
        found: dict[str, str] = {}
        for key, place in self._profile.identity.places():
            count = place.size + (place.size % 2 if self._profile.limits.even else 0)
            try:
                words = await self._ask(place.fc, place.at, count)
            except Refused:
                continue  # not every variant has it
            if not place.expect and set(words) in _BLANK:
                continue  # never set, or not yet: a meter that has just come up
            found[key] = registers.read_text(place, words)
            if place.expect and found[key] not in place.expect:
                raise WrongMeter(
                    f"{self._wanted.name}: {key} reads {found[key]!r}; the {self._profile.vendor}"
                    f" {self._profile.model} says {' or '.join(place.expect)}"
                )
        self._learned = registers.Learned(self._learned.holes)
        self._blocks = self._plan(self._wanted.quantities)
        return found

    async def ratios(self) -> dict[str, Fraction]:
        """See edge_agent.drivers.KnowsRatios. A ratio of 0 was never set."""
        found = {}
        for key, place in self._profile.ratios.items():
            with contextlib.suppress(Refused):
                ratio = await self._number(place, place.at) * Fraction(place.scale)
                if place.over is not None:
                    ratio /= await self._number(place, place.over) or 1
                if ratio > 0:
                    found[str(key)] = ratio
        return found

    async def _number(self, place: Spot, at: int) -> Fraction:
        return Fraction(registers.read_text(place, await self._ask(place.fc, at, place.size)))

    def _answer(self, block: registers.Block, words: Sequence[int]) -> Answer:
        def shown() -> dict[str, tuple[str, str]]:
            return {f.quantity: registers.shown(block, f, words) for f in block.fields}

        return Answer(self._now_ms(), registers.decode(block, words), shown)

    async def _ask(self, fc: int, address: int, count: int) -> tuple[int, ...]:
        unit = self._wanted.address.unit_id
        return await self._ask_words(unit, fc, address, count, self.rest_ms, self.tally)

    def _learn(self, block: registers.Block, refusal: NotThere) -> list[registers.Block]:
        """What to ask instead of a refused block."""
        learned = registers.learn(self._learned, block)
        if learned is None:
            lacks = ", ".join(f.quantity for f in block.fields)
            raise BadData(
                f"{self._wanted.name}: {refusal}; every {self._profile.vendor}"
                f" {self._profile.model} has {lacks}: is this the right profile?"
            ) from refusal
        self._learned = learned
        self._blocks = self._plan(self._wanted.quantities)
        return self._plan([f.quantity for f in block.fields])

    def _plan(self, quantities: Sequence[str]) -> list[registers.Block]:
        wanted = self._wanted
        return registers.plan(self._profile, quantities, self._learned, wanted.ct, wanted.pt)
