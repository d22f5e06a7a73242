"""Which known models a Modbus meter looks like: by the name it gives itself, else by what it shows.

Asked are the places where known models keep their names and, of the models that are still
possible, the registers no other number looks like: a phase voltage, then a frequency, then the
rest. A model that must have what this meter refuses is out. A water or gas meter shows nothing of
the kind: its model is possible where every register of it is answered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple, Protocol

from edge_agent import registers
from edge_agent.bus import Found, NotThere, Refused, Sure
from edge_agent.exact import as_decimal, as_fraction
from edge_agent.line import NoAnswer
from edge_agent.plausible import is_plausible
from edge_agent.profiles.modbus import IdentityRegister, Profile
from wire.errors import BadData
from wire.messages import Value
from wire.quantities import QUANTITIES

_FIRST = ("voltage_l1", "frequency")  # nothing else looks like these two at once
_REST = (
    *("voltage_l2", "voltage_l3", "voltage_l3_l1", "power_factor", "current_l1", "current_l3"),
    *("active_power", "active_energy_import"),
)
_TRIES = 2
_MOST_NAMED = 4


class ReadSome(Protocol):
    """How words are read: unit, function, address, count, rest_ms."""

    async def __call__(
        self, unit: int, function: int, address: int, count: int, rest_ms: int
    ) -> tuple[int, ...]:
        """Raises NoAnswer, LinkLost or Refused."""
        ...


@dataclass
class _Likeness:
    """What speaks for one model and against it. `named`: what it is called, and the model too."""

    name: str
    profile: Profile
    says: dict[str, str] = field(default_factory=dict)
    named: str = ""
    seen: dict[str, str] = field(default_factory=dict)
    odd: int = 0
    out: bool = False

    @property
    def sure(self) -> Sure:
        """How sure this is by itself."""
        if self.named:
            return "certain"
        looks = not self.odd and all(quantity in self.seen for quantity in _FIRST)
        return "likely" if looks else "possible"

    @property
    def rank(self) -> tuple[bool, int, int, bool, str]:
        """The best first."""
        owned = "serial" in self.says
        return not self.named, self.odd, -len(self.seen), not owned, self.name

    @property
    def why(self) -> str:
        """For a person."""
        shown = " and ".join(text for q in _FIRST if (text := self.seen.get(q)))
        fit = [f"{shown} where it has them"] if shown else []
        if more := len(self.seen.keys() - set(_FIRST)):
            fit.append(f"{more} {'more of its' if shown else 'of its'} registers fit")
        if self.odd:
            fit.append(f"{self.odd} do not")
        return "; ".join(filter(None, (self.named, ", ".join(fit))))


async def look_like(read: ReadSome, unit: int, models: Mapping[str, Profile]) -> Found:
    """The meter at `unit`, with the models it may be. Raises LinkLost."""
    meter = _Meter(read, unit)
    alike = [_Likeness(name, profile) for name, profile in models.items()]
    for one in alike:
        await _hear_name(meter, one)
    alike = [one for one in alike if one.named] or [one for one in alike if not one.out]
    alike = await _by_grid(meter, alike) or await _by_answers(meter, alike)
    alike.sort(key=lambda one: one.rank)
    if not alike:
        return Found({"unit_id": unit}, meter.texts(), (), "possible", meter.manners())
    best = alike[0]
    twins = [one for one in alike if one.rank[:3] == best.rank[:3]]
    others = [one for one in alike if one not in twins][: max(0, _MOST_NAMED - len(twins))]
    names = tuple(one.name for one in (*twins, *others))
    identity = best.says or meter.texts()
    return Found({"unit_id": unit}, identity, names, best.sure, best.why)


async def _by_grid(meter: "_Meter", alike: Sequence[_Likeness]) -> list[_Likeness]:
    """Those that were named, or show a phase voltage and a frequency where they have them."""
    for quantities in (_FIRST[:1], _FIRST[1:], _REST):
        for one in alike:
            await _look_at(meter, one, quantities)
        alike = [one for one in alike if one.named or (one.seen and not one.out)]
        if quantities is not _REST:
            alike = [one for one in alike if one.named or not one.odd]
    return list(alike)


async def _by_answers(meter: "_Meter", alike: Sequence[_Likeness]) -> list[_Likeness]:
    """Models that have no voltage to be known by, but every register this meter answers with sense."""
    mute = [one for one in alike if _FIRST[0] not in one.profile.registers]
    for one in mute:
        await _look_at(meter, one, list(one.profile.registers))
    return [one for one in mute if one.seen and not one.odd and not one.out]


class _Reading(NamedTuple):
    """Words, or why not: `absent` where the meter said that it has no such thing."""

    words: tuple[int, ...] = ()
    absent: bool = False


class _Meter:
    """One unit, whose every block is read once."""

    def __init__(self, read: ReadSome, unit: int) -> None:
        self._read, self._unit = read, unit
        self._known: dict[tuple[int, int, int], _Reading] = {}
        self._named: dict[str, str] = {}

    async def words(self, function: int, address: int, count: int, rest_ms: int) -> _Reading:
        """Raises LinkLost."""
        block = function, address, count
        if block not in self._known:
            self._known[block] = await self._ask(block, rest_ms)
        return self._known[block]

    async def _ask(self, block: tuple[int, int, int], rest_ms: int) -> _Reading:
        for _ in range(_TRIES):
            try:
                return _Reading(await self._read(self._unit, *block, rest_ms))
            except Refused as exc:
                return _Reading(absent=isinstance(exc, NotThere) or exc.code == 1)
            except NoAnswer:
                continue
        return _Reading()

    def heard(self, key: str, text: str) -> None:
        """Remember a readable name, wherever it stood."""
        if len(text) >= 3 and not text.isdecimal():
            self._named.setdefault(key, text)

    def texts(self) -> dict[str, str]:
        """What it says that a person can read, though no known model fits."""
        return dict(self._named)

    def manners(self) -> str:
        """How it behaved, for a person."""
        answered = sum(bool(reading.words) for reading in self._known.values())
        return f"it answered {answered} of {len(self._known)} questions"


async def _hear_name(meter: _Meter, one: _Likeness) -> None:
    """The model's own places for its name; another name there rules the model out."""
    for key, place in one.profile.identity.places():
        limits = one.profile.limits
        count = place.size + (place.size % 2 if limits.even else 0)
        words = (await meter.words(place.fc, place.at, count, limits.min_gap_ms)).words
        text = _text(place, words)
        if not text:
            continue
        if place.expect:
            one.named = f"it says it is model {text}" if text in place.expect else one.named
            one.out = one.out or text not in place.expect
        if key == "model" and place.as_ == "string":
            meter.heard(key, text)
        one.says[key] = text


def _text(place: IdentityRegister, words: Sequence[int]) -> str:
    """A name that can be one: readable, and not all bits alike."""
    if not words or set(words) <= {0} or set(words) <= {0xFFFF}:
        return ""
    text = registers.read_text(place, words)
    return text if text.isascii() and text.isprintable() else ""


async def _look_at(meter: _Meter, one: _Likeness, quantities: Sequence[str]) -> None:
    """What these registers of the model show on this meter."""
    for quantity in quantities:
        if quantity not in one.profile.registers or one.out:
            continue
        (block,) = registers.plan(one.profile, [quantity])
        rest_ms = one.profile.limits.min_gap_ms
        reading = await meter.words(block.fc, block.address, block.count, rest_ms)
        if reading.absent and not one.profile.registers[quantity].optional:
            one.out = not one.named
        if reading.words:
            try:
                value = registers.decode(block, reading.words)[quantity]
            except BadData:
                one.odd += 1
            else:
                _weigh(one, quantity, value)


def _weigh(one: _Likeness, quantity: str, value: Value | None) -> None:
    """0 says nothing: a phase may not be connected, a load may be off."""
    number = Fraction(0) if value is None else as_fraction(value)
    if number == 0:
        return
    if not is_plausible(quantity, number):
        one.odd += 1
        return
    unit = QUANTITIES[quantity].unit
    one.seen[quantity] = as_decimal(number) + (f" {unit}" if unit != "1" else "")
