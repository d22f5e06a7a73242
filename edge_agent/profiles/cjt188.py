"""The shape of a CJ/T 188 meter's profile: one answer, and which of its numbers is which.

`layout` is what the answer to `di` looks like: pictures as in DL/T 645 profiles, with `U` for the
unit byte before or after the digits and `B` for a byte that is passed over. A register names the
number it is, counted from 0. The unit is the one in the answer: `unit` says which is usual.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Literal

from edge_agent.profiles import model
from edge_agent.profiles.model import Meaning

_PICTURE = re.compile(r"U?-?X+(\.X+)?|-?X+(\.X+)?U|B+")


class Register(Meaning, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One quantity: number `field` of the answer."""

    field: int

    @property
    def where(self) -> str:
        """See the base."""
        return f"number {self.field}"


class Profile(model.Profile, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One kind of CJ/T 188 meter: `kind` is the byte T in hex."""

    protocol: Literal["cjt188"] = "cjt188"
    registers: dict[str, Register]
    kind: str
    layout: str
    di: str = "901F"
    min_gap_ms: int = 0

    @property
    def meanings(self) -> Mapping[str, Register]:
        """See the base."""
        return self.registers

    def rules(self) -> Iterator[str]:
        """See the base."""
        yield f"CJ/T 188, kind {self.kind}, {self.di} answers {self.layout}"


def problems(profile: Profile) -> Iterator[tuple[str, str]]:
    """(key, what is wrong with it) for everything that cannot be true of a CJ/T 188 meter."""
    if re.fullmatch(r"[0-9A-F]{2}", profile.kind) is None:
        yield "kind", "must be two hex digits in upper case"
    if re.fullmatch(r"[0-9A-F]{4}", profile.di) is None:
        yield "di", "must be four hex digits in upper case"
    if profile.min_gap_ms < 0:
        yield "min_gap_ms", "cannot be negative"
    pictures = profile.layout.split()
    for picture in pictures:
        if _PICTURE.fullmatch(picture) is None or (picture.count("X") % 2):
            yield "layout", f"{picture} is no picture, as XXXXXX.XXU"
    for quantity, register in profile.registers.items():
        key = f"registers.{quantity}"
        if not 0 <= register.field < len(pictures) or "X" not in pictures[register.field]:
            yield key, "field must be that of a number of the layout, counted from 0"
        if register.decimals is None:
            yield key, "decimals is missing: the unit, and with it the last digit, may differ"
        if register.scale != "1" or register.modulus is not None:
            yield key, "scale and modulus cannot be told: the answer says the unit"
