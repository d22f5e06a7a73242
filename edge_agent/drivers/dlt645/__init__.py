"""DL/T 645-2007, and reads of the edition of 1997: the electricity meters of China.

~~~toml
driver = "dlt645"
device = "/dev/serial/by-id/usb-FTDI_FT232R_A10K-if00-port0"   # or host and port of a serial server
baud = 2400                    # 1200 for most meters of 1997, 9600 for some newer ones
parity = "E"
timeout_ms = 1000              # a meter may take 500 ms to begin; the time on the wire is added
preamble = 4                   # bytes FE that wake the line before a request

[meter]
address = "000000000161"       # the twelve digits on its face; shorter numbers with zeros before
~~~

Values are what the meter shows: behind transformers those of the secondary side, so `ct` and `pt`
belong into the meter's table. Nothing is ever written: neither clocks nor tariffs nor freezes.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Annotated, Literal

import msgspec

from edge_agent import line
from edge_agent.drivers import Cost, Wanted
from edge_agent.drivers.dlt645.bus import Dlt645Bus
from edge_agent.drivers.dlt645.meter import plan, profile_of
from edge_agent.protocols import dlt645 as codec

PROTOCOL = "dlt645"
_TURN_S = 0.02  # the least a meter may take


class Settings(line.Settings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One bus. Times in ms."""

    baud: int = 2400
    parity: Literal["N", "E", "O"] = "E"
    preamble: Annotated[int, msgspec.Meta(ge=0, le=4)] = 4


class Address(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The meter's twelve digits."""

    address: str

    def __post_init__(self) -> None:
        if not (len(self.address) == 12 and self.address.isdecimal()):
            raise ValueError('address is twelve digits in quotes, as "000000000161"')
        if self.address == codec.BROADCAST:
            raise ValueError("address 999999999999 means every meter, and none answers")


@asynccontextmanager
async def connect(
    settings: Settings, random: Random, now_ms: Callable[[], int]
) -> AsyncIterator[Dlt645Bus]:
    """The bus, opened by its first read and reopened by later ones, no sooner than it may."""
    bus = Dlt645Bus(settings, settings.preamble, random, now_ms)
    try:
        yield bus
    finally:
        bus.drop()


def cost(settings: Settings, wanted: Wanted) -> Cost:
    """By the physics of the line."""
    profile = profile_of(wanted)
    seconds = rest_s = 0.0
    asks = plan(profile, wanted.quantities)
    for ask in asks:
        request = codec.read(wanted.address.address, ask.di)
        asked = len(codec.request_frame(request, settings.preamble))
        answer = codec.answer_length(request, ask.layout) + settings.preamble
        seconds += (asked + answer) * settings.character_s + _TURN_S + settings.silence_s
        rest_s += max(0.0, profile.min_gap_ms / 1000 - settings.silence_s)
    return Cost(len(asks), seconds, rest_s)
