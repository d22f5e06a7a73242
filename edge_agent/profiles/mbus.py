"""The shape of an M-Bus meter's profile: which of the meter's records is which quantity.

An M-Bus meter says itself what its records are, in which unit and to which step. A register names
a record by what it says: its `kind`, `function`, `storage` (0: now), `tariff` (0: total), `subunit`
and, in hex, the `qualifiers` of its kind (a phase, say); `plus` names further records to be added.
`unit` is the one its kind is read in. `decimals` is needed, because a meter may change its step.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from edge_agent.profiles import model
from edge_agent.profiles.model import Meaning

# Some makers tell reactive and apparent energy as energy of another subunit.
UNITS: dict[str, tuple[str, ...]] = {
    "energy": ("kWh", "kvarh", "kVAh"),
    "reactive_energy": ("kvarh",),
    "apparent_energy": ("kVAh",),
    "volume": ("m3", "Nm3"),
    "mass": ("t",),
    "power": ("W", "var", "VA"),
    "reactive_power": ("var",),
    "apparent_power": ("VA",),
    "flow": ("m3/h",),
    "mass_flow": ("t/h",),
    "flow_temperature": ("degC",),
    "return_temperature": ("degC",),
    "external_temperature": ("degC",),
    "pressure": ("bar",),
    "voltage": ("V",),
    "current": ("A",),
    "frequency": ("Hz",),
    "dimensionless": ("1",),
    "manufacturer_specific": ("1", "Hz"),
}
Function = Literal["instantaneous", "maximum", "minimum", "error"]
# fmt: off
Medium = Literal[
    "electricity", "gas", "heat", "cooling", "heat and cooling", "steam", "compressed air",
    "water", "cold water", "warm water", "hot water", "oil", "other",
]
# fmt: on


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A further record of the same kind, function and storage, to be added."""

    tariff: int = 0
    subunit: int = 0

    def __str__(self) -> str:
        """For a person."""
        tariff = f"tariff {self.tariff}" if self.tariff else "total"
        return f"{tariff} of unit {self.subunit}" if self.subunit else tariff


class Register(Meaning, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One quantity: which record, and what its number means."""

    kind: str
    function: Function = "instantaneous"
    storage: int = 0
    tariff: int = 0
    subunit: int = 0
    qualifiers: str = ""
    plus: tuple[Part, ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """The record itself and those added to it."""
        return (Part(tariff=self.tariff, subunit=self.subunit), *self.plus)

    @property
    def where(self) -> str:
        """See the base."""
        function = "" if self.function == "instantaneous" else f" {self.function}"
        storage = f", storage {self.storage}" if self.storage else ""
        qualified = f" ({self.qualifiers})" if self.qualifiers else ""
        return f"{self.kind}{qualified}{function}{storage}, {' + '.join(map(str, self.parts))}"


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every meter of this model says of itself. Left out: anything."""

    manufacturer: str = ""
    versions: tuple[int, ...] = ()
    media: tuple[Medium, ...] = ()

    def fits(self, manufacturer: str, version: int, medium: str) -> bool:
        """Can a meter that says this be of the model?"""
        return (
            self.manufacturer in ("", manufacturer)
            and (not self.versions or version in self.versions)
            and (not self.media or medium in self.media)
        )

    def __str__(self) -> str:
        """For a person."""
        versions = " or ".join(map(str, self.versions)) or "any version"
        return f"{self.manufacturer or 'any maker'}, {versions}, {' or '.join(self.media) or 'any medium'}"


class Profile(model.Profile, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One M-Bus meter model."""

    protocol: Literal["mbus"] = "mbus"
    registers: dict[str, Register]
    identity: Identity = Identity()

    @property
    def meanings(self) -> Mapping[str, Register]:
        """See the base."""
        return self.registers

    def rules(self) -> Iterator[str]:
        """See the base."""
        yield f"says of itself: {self.identity}"


def problems(profile: Profile) -> Iterator[tuple[str, str]]:
    """(key, what is wrong with it) for everything that cannot be true of an M-Bus meter."""
    maker = profile.identity.manufacturer
    if maker and (len(maker) != 3 or not maker.isalpha() or not maker.isupper()):
        yield "identity.manufacturer", "is three capital letters"
    taken: dict[object, str] = {}
    for quantity, register in profile.registers.items():
        key = f"registers.{quantity}"
        for problem in _about(register):
            yield key, problem
        place = (register.kind, register.function, register.storage, register.qualifiers)
        for part in register.parts:
            if (other := taken.setdefault((*place, part), key)) != key:
                yield key, f"is the same record as {other}"
        if len(set(register.parts)) < len(register.parts):
            yield key, "adds a record to itself"


def _about(register: Register) -> Iterator[str]:
    units = UNITS.get(register.kind)
    if units is None:
        yield f"no such kind {register.kind!r}; known: {', '.join(UNITS)}"
    elif register.unit not in units:
        yield f"unit of {register.kind} is {' or '.join(units)}"
    if register.decimals is None:
        yield "decimals is missing: the meter may change its step, say to which decimal it is kept"
    if min(register.storage, *(n for p in register.parts for n in (p.tariff, p.subunit))) < 0:
        yield "storage, tariff and subunit cannot be negative"
    if not _is_hex(register.qualifiers):
        yield "qualifiers are pairs of lower-case hex digits"


def _is_hex(text: str) -> bool:
    return len(text) % 2 == 0 and all(c in "0123456789abcdef" for c in text)
