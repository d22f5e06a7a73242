"""What a scan tries: settings of a serial port, hosts of a network, or a configured bus. Pure."""

import ipaddress
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

from edge_agent import drivers, line
from edge_agent.config import Plan
from edge_agent.field import diagnosis, paste, ports
from edge_agent.field.sweep import Target
from edge_agent.profiles import Profile
from wire.errors import ConfigError

Units = tuple[int, int]

_ON_A_LINE: Units = (1, 247)
_ANY_UNIT = ((1, 1), (255, 255), (0, 0))  # what meters behind their own network port listen to
_MOST_HOSTS = 65_536


def serial_port(
    driver: str,
    device: str,
    bauds: Sequence[int],
    parities: Sequence[str],
    units: Units | None,
    timeout_ms: int | None,
    known: Mapping[str, Profile],
    by_id: Path = ports.BY_ID,
) -> list[Target]:
    """One target a setting; those of the factories where none is given, the most frequent first."""
    lasting, keys = ports.lasting(device, by_id), _keys(driver)
    found = []
    for setting in _given(bauds, parities) or _factory(known):
        table: dict[str, object] = {"driver": driver}
        if "transport" in keys:
            table["transport"] = "rtu"
        table |= {"device": lasting, **setting}
        settings = _settings(table, timeout_ms)
        table |= {"baud": settings.baud, "parity": settings.parity}
        where = f"{diagnosis.setting(settings)} on {lasting}"
        found.append(Target(where, "line-1", table, settings, (units or _ON_A_LINE,)))
    return found


def network(
    driver: str,
    hosts: str,
    port: int | None,
    transport: str | None,
    units: Units | None,
    timeout_ms: int | None,
) -> list[Target]:
    """One target a host."""
    has_transport = "transport" in _keys(driver)
    table: dict[str, object] = {"driver": driver}
    if has_transport:
        table["transport"] = transport or "tcp"
    elif transport:
        raise ConfigError(f"scan: --transport: driver {driver} has none")
    table |= {"port": port} if port else {}
    free = table.get("transport") == "tcp"
    ranges: Sequence[Units] = (
        (*_ANY_UNIT, *([units] if units else [])) if free else (units or _ON_A_LINE,)
    )
    found = []
    for host in _hosts(hosts):
        mine = {**table, "host": host}
        settings = _settings(mine, timeout_ms)
        mine["port"] = settings.port
        name = paste.bus_name(host)
        one = free and units is None
        found.append(Target(settings.place, name, mine, settings, ranges, one=one))
    return found


def configured(plan: Plan, bus: str, units: Units | None) -> Target:
    """A bus of the configuration."""
    if bus not in plan.buses:
        known = ", ".join(plan.buses)
        raise ConfigError(f"scan: --bus: no such bus {bus!r}; known: {known}")
    _, settings = plan.buses[bus]
    meters = {diagnosis.place(m.wanted.address): name for name, m in plan.on(bus).items()}
    setting = diagnosis.setting(settings)
    where = f"{setting} on {bus}" if setting else bus
    ranges = (units or _ON_A_LINE,)
    return Target(where, bus, {}, settings, ranges, configured=True, meters=meters)


def _keys(driver: str) -> Sequence[str]:
    """What a bus of this driver can be told. Raises ConfigError if it has no line to search."""
    settings = drivers.load(driver).Settings
    if not issubclass(settings, line.Settings):
        raise ConfigError(f"scan: --driver: {driver} has no line; its meters speak for themselves")
    return settings.__struct_fields__


def _settings(table: Mapping[str, object], timeout_ms: int | None) -> line.Settings:
    """The bus of this table. Raises ConfigError."""
    patience = {"timeout_ms": timeout_ms} if timeout_ms else {}
    _, settings = drivers.configure({**table, **patience}, "scan", "bus")
    if not isinstance(settings, line.Settings):
        raise ConfigError(f"scan: --driver: {table['driver']} has no line")
    return settings


def _given(bauds: Sequence[int], parities: Sequence[str]) -> list[dict[str, object]]:
    """Every speed with every parity; what is not given is the driver's own."""
    speeds: list[dict[str, object]] = [{"baud": baud} for baud in bauds] or [{}]
    checks: list[dict[str, object]] = [{"parity": parity} for parity in parities] or [{}]
    pairs = [{**speed, **check} for speed, check in product(speeds, checks)]
    return pairs if bauds or parities else []


def _factory(known: Mapping[str, Profile]) -> list[dict[str, object]]:
    """How the known models leave their factories."""
    counted = Counter(
        (profile.serial.baud, profile.serial.parity, profile.serial.stop_bits)
        for profile in known.values()
        if profile.serial is not None
    )
    found: list[dict[str, object]] = [
        {"baud": baud, "parity": parity, **({"stop_bits": stop} if stop != 1 else {})}
        for (baud, parity, stop), _ in counted.most_common()
    ]
    return found or [{}]


def _hosts(text: str) -> list[str]:
    """The hosts named: networks, addresses and names."""
    found: list[str] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            net = ipaddress.ip_network(part, strict=False)
        except ValueError:
            if "/" in part or part.replace(".", "").isdecimal():
                raise ConfigError(
                    f"scan: --network: {part} is no network, as 192.168.1.0/24, or host"
                ) from None
            found.append(part)
            continue
        if net.num_addresses > _MOST_HOSTS:
            raise ConfigError(f"scan: --network: {part} has more than {_MOST_HOSTS} addresses")
        found += [str(host) for host in net.hosts()]
    if not found:
        raise ConfigError("scan: --network: names no host")
    return list(dict.fromkeys(found))
