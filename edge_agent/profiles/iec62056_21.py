"""The shape of a profile for meters read out by IEC 62056-21: which code is which quantity.

A register names a value by its code, as «1.8.0»: medium, channel and the mark of the present are
left out (1-0:1.8.0*255 is 1.8.0) unless a meter has the same code in several channels. `plus` names
further codes to be added. The meter writes its unit itself; `unit` counts where it writes none.
`decimals` is needed, because a meter's display decides how many it writes.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from edge_agent.profiles import model
from edge_agent.profiles.model import Meaning


class Register(Meaning, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One quantity: the code of its value, and the codes that are added to it."""

    code: str
    plus: tuple[str, ...] = ()

    @property
    def codes(self) -> tuple[str, ...]:
        """All its codes."""
        return (self.code, *self.plus)

    @property
    def where(self) -> str:
        """See the base."""
        return " + ".join(self.codes)


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a meter of this model is recognised: the letters of its maker, and the code of its own
    number, the first that it has."""

    manufacturer: str = ""
    serial: tuple[str, ...] = ()


class Profile(model.Profile, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One model of meter. `wake_up`: how many characters 00 it wants before a request."""

    protocol: Literal["iec62056_21"] = "iec62056_21"
    registers: dict[str, Register]
    identity: Identity = Identity()
    wake_up: int = 0

    @property
    def meanings(self) -> Mapping[str, Register]:
        """See the base."""
        return self.registers

    def rules(self) -> Iterator[str]:
        """See the base."""
        if self.wake_up:
            yield f"woken by {self.wake_up} characters 00"
        if self.identity.manufacturer:
            yield f"maker: says {self.identity.manufacturer}"
        if self.identity.serial:
            yield f"serial: code {' or '.join(self.identity.serial)}"


def problems(profile: Profile) -> Iterator[tuple[str, str]]:
    """(key, what is wrong with it) for everything that cannot be true of such a meter."""
    if not 0 <= profile.wake_up <= 255:
        yield "wake_up", "must be 0 to 255"
    maker = profile.identity.manufacturer
    if maker and (len(maker) != 3 or not maker.isalpha()):
        yield "identity.manufacturer", "is three letters"
    taken: dict[str, str] = {}
    for quantity, register in profile.registers.items():
        key = f"registers.{quantity}"
        if register.decimals is None:
            yield key, "decimals is missing: say to which decimal it is kept"
        for code in register.codes:
            if not code or any(c in "()/!" or not c.isprintable() for c in code):
                yield key, f"no code of a value: {code!r}"
            if code in taken:
                yield key, f"{code} is also in {taken[code]}"
            taken[code] = key
