"""The shape of a Modbus meter's profile: registers of 16-bit words, and what one request may ask."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Literal, Protocol

import msgspec

from edge_agent.profiles import model
from edge_agent.profiles.model import Meaning

Kind = Literal["u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64", "bcd", "string"]
Order = Literal["big", "little"]
WORDS = {"u16": 1, "i16": 1, "u32": 2, "i32": 2, "f32": 2, "u64": 4, "i64": 4, "f64": 4}
PROTOCOL_MAX_WORDS = 125


class Place(Protocol):
    """Where a number or text stands and how it is written.

    `at` is zero-based; `fc` is the function that reads it; `words` and `bytes` (in each word) say
    which end comes first; `length` (registers) is for bcd and string only.
    """

    @property
    def at(self) -> int: ...
    @property
    def as_(self) -> Kind: ...
    @property
    def fc(self) -> Literal[3, 4]: ...
    @property
    def words(self) -> Order: ...
    @property
    def bytes(self) -> Order: ...
    @property
    def length(self) -> int | None: ...
    @property
    def size(self) -> int:
        """Registers it occupies."""
        ...


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A further register whose number times `scale` is added to the first's, written like that
    unless `as` and `words` say otherwise."""

    at: int
    scale: str = "1"
    as_: Kind | None = msgspec.field(name="as", default=None)
    words: Order | None = None


class Register(Meaning, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One quantity: a place, a meaning, the `sentinel` (hex) for «not measured», and what to add."""

    at: int
    as_: Kind = msgspec.field(name="as")
    fc: Literal[3, 4] = 3
    words: Order = "big"
    bytes: Order = "big"
    length: int | None = None
    sentinel: str | None = None
    plus: tuple[Part, ...] = ()

    @property
    def size(self) -> int:
        """Registers it occupies."""
        return self.length or WORDS[self.as_]

    @property
    def starts(self) -> tuple[int, ...]:
        """Addresses of the register and the parts added to it."""
        return (self.at, *(part.at for part in self.plus))

    @property
    def after(self) -> int:
        """The address behind its last part."""
        return max(place.at + place.size for place in self.places())

    def places(self) -> "Iterator[Register]":
        """The register and its parts, each as a register of its own."""
        yield self
        for part in self.plus:
            changed = {
                "at": part.at,
                "as_": part.as_ or self.as_,
                "words": part.words or self.words,
            }
            yield msgspec.structs.replace(self, **changed, plus=())

    @property
    def is_float32(self) -> bool:
        """See the base."""
        return self.as_ == "f32"

    @property
    def where(self) -> str:
        """See the base."""
        at = " + ".join(map(str, self.starts))
        order = ", low word first" if self.words == "little" else ""
        swapped = ", low byte first" if self.bytes == "little" else ""
        return f"fc {self.fc}, {at}, {self.as_}{order}{swapped}"


class Spot(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where something else than a quantity stands."""

    at: int
    as_: Kind = msgspec.field(name="as")
    fc: Literal[3, 4] = 3
    words: Order = "big"
    bytes: Order = "big"
    length: int | None = None

    @property
    def size(self) -> int:
        """Registers it occupies."""
        return self.length or WORDS[self.as_]


class IdentityRegister(Spot, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Tells one meter from another. `expect`: what every meter of this model answers, as text."""

    expect: tuple[str, ...] = ()


class RatioRegister(Spot, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A transformer's ratio as the meter was told it: the number times `scale`.

    `over`: the register of the secondary side, where the two sides stand apart.
    """

    scale: str = "1"
    over: int | None = None


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The meter's own number and its model code, as far as the model has them."""

    serial: IdentityRegister | None = None
    model: IdentityRegister | None = None

    def places(self) -> Iterator[tuple[str, IdentityRegister]]:
        """`serial` and `model`, those that exist."""
        for name in ("serial", "model"):
            place: IdentityRegister | None = getattr(self, name)
            if place is not None:
                yield name, place


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one request may ask for, in registers, and the rest a meter needs between two, in ms."""

    max_words: int = PROTOCOL_MAX_WORDS
    max_hole: int = 0
    even: bool = False
    min_gap_ms: int = 0


class Profile(model.Profile, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One Modbus meter model."""

    protocol: Literal["modbus"] = "modbus"
    registers: dict[str, Register]
    limits: Limits = Limits()
    identity: Identity = Identity()
    ratios: dict[Literal["ct", "pt"], RatioRegister] = {}

    @property
    def meanings(self) -> Mapping[str, Register]:
        """See the base."""
        return self.registers

    def rules(self) -> Iterator[str]:
        """See the base."""
        limits = self.limits
        yield (
            f"a request: up to {limits.max_words} registers, holes up to {limits.max_hole}"
            f"{', even addresses only' if limits.even else ''}, {limits.min_gap_ms} ms rest before it"
        )
        for key, place in self.identity.places():
            expect = f", says {' or '.join(place.expect)}" if place.expect else ""
            yield f"{key}: function {place.fc}, register {place.at}, {place.as_}{expect}"
        for key, ratio in self.ratios.items():
            over = f" over register {ratio.over}" if ratio.over is not None else ""
            scale = f", times {ratio.scale}" if ratio.scale != "1" else ""
            yield f"{key} it was told: function {ratio.fc}, register {ratio.at}{over}{scale}"


def problems(profile: Profile) -> Iterator[tuple[str, str]]:
    """(key, what is wrong with it) for everything that cannot be true of a Modbus meter."""
    limits = profile.limits
    if not 1 <= limits.max_words <= PROTOCOL_MAX_WORDS:
        yield "limits.max_words", f"must be 1 to {PROTOCOL_MAX_WORDS}"
    if limits.max_hole < 0 or limits.min_gap_ms < 0:
        yield "limits", "max_hole and min_gap_ms cannot be negative"
    for quantity, register in profile.registers.items():
        key = f"registers.{quantity}"
        for problem in (*_about_place(register, limits), *_about_value(register)):
            yield key, problem
    for name, place in profile.identity.places():
        for problem in _about_place(place, limits):
            yield f"identity.{name}", problem
    for name, ratio in profile.ratios.items():
        for problem in _about_place(ratio, limits):
            yield f"ratios.{name}", problem
        if not model.is_positive(ratio.scale) or ratio.as_ == "string":
            yield f"ratios.{name}", "is a number, and scale a positive decimal in quotes"
    yield from _overlaps(profile)


def _about_place(place: Register | Spot, limits: Limits) -> Iterator[str]:
    if (place.as_ in WORDS) != (place.length is None):
        yield "length is for bcd and string, which need it"
        return
    starts = place.starts if isinstance(place, Register) else (place.at,)
    first = min(starts)
    after = place.after if isinstance(place, Register) else place.at + place.size
    if first < 0 or after > 65536:
        yield "at must lie in 0 to 65535, zero-based"
    if after - first > limits.max_words:
        yield f"spans {after - first} registers, one request carries {limits.max_words}"
    if limits.even and any(at % 2 for at in starts):
        yield "odd address, but limits.even = true"


def _about_value(register: Register) -> Iterator[str]:
    if register.as_ == "string":
        yield "a string is not a number"
    if register.as_ in ("f32", "f64") and register.decimals is None:
        yield "decimals is missing: say to which decimal the float is rounded"
    if register.decimals is None and any(part.scale != "1" for part in register.plus):
        yield "decimals is missing: say to which decimal the parts are added up"
    for size in {place.size for place in register.places()} if register.sentinel else ():
        if not _is_hex(register.sentinel or "", 4 * size):
            yield f"sentinel must be {4 * size} hex digits"
    if not all(model.is_positive(part.scale) for part in register.plus):
        yield "scale of a part must be a positive decimal in quotes"


def _overlaps(profile: Profile) -> Iterator[tuple[str, str]]:
    taken: list[tuple[int, int, int, str]] = []
    for name, place in profile.identity.places():
        taken.append((place.fc, place.at, place.size, f"identity.{name}"))
    for quantity, register in profile.registers.items():
        key = f"registers.{quantity}"
        taken.extend((part.fc, part.at, part.size, key) for part in register.places())
    taken.sort()
    for (fc, at, size, key), (next_fc, next_at, _, next_key) in pairwise(taken):
        if fc == next_fc and next_at < at + size:
            yield next_key, f"overlaps {key} at {next_at}"


def _is_hex(text: str, digits: int) -> bool:
    return len(text) == digits and all(c in "0123456789abcdef" for c in text)
