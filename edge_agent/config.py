"""What an agent is told: who it is, its broker, its buses and the meters on them.

~~~toml
site = "cq-wheel"
gateway = "gw-1"
state = "/var/lib/wattprint"                 # store and signing key
receipt_key_file = "/etc/wattprint/receipt.key.pub"

[broker]
host = "broker.example"
port = 8883

[buses.line-a]                               # the keys after `driver` are the driver's own
driver = "modbus"
transport = "rtu"
device = "/dev/serial/by-id/usb-FTDI_0001"
baud = 9600

[meters.m-press-1]
bus = "line-a"
unit_id = 3
profile = "eastron_sdm630"
rated_power_w = 48000
interval_s = 1
~~~
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import msgspec

from edge_agent import drivers, profiles
from edge_agent.drivers import Driver
from edge_agent.profiles import Profile
from wire import config
from wire.errors import BadData, ConfigError, ProfileError
from wire.mqtt import Broker
from wire.quantities import QUANTITIES
from wire.signing import PublicKey
from wire.topics import is_id

# Read where the configuration names nothing: what accounts stand on, and what a page shows.
USUAL_QUANTITIES = ("active_energy_import", "active_power")


class Meter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One meter of this site: where it hangs and what is to be read of it.

    `ct` and `pt` are the transformer ratios as decimal strings; they are applied to profiles
    that give values of the secondary side only. `rated_power_w` bounds what can be believed.
    """

    bus: str
    unit_id: int
    profile: str
    rated_power_w: int
    interval_s: float = 1.0
    quantities: tuple[str, ...] = ()
    ct: str = "1"
    pt: str = "1"
    allow_unverified: bool = False


class AgentConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `agent.toml`."""

    site: str
    gateway: str
    state: Path
    receipt_key_file: Path
    buses: dict[str, dict[str, Any]]
    meters: dict[str, Meter]
    broker: Broker = Broker()
    publish_interval_s: float = 1.0
    commit_interval_s: float = 0.25
    keep_days: float = 7.0


class Plan(msgspec.Struct, frozen=True):
    """A configuration whose every name has been found: ready to run."""

    config: AgentConfig
    receipt_key: PublicKey
    buses: Mapping[str, tuple[Driver, Any]]
    profiles: Mapping[str, Profile]


def load(path: Path) -> Plan:
    """The configuration in `path`. Raises ConfigError for the first problem; see `problems`."""
    for problem in problems(path):
        raise problem
    found = config.load(path, AgentConfig)
    return Plan(
        found,
        PublicKey.parse(config.read_secret(found.receipt_key_file)),
        {name: _bus(path, name, table) for name, table in found.buses.items()},
        {name: _profile(path, name, meter) for name, meter in found.meters.items()},
    )


def problems(path: Path) -> list[ConfigError]:
    """Everything wrong with the configuration in `path`; opens no connection."""
    try:
        found = config.load(path, AgentConfig)
    except ConfigError as exc:
        return [exc]
    told: list[ConfigError] = []
    for key in ("site", "gateway"):
        if not is_id(getattr(found, key)):
            told.append(config.refuse(path, key, "is lower-case letters, digits, _ and -"))
    try:
        PublicKey.parse(config.read_secret(found.receipt_key_file))
    except ConfigError as exc:
        told.append(config.refuse(path, "receipt_key_file", str(exc)))
    except BadData as exc:
        told.append(config.refuse(path, "receipt_key_file", f"{found.receipt_key_file}: {exc}"))
    if not found.meters:
        told.append(config.refuse(path, "meters", "names no meter; add [meters.NAME]"))
    for name, table in found.buses.items():
        told += _tried(_bus, path, name, table)
    for name, meter in found.meters.items():
        told += _meter_problems(path, found, name, meter)
    return told


def quantities(meter: Meter, profile: Profile) -> tuple[str, ...]:
    """What is read of a meter: what its table names, else the usual ones its model has."""
    return meter.quantities or tuple(q for q in USUAL_QUANTITIES if q in profile.registers)


def _meter_problems(path: Path, found: AgentConfig, name: str, meter: Meter) -> list[ConfigError]:
    where = f"meters.{name}"
    told: list[ConfigError] = []
    if meter.bus not in found.buses:
        known = ", ".join(sorted(found.buses)) or "none"
        told.append(config.refuse(path, f"{where}.bus", f"no bus {meter.bus!r}; known: {known}"))
    if meter.interval_s <= 0:
        told.append(config.refuse(path, f"{where}.interval_s", "must be above 0"))
    if meter.rated_power_w <= 0:
        told.append(config.refuse(path, f"{where}.rated_power_w", "must be above 0"))
    for key in ("ct", "pt"):
        if not _is_ratio(getattr(meter, key)):
            told.append(config.refuse(path, f"{where}.{key}", 'is a decimal string above 0: "40"'))
    for other, its in found.meters.items():
        if other < name and (its.bus, its.unit_id) == (meter.bus, meter.unit_id):
            problem = f"{meter.unit_id} is also {other} on bus {meter.bus}"
            told.append(config.refuse(path, f"{where}.unit_id", problem))
    told += (failed := _tried(_profile, path, name, meter))
    if not failed:
        registers = _profile(path, name, meter).registers
        for quantity in meter.quantities:
            if quantity not in QUANTITIES:
                told.append(config.refuse(path, f"{where}.quantities", f"unknown {quantity!r}"))
            elif quantity not in registers:
                problem = f"profile {meter.profile} has no {quantity}"
                told.append(config.refuse(path, f"{where}.quantities", problem))
    return told


def _bus(path: Path, name: str, table: Mapping[str, object]) -> tuple[Driver, Any]:
    return drivers.configure(table, path, f"buses.{name}")


def _profile(path: Path, name: str, meter: Meter) -> Profile:
    try:
        return profiles.load(meter.profile, allow_unverified=meter.allow_unverified)
    except ProfileError as exc:
        raise config.refuse(path, f"meters.{name}.profile", str(exc)) from exc


def _tried(find: Any, *arguments: object) -> list[ConfigError]:
    try:
        find(*arguments)
    except ConfigError as exc:
        return [exc]
    return []


def _is_ratio(text: str) -> bool:
    try:
        return Decimal(text).is_finite() and Decimal(text) > 0
    except InvalidOperation:
        return False
