"""The shape of a DL/T 645 meter's profile: identifiers (DI), data blocks, and what it remembers.

DIs stand as in the standard's tables, eight hex digits (2007) or four (1997). `as` is the picture
of the digits there (`XXXXXX.XX`, `-` for a sign in the top bit); the raw number is the digits
without their point. A block names the quantities one request brings, in their order.
"""

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Literal

import msgspec

from edge_agent.profiles import model
from edge_agent.profiles.model import Meaning
from wire.quantities import QUANTITIES


class Register(Meaning, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One quantity: its identifier and the picture of its digits."""

    di: str
    as_: str = msgspec.field(name="as")

    @property
    def where(self) -> str:
        """See the base."""
        return f"{self.di}, {self.as_}"


class Freeze(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Copies of its counters that a meter keeps by itself, `every` hour or day, the last `depth`.

    `time` and `counters` are the DIs of the last one, ending in 01; the one before it ends in 02,
    and so on. `tariffs`: the total is followed by its tariffs.
    """

    every: Literal["hour", "day"]
    depth: int
    time: str
    counters: dict[str, str]
    tariffs: bool = False


class Profile(model.Profile, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One model of DL/T 645 meter. `number`: the DI of the meter's own number; `ratios`: those of the
    transformers' ratios it is told (`ct`, `pt`), whole numbers of six digits; where it has them."""

    protocol: Literal["dlt645"] = "dlt645"
    registers: dict[str, Register]
    blocks: dict[str, tuple[str, ...]] = {}
    number: str | None = None
    ratios: dict[Literal["ct", "pt"], str] = {}
    freezes: tuple[Freeze, ...] = ()
    min_gap_ms: int = 0

    @property
    def meanings(self) -> Mapping[str, Register]:
        """See the base."""
        return self.registers

    @property
    def edition(self) -> str:
        """2007 or 1997."""
        return "2007" if all(len(r.di) == 8 for r in self.registers.values()) else "1997"

    def rules(self) -> Iterator[str]:
        """See the base."""
        yield f"DL/T 645-{self.edition}, {self.min_gap_ms} ms rest before a request"
        for di, quantities in self.blocks.items():
            yield f"block {di}: {', '.join(quantities)}"
        for freeze in self.freezes:
            yield f"remembers {', '.join(freeze.counters)} of the last {freeze.depth} {freeze.every}s"


def problems(profile: Profile) -> Iterator[tuple[str, str]]:
    """(key, what is wrong with it) for everything that cannot be true of a DL/T 645 meter."""
    if profile.min_gap_ms < 0:
        yield "min_gap_ms", "cannot be negative"
    for quantity, register in profile.registers.items():
        for problem in _about(profile, register):
            yield f"registers.{quantity}", problem
    taken: dict[str, str] = {}
    for quantity, register in profile.registers.items():
        if taken.setdefault(register.di, quantity) != quantity:
            yield f"registers.{quantity}", f"{register.di} is {taken[register.di]}"
    for di, quantities in profile.blocks.items():
        if not _is_di(di, profile) or di in taken:
            yield f"blocks.{di}", "must be an identifier of its own, as the registers'"
        for quantity in quantities:
            if quantity not in profile.registers:
                yield f"blocks.{di}", f"{quantity} is no register of this profile"
    if profile.number is not None and not _is_di(profile.number, profile):
        yield "number", "must be an identifier, as the registers'"
    for key, ratio in profile.ratios.items():
        if not _is_di(ratio, profile):
            yield f"ratios.{key}", "must be an identifier, as the registers'"
    for at, freeze in enumerate(profile.freezes):
        for problem in _about_freeze(profile, freeze):
            yield f"freezes[{at}]", problem


def _about(profile: Profile, register: Register) -> Iterator[str]:
    if not _is_di(register.di, profile):
        yield "di must be eight hex digits (2007) or four (1997), in upper case, alike in a profile"
    picture = re.fullmatch(r"-?(X+)(?:\.(X+))?", register.as_)
    if picture is None or len(picture[1] + (picture[2] or "")) % 2:
        yield "as must be a picture of an even number of digits, as XXXXXX.XX or -XX.XXXX"
        return
    last = Fraction(1, 10 ** len(picture[2] or ""))
    if model.is_positive(register.scale) and Fraction(register.scale) not in (last, 1000 * last):
        yield f"scale is what the last digit is worth: {float(last):g}, or {float(1000 * last):g}"


def _about_freeze(profile: Profile, freeze: Freeze) -> Iterator[str]:
    if not 1 <= freeze.depth <= 254:
        yield "depth must be 1 to 254"
    for di in (freeze.time, *freeze.counters.values()):
        if not _is_di(di, profile) or not di.endswith("01"):
            yield f"{di} must be an identifier that ends in 01"
    for quantity in freeze.counters:
        if quantity not in profile.registers or not QUANTITIES[quantity].cumulative:
            yield f"{quantity} is no counter of this profile"


def _is_di(di: str, profile: Profile) -> bool:
    return re.fullmatch(r"[0-9A-F]+", di) is not None and len(di) == (
        8 if profile.edition == "2007" else 4
    )
