"""IEC 62056-21: read-outs over an optical head, RS-485 or a current loop, in modes A, B and C.

~~~toml
driver = "iec62056_21"
device = "/dev/serial/by-id/usb-Silicon_Labs_CP2104-if00-port0"   # or host and port of a gateway
baud = 300                     # at which the meter is greeted
switch_speed = true            # then go on as fast as it offers; a gateway stays as it is set
timeout_ms = 2000              # for the meter to begin, and the longest pause in what it says

[meter]
address = "03878504"           # its own number; left out where it is alone
~~~

The port stays at 8 bits without parity: 7 bits and even parity are made here.
One read-out gives everything, and may take a minute at 300 baud: ask seldom. Its values have the
time at which it began, which is when the meter had them.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Annotated, Literal

import msgspec

from edge_agent import line
from edge_agent.bus import Cost, Wanted
from edge_agent.drivers.iec62056_21.bus import IecBus
from edge_agent.profiles.iec62056_21 import Profile
from wire.errors import ProfileError

PROTOCOL = "iec62056_21"
_GREETED = 30  # characters of request, identification and acknowledgement
_TOLD = 800  # characters of a usual read-out
_OFFERED = 4800  # a usual speed
_PAUSES_S = 0.8


class Settings(line.Settings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One bus. Times in ms."""

    baud: int = 300
    parity: Literal["N"] = "N"
    stop_bits: Literal[1] = 1
    timeout_ms: int = 2000
    switch_speed: bool = True

    @property
    def follows(self) -> bool:
        """Can the line go on at the speed the meter offers?"""
        return self.switch_speed and bool(self.device)


class Address(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The meter's own number, if it is not alone."""

    address: Annotated[str, msgspec.Meta(pattern="^[0-9A-Za-z ]{0,32}$")] = ""


@asynccontextmanager
async def connect(
    settings: Settings, random: Random, now_ms: Callable[[], int]
) -> AsyncIterator[IecBus]:
    """The bus, opened by its first request and reopened by later ones, no sooner than it may."""
    bus = IecBus(settings, random, now_ms, follows=settings.follows)
    try:
        yield bus
    finally:
        bus.drop()


def cost(settings: Settings, wanted: Wanted) -> Cost:
    """See edge_agent.drivers."""
    if not isinstance(wanted.profile, Profile):
        raise ProfileError(f"{wanted.name}: is no profile for IEC 62056-21")
    greeted_s = (_GREETED + wanted.profile.wake_up) * settings.character_s
    baud = _OFFERED if settings.follows else settings.baud
    return Cost(1, greeted_s + _PAUSES_S + _TOLD * 10 / baud)
