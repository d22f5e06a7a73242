"""What stands in the simulated factory: read from a scenario file and judged."""

from pathlib import Path

from simulators.plant.facts import (
    CARRIERS,
    Bus,
    Edge,
    Facts,
    Intake,
    Lane,
    Load,
    Meter,
    Node,
    Plant,
    Port,
    Product,
    Range,
    Source,
    Use,
    Utility,
)
from simulators.plant.problems import problems
from wire import config

__all__ = [
    "CARRIERS",
    "Bus",
    "Edge",
    "Facts",
    "Intake",
    "Lane",
    "Load",
    "Meter",
    "Node",
    "Plant",
    "Port",
    "Product",
    "Range",
    "Source",
    "Use",
    "Utility",
    "find",
    "load",
    "problems",
]

SCENARIOS = Path(__file__).parent.parent / "scenarios"


def find(name: str) -> Path:
    """The file of a scenario: a shipped name, or a path that ends in `.toml`."""
    return Path(name) if name.endswith(".toml") else SCENARIOS / f"{name}.toml"


def load(path: Path) -> Plant:
    """Read and judge a scenario file. Raises ConfigError."""
    plant = config.load(path, Plant)
    for key, problem in problems(plant):
        raise config.refuse(path, key, problem)
    return plant
