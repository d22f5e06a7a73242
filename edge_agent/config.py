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

`edge_agent/enrolment.py` shows what a gateway that gets its certificate by a code is told besides.
What says which meter of a bus is meant (`unit_id` here) is the driver's own. Pulse and 4-20 mA
inputs have no profile; `edge_agent/inputs.py` shows how they are told.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec

from edge_agent import counters, drivers, inputs, profiles
from edge_agent.device import BOUND_BY_POWER, bounds
from edge_agent.drivers import Driver, Wanted
from edge_agent.enrolment import Enrol
from edge_agent.inputs import Input
from edge_agent.profiles import Profile
from edge_agent.scaling import scaling
from wire import config
from wire.errors import BadData, ConfigError, ProfileError
from wire.mqtt import Broker
from wire.quantities import QUANTITIES, register_id
from wire.signing import PublicKey
from wire.topics import id_problem, is_meter

# Read where the configuration names nothing: the counter accounts stand on, the first its model
# has, and what a page shows beside it.
USUAL_COUNTERS = (
    *("active_energy_import", "heat_energy", "cooling_energy", "gas_normal_volume", "gas_volume"),
    *("air_normal_volume", "air_volume", "steam_mass", "fuel_volume", "water_volume"),
)
USUAL_BESIDE = ("active_power", "flow", "mass_flow")
_RANGES = {
    "publish_interval_s": (0.05, 3600.0),
    "commit_interval_s": (0.05, 60.0),
    "keep_days": (0.0, 36_500.0),
}
_INTERVALS_S = 0.001, 86_400.0
_MOST_DECIMALS = 18  # a segment carries no more


class Meter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One meter of this site, but for what says where on its bus it is.

    `ct` and `pt` are the transformer ratios as decimal strings; they are applied to profiles
    that give values of the secondary side only. `rated_power_w` bounds what can be believed of
    energies, `rated_flow_per_h` (a decimal string in the quantity's unit) of every other counter.
    """

    bus: str
    profile: str = ""
    inputs: dict[str, Input] = {}
    rated_power_w: int | None = None
    rated_flow_per_h: str | None = None
    interval_s: float = 1.0
    quantities: tuple[str, ...] = ()
    ct: str = "1"
    pt: str = "1"
    allow_unverified: bool = False


class AgentConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `agent.toml`.

    `quota_mb` bounds the store, `keep_days` how long it keeps what was signed for (see `room`).
    `self_metrics_s`: how often the gateway sends readings of itself, under its own name; 0: never.
    `metrics_file` and `metrics_socket` (a Unix socket): where Prometheus finds the same and more.
    """

    site: str
    gateway: str
    state: Path
    receipt_key_file: Path
    buses: dict[str, dict[str, Any]]
    meters: dict[str, dict[str, Any]]
    broker: Broker = Broker()
    enrol: Enrol | None = None
    boundary_s: int = 900
    publish_interval_s: float = 1.0
    commit_interval_s: float = 0.25
    keep_days: float = 7.0
    quota_mb: int = 512
    self_metrics_s: int = 60
    metrics_file: Path | None = None
    metrics_socket: Path | None = None


class Metered(msgspec.Struct, frozen=True):
    """A meter whose every name has been found."""

    bus: str
    interval_ms: int
    wanted: Wanted
    bounds: Mapping[str, counters.Register]


class Plan(msgspec.Struct, frozen=True):
    """A configuration whose every name has been found: ready to run."""

    config: AgentConfig
    receipt_keys: tuple[PublicKey, ...]
    buses: Mapping[str, tuple[Driver, Any]]
    meters: Mapping[str, Metered]

    def on(self, bus: str) -> dict[str, Metered]:
        """The meters of one bus, by name."""
        return {name: metered for name, metered in self.meters.items() if metered.bus == bus}


def load(path: Path) -> Plan:
    """The configuration in `path`. Raises ConfigError for the first problem; see `problems`."""
    plan, told = _read(path)
    for problem in told:
        raise problem
    if plan is None:
        raise AssertionError("no plan and no problem")
    return plan


def problems(path: Path) -> list[ConfigError]:
    """Everything wrong with the configuration in `path`; opens no connection."""
    return _read(path)[1]


def quantities(meter: Meter, profile: Profile) -> tuple[str, ...]:
    """What is read of a meter: what its table names, else the usual ones its model has."""
    if named := meter.quantities or tuple(meter.inputs):
        return named
    counters_ = [q for q in USUAL_COUNTERS if q in profile.meanings]
    return (*counters_[:1], *(q for q in USUAL_BESIDE if q in profile.meanings))


def _read(path: Path) -> tuple[Plan | None, list[ConfigError]]:
    """The plan, or what is wrong with the configuration, each problem once."""
    told = _Problems(path)
    try:
        found = config.load(path, AgentConfig)
    except ConfigError as exc:
        return None, [exc]
    for key in ("site", "gateway"):
        if problem := id_problem(getattr(found, key)):
            told.add(key, problem)
    keys = _receipt_keys(found, told)
    if not found.meters:
        told.add("meters", "names no meter; add [meters.NAME]")
    for name in found.meters:
        if not is_meter(name):
            told.add(f"meters.{name}", "a meter's name is letters, digits, . _ and -")
    if found.gateway in found.meters:
        told.add(f"meters.{found.gateway}", "is the gateway's own name, for readings of itself")
    for key, (least, most) in _RANGES.items():
        if not least <= getattr(found, key) <= most:
            told.add(key, f"must be {least:g} to {most:g}")
    if found.self_metrics_s != 0 and found.self_metrics_s < 10:
        told.add("self_metrics_s", "must be 0 (never), or 10 at least")
    if found.quota_mb < 4:
        told.add("quota_mb", "must be 4 at least; 150 hold a month of 20 meters read every 10 s")
    if found.boundary_s < 1 or 86_400 % found.boundary_s:
        told.add("boundary_s", "must divide a day, as 900 does")
    with told:
        config.readable(found.broker, path, "broker")
    buses: dict[str, tuple[Driver, Any]] = {}
    for name, table in found.buses.items():
        with told:
            buses[name] = drivers.configure(table, path, f"buses.{name}")
    _ports(told, buses)
    meters: dict[str, Metered] = {}
    models: dict[tuple[str, bool], Profile] = {}
    for name, table in found.meters.items():
        if table.get("bus") in buses or table.get("bus") not in found.buses:
            with told:
                meters[name] = _metered(told, buses, models, name, table)
    _intervals(told, meters, 1000 * found.boundary_s)
    _places(told, buses, meters)
    if told.list:
        return None, told.list
    return Plan(found, keys, buses, meters), []


class _Problems:
    """Collects problems; as a context manager it collects the one that ends its block."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.list: list[ConfigError] = []

    def add(self, key: str, problem: str) -> None:
        self.list.append(config.refuse(self.path, key, problem))

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, exc: BaseException | None, _trace: object) -> bool:
        if not isinstance(exc, ConfigError):
            return False
        self.list.append(exc)
        return True


def _receipt_keys(found: AgentConfig, told: _Problems) -> tuple[PublicKey, ...]:
    """A line each: the one in use, and the one to come."""
    try:
        text = config.read_secret(found.receipt_key_file)
        return tuple(PublicKey.parse(line) for line in text.splitlines())
    except ConfigError as exc:
        cure = (
            "edge-agent enrol brings it" if found.enrol else "the ingestor prints it: ingestor key"
        )
        told.add("receipt_key_file", f"{exc}; {cure}")
    except BadData as exc:
        told.add("receipt_key_file", f"{found.receipt_key_file}: {exc}")
    return ()


def _metered(
    told: _Problems,
    buses: Mapping[str, tuple[Driver, Any]],
    models: dict[tuple[str, bool], Profile],
    name: str,
    table: Mapping[str, Any],
) -> Metered:
    """One meter, with lesser problems told; raises ConfigError for one that ends the reading."""
    where = f"meters.{name}"
    ours = Meter.__struct_fields__
    common = {key: value for key, value in table.items() if key in ours}
    rest = {key: value for key, value in table.items() if key not in common}
    meter = config.convert(common, Meter, str(told.path), where)
    if meter.bus not in buses:
        known = ", ".join(sorted(buses)) or "none"
        raise config.refuse(told.path, f"{where}.bus", f"no bus {meter.bus!r}; known: {known}")
    driver, _ = buses[meter.bus]
    address = config.convert(rest, driver.Address, str(told.path), where, ours)
    profile = _profile(told.path, where, meter, driver, models)
    asked = quantities(meter, profile)
    before = len(told.list)
    for key, problem in (
        *_wrong_numbers(meter, [q for q in asked if q in profile.meanings]),
        *_wrong_quantities(meter, profile),
    ):
        told.add(f"{where}.{key}", problem)
    if len(told.list) > before:
        raise told.list.pop()
    flow = Fraction(meter.rated_flow_per_h) if meter.rated_flow_per_h else None
    ratios = Fraction(meter.ct), Fraction(meter.pt)
    wanted = Wanted(name, profile, address, asked, *ratios, meter.profile)
    for quantity in asked:
        if (
            -scaling(quantity, profile.meanings[quantity], wanted.ct, wanted.pt).exponent
            > _MOST_DECIMALS
        ):
            problem = f"with ct and pt {quantity} has more decimals than {_MOST_DECIMALS}"
            raise config.refuse(told.path, where, problem)
    limits = bounds(wanted, meter.rated_power_w, flow)
    return Metered(meter.bus, round(1000 * meter.interval_s), wanted, limits)


def _wrong_numbers(meter: Meter, asked: Iterable[str]) -> Iterator[tuple[str, str]]:
    if not _INTERVALS_S[0] <= meter.interval_s <= _INTERVALS_S[1]:
        yield "interval_s", "must be above 0: {:g} to {:g}".format(*_INTERVALS_S)
    for key in ("ct", "pt", "rated_flow_per_h"):
        if (text := getattr(meter, key)) is not None and not _is_ratio(text):
            yield key, 'is a decimal string above 0: "40"'
    units = [QUANTITIES[q].unit for q in asked if QUANTITIES[q].cumulative]
    energy = any(unit in BOUND_BY_POWER for unit in units)
    power_w = meter.rated_power_w
    if (energy and power_w is None) or (power_w is not None and power_w <= 0):
        yield "rated_power_w", "must be above 0: the most its load draws bounds what is believed"
    if any(unit not in BOUND_BY_POWER for unit in units) and meter.rated_flow_per_h is None:
        yield "rated_flow_per_h", 'is missing: the most that flows in an hour, as "160"'


def _wrong_quantities(meter: Meter, profile: Profile) -> Iterator[tuple[str, str]]:
    for quantity in meter.quantities:
        if quantity not in QUANTITIES:
            yield "quantities", f"unknown {quantity!r}"
        elif quantity not in profile.meanings:
            yield "quantities", f"profile {meter.profile or 'inputs'} has no {quantity}"
    booked: dict[str, str] = {}
    for quantity in meter.quantities or meter.inputs:
        if quantity in QUANTITIES and (id_ := register_id("", quantity)) is not None:
            other = booked.setdefault(id_, quantity)
            if other != quantity:
                yield (
                    "quantities",
                    f"{other} and {quantity} would be one register of the site; name one",
                )


def _intervals(told: _Problems, meters: Mapping[str, Metered], boundary_ms: int) -> None:
    """A register must be read often enough for its turns to be told from falls."""
    for name, metered in meters.items():
        for quantity, register in metered.bounds.items():
            longest_ms = counters.longest_ms(register)
            if longest_ms is not None and min(metered.interval_ms, boundary_ms) > longest_ms:
                problem = f"must be {longest_ms // 1000} at most: {quantity} starts again so soon"
                told.add(f"meters.{name}.interval_s", problem)


def _ports(told: _Problems, buses: Mapping[str, tuple[Driver, Any]]) -> None:
    """A serial port has one owner; two protocols on one pair of wires would disturb each other."""
    taken: dict[str, str] = {}
    for name, (_, settings) in buses.items():
        device = getattr(settings, "device", "")
        other = taken.setdefault(device, name) if device else name
        if other != name:
            cure = "name its meters there, or give them a port of their own"
            told.add(f"buses.{name}.device", f"is the port of buses.{other}: {cure}")


def _places(
    told: _Problems, buses: Mapping[str, tuple[Driver, Any]], meters: Mapping[str, Metered]
) -> None:
    """Two meters at one place, be it under two names of one bus; inputs of one I/O module may share
    its address, but no register."""
    taken: dict[object, str] = {}
    for name, metered in meters.items():
        address, profile = metered.wanted.address, metered.wanted.profile
        line = getattr(buses[metered.bus][1], "place", metered.bus)
        spots: list[object] = [None]
        if profile.model == inputs.MODEL:
            spots = [meaning.where for meaning in profile.meanings.values()]
        for spot in spots:
            other = taken.setdefault((line, address, spot), name)
            if other != name:
                keys = ", ".join(address.__struct_fields__)
                problem = f"is where {other} is, on bus {meters[other].bus}"
                told.add(f"meters.{name}.{keys}", problem + (f": {spot}" if spot else ""))


def _profile(
    path: Path,
    where: str,
    meter: Meter,
    driver: Driver,
    models: dict[tuple[str, bool], Profile],
) -> Profile:
    if bool(meter.profile) == bool(meter.inputs):
        raise config.refuse(path, f"{where}.profile", "is missing (or inputs; not both)")
    if meter.inputs:
        try:
            return inputs.profile(meter.inputs)
        except ProfileError as exc:
            raise ConfigError(f"{path}: {where}.inputs.{exc}") from exc
    try:
        key = meter.profile, meter.allow_unverified
        if key not in models:
            models[key] = profiles.load(meter.profile, allow_unverified=meter.allow_unverified)
    except ProfileError as exc:
        raise config.refuse(path, f"{where}.profile", str(exc)) from exc
    if models[key].protocol != driver.PROTOCOL:
        problem = f"is for {models[key].protocol}; bus {meter.bus} speaks {driver.PROTOCOL}"
        raise config.refuse(path, f"{where}.profile", problem)
    return models[key]


def _is_ratio(text: str) -> bool:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return False
    return number.is_finite() and number > 0 and abs(number.adjusted()) <= _MOST_DECIMALS
