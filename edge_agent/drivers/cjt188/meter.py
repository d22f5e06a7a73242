"""One CJ/T 188 meter: one answer, and the quantities in it."""

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from msgspec.structs import replace

from edge_agent.drivers import Answer, NoAnswer, Wanted
from edge_agent.exact import as_fraction
from edge_agent.line import Tally
from edge_agent.profiles.cjt188 import Profile
from edge_agent.protocols import cjt188 as codec
from edge_agent.scaling import scaling
from wire.errors import BadData, ProfileError
from wire.messages import Value


class Read(Protocol):
    """How data are read: request (its serial is the bus's), layout, rest_ms, tally."""

    async def __call__(
        self, request: codec.Request, layout: str, rest_ms: int, tally: Tally
    ) -> bytes:
        """Raises NoAnswer, LinkLost or Refused."""
        ...


def profile_of(wanted: Wanted) -> Profile:
    """The profile as one of this protocol. Raises ProfileError."""
    profile = wanted.profile
    if not isinstance(profile, Profile):
        raise ProfileError(f"{wanted.name}: is not a CJ/T 188 profile")
    for quantity in wanted.quantities:
        if quantity not in profile.registers:
            has = ", ".join(profile.registers)
            raise ProfileError(f"{profile.vendor} {profile.model}: no {quantity}; it has {has}")
    return profile


class Cjt188Meter:
    """See edge_agent.drivers.Meter."""

    def __init__(self, read: Read, wanted: Wanted, now_ms: Callable[[], int]) -> None:
        self.missed: list[str] = []
        self.absent: frozenset[str] = frozenset()
        self.tally = Tally()
        self._profile = profile_of(wanted)
        self._read, self._wanted, self._now_ms = read, wanted, now_ms
        told = wanted.address.di_reversed
        self._di_reversed, self._order_known = bool(told), told is not None

    @property
    def rest_ms(self) -> int:
        """The rest it needs between two requests."""
        return self._profile.min_gap_ms

    async def read(self) -> AsyncIterator[Answer]:
        """The one request of a round. Until a meter has answered, the byte order of the identifier
        takes turns, unless it was told."""
        profile, address = self._profile, self._wanted.address
        kind = int(address.kind or profile.kind, 16)
        request = codec.Request(kind, address.address, profile.di, di_reversed=self._di_reversed)
        try:
            data = await self._read(request, profile.layout, self.rest_ms, self.tally)
        except NoAnswer:
            self._di_reversed ^= not self._order_known
            raise
        self._order_known = True
        yield self._answer(data)

    async def identify(self) -> dict[str, str]:
        """Its address, which every answer carried."""
        return {"address": self._wanted.address.address}

    def _answer(self, data: bytes) -> Answer:
        numbers = codec.read_numbers(self._profile.layout, data)
        fields = {q: self._profile.registers[q].field for q in self._wanted.quantities}

        def shown() -> dict[str, tuple[str, str]]:
            return {q: (f"number {at}", _shown(numbers[at])) for q, at in fields.items()}

        values = {q: self._value(q, numbers[at]) for q, at in fields.items()}
        return Answer(self._now_ms(), values, shown)

    def _value(self, quantity: str, number: tuple[Value, str] | None) -> Value | None:
        if number is None:
            return None
        raw, unit = number
        register = self._profile.registers[quantity]
        try:
            scaled = scaling(quantity, replace(register, unit=unit or register.unit))
        except BadData as exc:
            raise BadData(
                f"{self._wanted.name}: {quantity} came in {unit}; is this the right profile?"
            ) from exc
        return scaled.value(as_fraction(raw))


def _shown(number: tuple[Value, str] | None) -> str:
    if number is None:
        return "not measured"
    (mantissa, exponent), unit = number
    return f"{mantissa}e{exponent} {unit}".strip()
