"""CJ/T 188-2004: water, heat and gas meters of China.

~~~toml
driver = "cjt188"
device = "/dev/serial/by-id/usb-FTDI_FT232R_A10K-if00-port0"   # or host and port of a serial server
baud = 2400
parity = "E"
timeout_ms = 1000              # for the meter to begin; the time on the wire is added
preamble = 3                   # bytes FE that wake the line before a request

[meter]
address = "00201510270588"     # the fourteen digits on its face
# kind = "11"                  # the type byte, where it differs from the profile's
# di_reversed = true           # which byte of 901F goes first: found out where nothing is said
~~~

One request brings everything a meter tells. Nothing is ever written: no valve moves, no clock is set.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Annotated, Literal

import msgspec

from edge_agent import line
from edge_agent.drivers import Cost, Wanted
from edge_agent.drivers.cjt188.bus import Cjt188Bus
from edge_agent.drivers.cjt188.meter import profile_of
from edge_agent.protocols import cjt188 as codec

PROTOCOL = "cjt188"
_TURN_S = 0.02
_REQUEST = 16  # bytes of a request without preamble


class Settings(line.Settings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One bus. Times in ms."""

    baud: int = 2400
    parity: Literal["N", "E", "O"] = "E"
    preamble: Annotated[int, msgspec.Meta(ge=0, le=4)] = 3


class Address(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The meter's fourteen digits, and how it differs from its profile."""

    address: str
    kind: str | None = None
    di_reversed: bool | None = None

    def __post_init__(self) -> None:
        if not (len(self.address) == 14 and self.address.isdecimal()):
            raise ValueError('address is fourteen digits in quotes, as "00201510270588"')
        digits = set("0123456789ABCDEF")
        if self.kind is not None and not (len(self.kind) == 2 and digits.issuperset(self.kind)):
            raise ValueError('kind is two hex digits in quotes, as "11"')


@asynccontextmanager
async def connect(
    settings: Settings, random: Random, now_ms: Callable[[], int]
) -> AsyncIterator[Cjt188Bus]:
    """The bus, opened by its first read and reopened by later ones, no sooner than it may."""
    bus = Cjt188Bus(settings, settings.preamble, random, now_ms)
    try:
        yield bus
    finally:
        bus.drop()


def cost(settings: Settings, wanted: Wanted) -> Cost:
    """By the physics of the line."""
    profile = profile_of(wanted)
    size = 2 * settings.preamble + _REQUEST + codec.answer_length(profile.layout)
    seconds = size * settings.character_s + _TURN_S + settings.silence_s
    return Cost(1, seconds, max(0.0, profile.min_gap_ms / 1000 - settings.silence_s))
