"""One M-Bus meter: which of its records are wanted, and who it says it is."""

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from edge_agent.bus import Answer, Wanted, WrongMeter
from edge_agent.line import NoAnswer, Tally
from edge_agent.profiles.mbus import Profile, Register
from edge_agent.protocols.mbus import Secondary, parse_secondary
from edge_agent.protocols.mbus_records import Header, Record, Telegram
from edge_agent.scaling import Scaling, scaling
from wire.errors import BadData, ProfileError
from wire.messages import Value

At = int | Secondary
_FRESH_MS = 2_000  # what was read to identify the meter serves for the read that follows


class Heard(NamedTuple):
    """A telegram, and when it was there (UTC ms)."""

    t_ms: int
    telegram: Telegram


Enough = Callable[[Sequence[Heard]], bool]


class Telegrams(Protocol):
    """How telegrams are read; see MBusBus.telegrams."""

    async def __call__(
        self, at: At, enough: Enough, tally: Tally | None = None
    ) -> tuple[list[Heard], str]: ...


class MBusMeter:
    """See edge_agent.bus.Meter."""

    rest_ms = 0

    def __init__(self, ask: Telegrams, wanted: Wanted, now_ms: Callable[[], int]) -> None:
        if not isinstance(wanted.profile, Profile):
            raise ProfileError(f"{wanted.name}: is not an M-Bus profile")
        self.missed: list[str] = []
        self.tally = Tally()
        self.absent: frozenset[str] = frozenset()
        self._profile = wanted.profile
        self._name, self._ask, self._now_ms = wanted.name, ask, now_ms
        address = wanted.address
        self._at: At = (
            parse_secondary(address.secondary) if address.address is None else address.address
        )
        self._fields = {q: _field(wanted, wanted.profile, q) for q in wanted.quantities}
        self._known: Secondary | None = None
        self._kept: tuple[list[Heard], str] | None = None

    async def identify(self) -> dict[str, str]:
        """See the base. The telegrams serve for the values as well."""
        self._known = None
        heard, why = await self._round()
        self._check(heard)
        self._kept = heard, why
        header = heard[0].telegram.header
        self._known = header.identity
        if header.identity is None:
            return {}
        return {"serial": header.identity.number, "model": model(header)}

    async def read(self) -> AsyncIterator[Answer]:
        """See the base. An answer for each telegram."""
        self.missed = []
        heard, why = self._take() or await self._round()
        self._check(heard)
        answered: set[str] = set()
        for t_ms, telegram in heard:
            found = self._find(telegram)
            answered |= found.keys()
            values = {q: self._value(q, records) for q, records in found.items()}
            yield Answer(t_ms, values, partial(self._shown, found))
        missing = [q for q in self._fields if q not in answered]
        if why:
            self.missed.append(why)
        else:
            self._lack(missing)

    async def _round(self) -> tuple[list[Heard], str]:
        return await self._ask(self._at, self._is_enough, self.tally)

    def _take(self) -> tuple[list[Heard], str] | None:
        kept, self._kept = self._kept, None
        if kept is None or not 0 <= self._now_ms() - kept[0][0].t_ms <= _FRESH_MS:
            return None
        return kept

    def _is_enough(self, heard: Sequence[Heard]) -> bool:
        found = {q for each in heard for q in self._find(each.telegram)}
        return all(q in found or q in self.absent for q in self._fields)

    def _check(self, heard: Sequence[Heard]) -> None:
        """Another model is refused; an exchanged meter is recognised before a value is taken."""
        header = heard[0].telegram.header
        if header.identity is None:
            return
        says = header.manufacturer, header.identity.version, header.medium
        if not self._profile.identity.fits(*says):
            raise WrongMeter(
                f"{self._name}: says it is {model(header)}; the {self._profile.vendor}"
                f" {self._profile.model} says {self._profile.identity}"
            )
        if self._known not in (None, header.identity):
            raise NoAnswer(f"{self._name}: {self._known} does not answer, but {header.identity}")

    def _find(self, telegram: Telegram) -> dict[str, list[Record]]:
        """The records of each quantity whose records are all there."""
        try:
            found = {q: told(register, telegram) for q, (register, _) in self._fields.items()}
        except BadData as exc:
            raise BadData(f"{self._name}: {exc}") from exc
        return {q: records for q, records in found.items() if records}

    def _value(self, quantity: str, records: Sequence[Record]) -> Value | None:
        numbers = [r.number for r in records if r.number is not None]
        if len(numbers) < len(records):
            return None
        return self._fields[quantity][1].value(sum(numbers[1:], numbers[0]))

    def _shown(self, found: dict[str, list[Record]]) -> dict[str, tuple[str, str]]:
        return {
            q: (self._fields[q][0].where, " + ".join(map(_written, each)))
            for q, each in found.items()
        }

    def _lack(self, missing: Sequence[str]) -> None:
        self.absent = frozenset(q for q in missing if self._fields[q][0].optional)
        needed = [q for q in missing if q not in self.absent]
        if needed:
            raise BadData(
                f"{self._name}: tells nothing that is {', '.join(needed)}; every"
                f" {self._profile.vendor} {self._profile.model} does: is this the right profile?"
            )


def told(register: Register, telegram: Telegram) -> list[Record]:
    """The records that add up to a register; none if one of them is not there.

    Raises BadData where a record is there more than once, and not the same.
    """
    found = []
    for part in register.parts:
        fits = [
            r
            for r in telegram.records
            if (r.kind, r.function, r.storage)
            == (register.kind, register.function, register.storage)
            and (r.qualifiers, r.tariff, r.subunit)
            == (register.qualifiers, part.tariff, part.subunit)
        ]
        if any(r.number != fits[0].number for r in fits):
            raise BadData(f"tells {register.where} more than once, each time different")
        found.extend(fits[:1])
    return found if len(found) == len(register.parts) else []


def model(header: Header) -> str:
    """What the meter says it is: maker, version, medium."""
    if header.identity is None:
        return ""
    return f"{header.manufacturer} {header.identity.version} {header.medium}".strip()


def _written(record: Record) -> str:
    if record.raw is None:
        return "no number"
    return f"{record.raw} x {record.scale} {record.unit}"


def _field(wanted: Wanted, profile: Profile, quantity: str) -> tuple[Register, Scaling]:
    register = profile.registers.get(quantity)
    if register is None:
        has = ", ".join(profile.registers)
        raise ProfileError(f"{profile.vendor} {profile.model}: no {quantity}; it has {has}")
    return register, scaling(quantity, register, wanted.ct, wanted.pt)
