"""Modbus TCP, RTU and RTU over TCP: reads of holding (3) and input (4) registers.

~~~toml
driver = "modbus"
transport = "rtu"              # tcp, rtu (a serial port) or rtu_over_tcp (a transparent gateway)
device = "/dev/serial/by-id/usb-FTDI_FT232R_A10K-if00-port0"   # tcp kinds: host and port
baud = 9600
parity = "N"                   # N, E or O
stop_bits = 1
timeout_ms = 500               # for the meter to begin; the time on the wire is added
min_gap_ms = 0                 # silence before each request, if more than 3.5 characters

[meter]
unit_id = 3
~~~
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Annotated, Literal

import msgspec

from edge_agent import line, registers
from edge_agent.drivers import Cost, Wanted
from edge_agent.drivers.modbus.bus import ModbusBus
from edge_agent.profiles.modbus import Profile
from edge_agent.protocols import modbus as codec
from wire.config import Port
from wire.errors import ProfileError

PROTOCOL = "modbus"
_TURN_S = 0.02  # a meter's usual time between request and answer


class Settings(line.Settings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One bus. Times in ms."""

    transport: Literal["tcp", "rtu", "rtu_over_tcp"]
    port: Port = 502

    def __post_init__(self) -> None:
        if self.transport == "rtu" and not self.device:
            raise ValueError('transport "rtu" needs device, the path of the serial port')
        if self.transport != "rtu" and not self.host:
            raise ValueError(f'transport "{self.transport}" needs host')
        super().__post_init__()

    @property
    def framing(self) -> codec.Framing:
        """How frames look on this bus."""
        return "tcp" if self.transport == "tcp" else "rtu"

    @property
    def silence_s(self) -> float:
        """Least silence between two frames; a TCP frame needs none of its own."""
        return self.min_gap_ms / 1000 if self.framing == "tcp" else super().silence_s


class Address(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The meter's unit (slave) number."""

    unit_id: Annotated[int, msgspec.Meta(ge=0, le=255)]


@asynccontextmanager
async def connect(
    settings: Settings, random: Random, now_ms: Callable[[], int]
) -> AsyncIterator[ModbusBus]:
    """The bus, opened by its first read and reopened by later ones, no sooner than it may."""
    bus = ModbusBus(settings, settings.framing, random, now_ms)
    try:
        yield bus
    finally:
        bus.drop()


def cost(settings: Settings, wanted: Wanted) -> Cost:
    """By the physics of the line; over TCP the meter's own time only."""
    if not isinstance(wanted.profile, Profile):
        raise ProfileError(f"{wanted.name}: is not a Modbus profile")
    rest_s = wanted.profile.limits.min_gap_ms / 1000
    seconds = rests_s = 0.0
    blocks = registers.plan(wanted.profile, wanted.quantities)
    for block in blocks:
        request = codec.Request(1, block.fc, block.address, block.count)
        asked = len(codec.request_frame(request, settings.framing))
        wire_s = (asked + codec.answer_length(request, settings.framing)) * settings.character_s
        on_wire_s = 0.0 if settings.framing == "tcp" else wire_s + settings.silence_s
        seconds += on_wire_s + settings.silence_s + _TURN_S
        rests_s += max(0.0, rest_s - settings.silence_s)
    return Cost(len(blocks), seconds, rests_s)
