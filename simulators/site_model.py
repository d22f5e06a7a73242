"""Pure: the plant as the rest of the system must know it: a site model and a list of meters."""

from decimal import Decimal
from pathlib import Path

from edge_agent import profiles
from simulators.config import Config
from simulators.instrument import counted
from simulators.parties import digits
from simulators.plant import CARRIERS, Meter, Plant
from wire.quantities import QUANTITIES

_TO_LOOK_AT = ("active_power", "flow")


def model_toml(plant: Plant, site: str) -> str:
    """The site model in its file form."""
    lines = [
        "format = 1",
        f'site = "{site}"',
        f'timezone = "{plant.timezone}"',
        f"slot_s = {plant.slot_s}",
    ]
    for carrier in dict.fromkeys(bus.carrier for bus in plant.buses.values()):
        lines += ["", f"[carriers.{carrier}]", f'unit = "{CARRIERS[carrier]}"']
        lines += ["quanta_per_unit = 1_000_000"]
    for name, source in plant.sources.items():
        lines += ["", f"[sources.{name}]", f'carrier = "{plant.buses[source.bus].carrier}"']
        lines += [f'factor = "{source.factor}"'] if source.factor else []
    for name, bus in plant.buses.items():
        lines += ["", f"[buses.{name}]", f'carrier = "{bus.carrier}"']
    for name in plant.utilities:
        lines += ["", f"[utilities.{name}]"]
    for name, node in plant.nodes.items():
        lines += ["", f"[nodes.{name}]"]
        lines += ['kind = "overhead"'] if node.kind == "overhead" else []
        lines += [f'line = "{node.line}"'] if node.line else []
    for meter in plant.meters:
        lines += ["", "[[meters]]", f'id = "{meter.name}"', f'from = "{meter.frm}"']
        lines += [f'to = "{meter.to}"', f'unit = "{CARRIERS[plant.carrier(meter)]}"']
        lines += [f'multiplier = "{meter.ct}"'] if meter.ct != 1 and not _knows_ct(meter) else []
        lines += [f'class = "{meter.accuracy}"'] if meter.accuracy else []
        lines += [f'ct_class = "{meter.ct_class}"'] if meter.ct_class else []
    for name, bus in plant.buses.items():
        if plant.is_linked(name):
            lines += ["", "[[links]]", f'from = "{bus.fed_from}"', f'to = "{name}"']
    return "\n".join(lines) + "\n"


def describe(settings: Config, plant: Plant) -> dict[str, object]:
    """{"model_toml", "meters", "buses"}: what a model file and an agent's configuration need."""
    buses: list[dict[str, object]] = []
    for name, port in plant.ports.items():
        where: dict[str, object] = {"name": name, "kind": port.kind, "driver": _driver(plant, name)}
        if port.kind == "tcp":
            where |= {"host": settings.tcp.host, "port": settings.tcp_port(plant, name)}
        else:
            path = Path.cwd() / settings.line(name)
            where |= {"path": str(path), "baud": port.baud, "parity": port.parity}
        buses.append(where)
    meters = [_described(plant, meter) for meter in plant.meters]
    return {"model_toml": model_toml(plant, settings.site), "meters": meters, "buses": buses}


def _described(plant: Plant, meter: Meter) -> dict[str, object]:
    profile = profiles.load(meter.profile, allow_unverified=True)
    counts = counted(profile, plant.carrier(meter))
    seen = [quantity for quantity in _TO_LOOK_AT if quantity in profile.meanings]
    rated = plant.rated(meter)
    modbus = profile.protocol == "modbus"
    energy = QUANTITIES[counts].unit == "kWh"
    return {
        "name": meter.name,
        "profile": meter.profile,
        "grade": profile.grade,
        **({"unit_id": meter.unit_id} if modbus else {"address": digits(meter.unit_id)}),
        "bus": meter.port,
        "interval_s": meter.interval_s,
        "quantities": [counts, *seen[:1]],
        "ct": meter.ct if _knows_ct(meter) else 1,
        **(
            {"rated_power_w": rated} if energy else {"rated_flow_per_h": f"{Decimal(rated) / 1000}"}
        ),
        "vendor": profile.vendor,
        "model": profile.model,
    }


def _driver(plant: Plant, port: str) -> str:
    """The protocol of the meters on a port: one for all of them."""
    on_it = next(meter.profile for meter in plant.meters if meter.port == port)
    return profiles.load(on_it, allow_unverified=True).protocol


def _knows_ct(meter: Meter) -> bool:
    """Whether the agent applies the ratio: to registers of the transformers' secondary side."""
    profile = profiles.load(meter.profile, allow_unverified=True)
    return any(meaning.secondary for meaning in profile.meanings.values())
