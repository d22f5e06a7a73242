"""Meters of any protocol on one cable, told apart as their protocol does."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from edge_agent.profiles import Profile, dlt645, modbus
from edge_agent.protocols.modbus import Framing
from simulators.slaves import Party, Source
from simulators.slaves.dlt645 import Dlt645Meter, Dlt645Party
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
    by_digits: list[Dlt645Meter] = []
    for name, number, profile, source in fitted:
        if isinstance(profile, modbus.Profile):
            registers[number] = ModbusMeter(name, profile, source)
        elif isinstance(profile, dlt645.Profile):
            address, edition = digits(number), profile.edition
            by_digits.append(Dlt645Meter(name, address, source, edition=edition, since_ms=since_ms))
        else:
            raise ProfileError(f"{name}: no simulated meter speaks {profile.protocol}")
    out: list[Party[Any]] = [ModbusParty(registers, framing)] if registers else []
    return [*out, Dlt645Party(by_digits)] if by_digits else out


def digits(number: int) -> str:
    """The address of a DL/T 645 meter of that number."""
    return f"{number:012d}"
