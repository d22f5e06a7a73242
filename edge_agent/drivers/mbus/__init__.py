"""Wired M-Bus over a level converter, on a serial port or behind a transparent TCP gateway.

~~~toml
driver = "mbus"
device = "/dev/serial/by-id/usb-FTDI_FT232R_A10K-if00-port0"   # or host and port of a gateway
baud = 2400
parity = "E"                   # the standard's; some gateways want N
timeout_ms = 500               # for the meter to begin; the time on the wire is added

[meter]
address = 5                    # 0 to 250; or the secondary address, 8 or 16 digits:
# secondary = "06855817"       # F leaves a digit open
~~~

A meter tells all it knows in one telegram, some in several: each is one request, and the values of
one telegram share its time. Many run on a battery: every telegram costs them, so ask seldom.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Annotated, Literal

import msgspec

from edge_agent import line
from edge_agent.bus import Cost, Wanted
from edge_agent.drivers.mbus.bus import MBusBus
from edge_agent.profiles.mbus import Profile
from edge_agent.protocols import mbus as codec
from wire.errors import ProfileError

PROTOCOL = "mbus"
_TURN_S = 0.05  # between request and answer; the standard allows up to 0.19 s at 2400 baud
_REQUESTS = 2  # a reset or a selection, and the request itself
_ASKED, _TOLD = 30, 128  # characters of one round: sent, and in a telegram of a usual meter


class Settings(line.Settings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One bus. Times in ms."""

    baud: int = 2400
    parity: Literal["N", "E", "O"] = "E"
    timeout_ms: int = 500


class Address(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The meter's primary address, or its secondary one."""

    address: Annotated[int, msgspec.Meta(ge=0, le=codec.MAX_PRIMARY)] | None = None
    secondary: str | None = None

    def __post_init__(self) -> None:
        if (self.address is None) == (self.secondary is None):
            raise ValueError("needs either address, 0 to 250, or secondary, 8 or 16 digits")
        if self.secondary is not None:
            codec.parse_secondary(self.secondary)


@asynccontextmanager
async def connect(
    settings: Settings, random: Random, now_ms: Callable[[], int]
) -> AsyncIterator[MBusBus]:
    """The bus, opened by its first request and reopened by later ones, no sooner than it may."""
    bus = MBusBus(settings, random, now_ms)
    try:
        yield bus
    finally:
        bus.drop()


def cost(settings: Settings, wanted: Wanted) -> Cost:
    """See edge_agent.drivers."""
    if not isinstance(wanted.profile, Profile):
        raise ProfileError(f"{wanted.name}: is not an M-Bus profile")
    pauses_s = _REQUESTS * (_TURN_S + settings.silence_s)
    return Cost(_REQUESTS, (_ASKED + _TOLD) * settings.character_s + pauses_s)
