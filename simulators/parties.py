"""Meters of any protocol on one cable, told apart as their protocol does."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from edge_agent.profiles import Profile, cjt188, dlt645, mbus, modbus
from edge_agent.protocols.modbus import Framing
from simulators.slaves import Party, Source
from simulators.slaves.cjt188 import Cjt188Meter, Cjt188Party
from simulators.slaves.dlt645 import Dlt645Meter, Dlt645Party
from simulators.slaves.mbus import MBusMeter, MBusParty
from simulators.slaves.modbus import ModbusMeter, ModbusParty
from wire.errors import ProfileError


class Fitted(NamedTuple):
    """A meter of model `profile` where it hangs: its number on the cable, and what it measures."""

    name: str
    number: int
    profile: Profile
    source: Source


def parties(fitted: Iterable[Fitted], framing: Framing, since_ms: int = 0) -> list[Party[Any]]:
    """The meters of one cable by protocol, and since when those that do remember.

    Raises ProfileError for one that none here speaks.
    """
    registers: dict[int, ModbusMeter] = {}
    electricity: list[Dlt645Meter] = []
    bus: list[MBusMeter] = []
    flows: list[Cjt188Meter] = []
    for name, number, profile, source in fitted:
        if isinstance(profile, modbus.Profile):
            registers[number] = ModbusMeter(name, profile, source)
        elif isinstance(profile, dlt645.Profile):
            meter = Dlt645Meter(
                *(name, digits(number), source), edition=profile.edition, since_ms=since_ms
            )
            electricity.append(meter)
        elif isinstance(profile, mbus.Profile):
            bus.append(MBusMeter(name, number, profile, source))
        elif isinstance(profile, cjt188.Profile):
            flows.append(Cjt188Meter(name, digits(number, 14), profile, source))
        else:
            raise ProfileError(f"{name}: no simulated meter speaks {profile.protocol}")
    out: list[Party[Any]] = [ModbusParty(registers, framing)] if registers else []
    out += [Dlt645Party(electricity)] if electricity else []
    out += [MBusParty(bus)] if bus else []
    return [*out, Cjt188Party(flows)] if flows else out


def digits(number: int, width: int = 12) -> str:
    """The address of a meter of that number where it is written in digits, as in DL/T 645."""
    return f"{number:0{width}d}"


def address(protocol: str, number: int) -> dict[str, int | str]:
    """What an agent is told of the meter of that number: the key and the value of its table."""
    told: dict[str, dict[str, int | str]] = {
        "modbus": {"unit_id": number},
        "mbus": {"address": number},
        "dlt645": {"address": digits(number)},
        "cjt188": {"address": digits(number, 14)},
    }
    return told[protocol]
