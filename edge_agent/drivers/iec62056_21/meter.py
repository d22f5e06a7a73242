"""One meter that is read out: which of its codes are wanted, and who it says it is."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple, Protocol

from edge_agent.bus import Answer, Sure, Wanted, WrongMeter
from edge_agent.line import Tally
from edge_agent.profiles import Profile as AnyProfile
from edge_agent.profiles.iec62056_21 import Profile, Register
from edge_agent.protocols.iec62056_21 import Identification, Item, ratio
from edge_agent.scaling import Scaling, scaling
from wire.errors import BadData, ProfileError
from wire.messages import Value

_FRESH_MS = 2_000  # what was read to identify the meter serves for the read that follows


class ReadOut(NamedTuple):
    """Everything a meter told, and when it began (UTC ms)."""

    t_ms: int
    identification: Identification
    items: tuple[Item, ...]


class Ask(Protocol):
    """How a meter is read out; see IecBus.read_out."""

    async def __call__(self, address: str, wake_up: int, tally: Tally | None = None) -> ReadOut: ...


class IecMeter:
    """See edge_agent.bus.Meter."""

    rest_ms = 0

    def __init__(self, ask: Ask, wanted: Wanted, now_ms: Callable[[], int]) -> None:
        if not isinstance(wanted.profile, Profile):
            raise ProfileError(f"{wanted.name}: is no profile for IEC 62056-21")
        self.missed: list[str] = []
        self.tally = Tally()
        self.absent: frozenset[str] = frozenset()
        self._profile = wanted.profile
        self._name, self._address = wanted.name, wanted.address.address
        self._ask, self._now_ms = ask, now_ms
        self._fields = {q: _field(wanted, wanted.profile, q) for q in wanted.quantities}
        self._kept: tuple[int, ReadOut] | None = None

    async def identify(self) -> dict[str, str]:
        """See the base. The read-out serves for the values as well."""
        read_out = await self._read_out()
        self._kept = self._now_ms(), read_out
        says, maker = read_out.identification, self._profile.identity.manufacturer
        if maker and says.manufacturer.upper() != maker.upper():
            raise WrongMeter(
                f"{self._name}: says it is {says}; the {self._profile.vendor}"
                f" {self._profile.model} says {maker}"
            )
        found = {"model": str(says)}
        if serial := _serial(self._profile, read_out.items):
            found["serial"] = serial
        return found

    async def read(self) -> AsyncIterator[Answer]:
        """See the base. One read-out is one answer."""
        read_out = self._take() or await self._read_out()
        found = {q: each for q in self._fields if (each := self._find(q, read_out.items))}
        missing = [q for q in self._fields if q not in found]
        self.absent = frozenset(q for q in missing if self._fields[q][0].optional)
        if needed := [self._fields[q][0].where for q in missing if q not in self.absent]:
            raise BadData(
                f"{self._name}: tells no {', '.join(needed)}; every {self._profile.vendor}"
                f" {self._profile.model} does: is this the right profile?"
            )
        values = {q: self._value(q, each) for q, each in found.items()}
        yield Answer(read_out.t_ms, values, lambda: self._shown(found))

    async def _read_out(self) -> ReadOut:
        return await self._ask(self._address, self._profile.wake_up, self.tally)

    def _take(self) -> ReadOut | None:
        kept, self._kept = self._kept, None
        fresh = kept is not None and 0 <= self._now_ms() - kept[0] <= _FRESH_MS
        return kept[1] if kept and fresh else None

    def _find(self, quantity: str, items: Sequence[Item]) -> list[Item]:
        try:
            return told(self._fields[quantity][0], items)
        except BadData as exc:
            raise BadData(f"{self._name}: {exc}") from exc

    def _value(self, quantity: str, items: Sequence[Item]) -> Value | None:
        register, scale = self._fields[quantity]
        total = Fraction(0)
        for item in items:
            if item.number is None:
                return None
            size = ratio(item.unit or register.unit, register.unit)
            if size is None:
                raise BadData(
                    f"{self._name}: tells {item.code} in {item.unit}; its profile says"
                    f" {register.unit}"
                )
            total += Fraction(item.number) * size
        return scale.value(total)

    def _shown(self, found: Mapping[str, Sequence[Item]]) -> dict[str, tuple[str, str]]:
        return {
            q: (self._fields[q][0].where, " + ".join(f"({i.texts[0]})" for i in items))
            for q, items in found.items()
        }


def fitting(read_out: ReadOut, profiles: Mapping[str, AnyProfile]) -> tuple[tuple[str, ...], Sure]:
    """The profiles that fit what a meter told, the most particular first, and how sure that is."""
    fits = []
    for name, profile in profiles.items():
        if not isinstance(profile, Profile):
            continue
        maker = profile.identity.manufacturer
        needed = [r for r in profile.registers.values() if not r.optional]
        if maker and maker.upper() != read_out.identification.manufacturer.upper():
            continue
        if all(_is_told(register, read_out.items) for register in needed):
            fits.append((not maker, -len(needed), name))
    fits.sort()
    sure: Sure = "likely" if fits and not fits[0][0] else "possible"
    return tuple(name for _, _, name in fits), sure


def told(register: Register, items: Sequence[Item]) -> list[Item]:
    """The values that add up to a register; none if one of them is not there.

    Raises BadData where a code stands more than once, and not with the same text.
    """
    found = []
    for code in register.codes:
        fits = [i for i in items if i.code == code] or [i for i in items if i.reduced == code]
        if any(i.texts != fits[0].texts for i in fits):
            raise BadData(f"tells {code} more than once, each time different")
        found.extend(fits[:1])
    return found if len(found) == len(register.codes) else []


def _is_told(register: Register, items: Sequence[Item]) -> bool:
    try:
        return bool(told(register, items))
    except BadData:
        return False


def _serial(profile: Profile, items: Sequence[Item]) -> str:
    for code in profile.identity.serial:
        for item in items:
            if code in (item.code, item.reduced) and item.texts[0].strip():
                return item.texts[0].strip()
    return ""


def _field(wanted: Wanted, profile: Profile, quantity: str) -> tuple[Register, Scaling]:
    register = profile.registers.get(quantity)
    if register is None:
        has = ", ".join(profile.registers)
        raise ProfileError(f"{profile.vendor} {profile.model}: no {quantity}; it has {has}")
    return register, scaling(quantity, register, wanted.ct, wanted.pt)
