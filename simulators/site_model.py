"""Pure: the plant as the rest of the system must know it: a site model and a list of meters."""

from pathlib import Path

from edge_agent import profiles
from simulators.config import Config
from simulators.plant import Plant


def model_toml(plant: Plant, site: str) -> str:
    """The site model in its file form."""
    lines = [
        "format = 1",
        f'site = "{site}"',
        f'timezone = "{plant.timezone}"',
        f"slot_s = {plant.slot_s}",
        "",
        "[carriers.electricity]",
        'unit = "kWh"',
        "quanta_per_unit = 1_000_000",
    ]
    for name, source in plant.sources.items():
        lines += ["", f"[sources.{name}]", 'carrier = "electricity"']
        lines += [f'factor = "{source.factor}"'] if source.factor else []
    for name in plant.buses:
        lines += ["", f"[buses.{name}]", 'carrier = "electricity"']
    for name, node in plant.nodes.items():
        lines += ["", f"[nodes.{name}]"]
        lines += ['kind = "overhead"'] if node.kind == "overhead" else []
        lines += [f'line = "{node.line}"'] if node.line else []
    for meter in plant.meters:
        lines += ["", "[[meters]]", f'id = "{meter.name}"']
        lines += [f'from = "{meter.frm}"', f'to = "{meter.to}"', 'unit = "kWh"']
        lines += [f'multiplier = "{meter.ct}"'] if meter.ct != 1 else []
    return "\n".join(lines) + "\n"


def describe(settings: Config, plant: Plant) -> dict[str, object]:
    """{"model_toml", "meters", "buses"}: what a model file and an agent's configuration need."""
    meters = [
        {
            "name": meter.name,
            "profile": meter.profile,
            "unit_id": meter.unit_id,
            "bus": meter.port,
            "rated_power_w": plant.rated_w(meter),
            "vendor": (profile := profiles.load(meter.profile, allow_unverified=True)).vendor,
            "model": profile.model,
        }
        for meter in plant.meters
    ]
    buses: list[dict[str, object]] = []
    for name, port in plant.ports.items():
        where: dict[str, object] = {"name": name, "kind": port.kind}
        if port.kind == "tcp":
            where |= {"host": settings.tcp.host, "port": settings.tcp_port(plant, name)}
        else:
            path = Path.cwd() / settings.line(name)
            where |= {"path": str(path), "baud": port.baud, "parity": port.parity}
        buses.append(where)
    return {"model_toml": model_toml(plant, settings.site), "meters": meters, "buses": buses}
