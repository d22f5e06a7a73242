"""One DL/T 645 meter: which identifiers it is asked for, and what it has refused."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from edge_agent.drivers import Answer, LinkLost, NoAnswer, NotThere, Refused, Wanted
from edge_agent.drivers.dlt645 import history
from edge_agent.line import Tally
from edge_agent.profiles.dlt645 import Profile
from edge_agent.protocols import bcd
from edge_agent.scaling import scaling
from wire.errors import BadData, ProfileError
from wire.messages import Value

_PATIENCE = 2  # rounds in which a block alone stays unanswered


class Read(Protocol):
    """How data are read: address, identifier, layout, rest_ms, tally."""

    async def __call__(
        self, address: str, di: str, layout: str, rest_ms: int, tally: Tally
    ) -> bytes:
        """Raises NoAnswer, LinkLost or Refused."""
        ...


@dataclass(frozen=True)
class Ask:
    """One request: the identifier, the layout of its data, and the quantities in them."""

    di: str
    layout: str
    quantities: tuple[str, ...]


def profile_of(wanted: Wanted) -> Profile:
    """The profile as one of this protocol. Raises ProfileError."""
    if not isinstance(wanted.profile, Profile):
        raise ProfileError(f"{wanted.name}: is not a DL/T 645 profile")
    return wanted.profile


def plan(
    profile: Profile, quantities: Iterable[str], without: frozenset[str] = frozenset()
) -> list[Ask]:
    """The requests that read `quantities`, by block where it saves one; `without` names blocks and
    quantities this meter lacks. Raises ProfileError."""
    left = [q for q in dict.fromkeys(quantities) if q not in without]
    asks: list[Ask] = []
    while left:
        di, members = _block(profile, left[0], without)
        if len(members.intersection(left)) < 2:
            di, members = "", {left[0]}
        asks.append(_block_ask(profile, di) if di else _single(profile, left[0]))
        left = [q for q in left if q not in members]
    return asks


class Dlt645Meter:
    """See edge_agent.drivers: Meter, Remembers and KnowsRatios."""

    def __init__(self, read: Read, wanted: Wanted, now_ms: Callable[[], int]) -> None:
        self.missed: list[str] = []
        self.tally = Tally()
        self._profile = profile_of(wanted)
        self._read, self._wanted, self._now_ms = read, wanted, now_ms
        self._without: frozenset[str] = frozenset()  # blocks and quantities it lacks
        self._silent: dict[str, int] = {}  # block -> rounds in which it alone was not answered
        self._forgets: set[str] = set()  # freezes it does not keep
        self._asks = plan(self._profile, wanted.quantities)
        self._scalings = {
            q: scaling(q, self._profile.registers[q], wanted.ct, wanted.pt)
            for q in wanted.quantities
        }

    @property
    def absent(self) -> frozenset[str]:
        """Optional quantities this meter has shown not to have."""
        return self._without & self._profile.registers.keys()

    @property
    def rest_ms(self) -> int:
        """The rest it needs between two requests."""
        return self._profile.min_gap_ms

    async def read(self) -> AsyncIterator[Answer]:
        """Each request of one round, answered; what the meter refuses is learned on the way."""
        left, answered = list(self._asks), False
        refused: Refused | None = None
        self.missed = []
        while left:
            ask = left.pop(0)
            try:
                data = await self._ask(ask.di, ask.layout)
            except Refused as exc:
                if self._learn(ask, exc):
                    left = [*plan(self._profile, ask.quantities, self._without), *left]
                else:
                    refused = refused or exc
                    self.missed.append(str(exc))
            except (NoAnswer, LinkLost) as exc:
                if not answered:
                    raise
                self.missed.append(str(exc))
                if isinstance(exc, NoAnswer):
                    self._doubt(ask)
            else:
                answered = True
                self._silent.pop(ask.di, None)
                yield self._answer(ask, data)
        if refused is not None and not answered:
            raise refused

    async def identify(self) -> dict[str, str]:
        """Its address, which every answer carried, and its number if it tells one.

        Quantities it lacked are asked for once more: a meter that has just come up, or another.
        """
        self._without -= self._profile.registers.keys()
        self._asks = plan(self._profile, self._wanted.quantities, self._without)
        found = {"address": self._wanted.address.address}
        if self._profile.number is not None:
            try:
                number = await self._ask(self._profile.number, "NNNNNNNNNNNN")
            except Refused:
                return found
            if number.strip(b"\xff") and number.strip(b"\0"):
                found["serial"] = bcd.text(number)
        return found

    async def ratios(self) -> dict[str, Fraction]:
        """See edge_agent.drivers.KnowsRatios."""
        found = {}
        for key, di in self._profile.ratios.items():
            with contextlib.suppress(Refused):
                number = bcd.read_number("XXXXXX", await self._ask(di, "XXXXXX"))
                if number is not None and number[0]:
                    found[str(key)] = Fraction(number[0])
        return found

    async def history(self, after_ms: int) -> AsyncIterator[Answer]:
        """See edge_agent.drivers.Remembers: the counters it froze by itself, dated by its own clock."""
        freezes = [f for f in self._profile.freezes if f.time not in self._forgets]
        registers = {q: self._profile.registers[q] for q in self._scalings}
        frozen, lacks = await history.recall(self._ask, freezes, registers, after_ms, self._now_ms)
        self._forgets |= lacks
        for t_ms in sorted(frozen):
            values = {q: self._value(q, part) for q, part in frozen[t_ms].items()}
            yield Answer(t_ms, values)

    def _answer(self, ask: Ask, data: bytes) -> Answer:
        parts = dict(zip(ask.quantities, bcd.split(ask.layout, data) or (), strict=True))

        def shown() -> dict[str, tuple[str, str]]:
            return {q: (ask.di, part.hex(" ")) for q, (_, part) in parts.items()}

        wanted = (q for q in parts if q in self._scalings)
        values = {q: self._value(q, parts[q][1]) for q in wanted}
        return Answer(self._now_ms(), values, shown)

    def _value(self, quantity: str, part: bytes) -> Value | None:
        number = bcd.read_number(self._profile.registers[quantity].as_, part)
        return None if number is None else self._scalings[quantity].value(number[0])

    async def _ask(self, di: str, layout: str) -> bytes:
        return await self._read(self._wanted.address.address, di, layout, self.rest_ms, self.tally)

    def _learn(self, ask: Ask, refusal: Refused) -> bool:
        """Whether the refusal teaches to ask otherwise. Raises BadData where it shows the profile wrong."""
        if ask.di in self._profile.blocks:
            self._lacks(ask.di)
            return True
        if not isinstance(refusal, NotThere):
            return False
        quantity = ask.quantities[0]
        if not self._profile.registers[quantity].optional:
            raise BadData(
                f"{self._wanted.name}: {refusal}; every {self._profile.model} meter has {quantity}:"
                " is this the right profile?"
            ) from refusal
        self._lacks(quantity)
        return True

    def _doubt(self, ask: Ask) -> None:
        """A block that stays unanswered while the rest is not: some meters give it another shape."""
        if ask.di in self._profile.blocks:
            self._silent[ask.di] = self._silent.get(ask.di, 0) + 1
            if self._silent[ask.di] >= _PATIENCE:
                self._lacks(ask.di)

    def _lacks(self, name: str) -> None:
        self._without |= {name}
        self._asks = plan(self._profile, self._wanted.quantities, self._without)


def _block(profile: Profile, quantity: str, without: frozenset[str]) -> tuple[str, set[str]]:
    for di, quantities in profile.blocks.items():
        if quantity in quantities and di not in without:
            return di, set(quantities)
    return "", set()


def _block_ask(profile: Profile, di: str) -> Ask:
    quantities = profile.blocks[di]
    return Ask(di, " ".join(profile.registers[q].as_ for q in quantities), quantities)


def _single(profile: Profile, quantity: str) -> Ask:
    register = profile.registers.get(quantity)
    if register is None:
        raise ProfileError(
            f"{profile.vendor} {profile.model}: no {quantity}; it has {', '.join(profile.registers)}"
        )
    return Ask(register.di, register.as_, (quantity,))
