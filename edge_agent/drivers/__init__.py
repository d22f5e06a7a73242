"""What a driver is: one file (or folder), one protocol on one bus.

A driver module has

- `PROTOCOL`: which meter profiles it reads (`edge_agent/profiles/<protocol>.py` is their shape);
- `Settings`: a frozen struct of its bus's keys;
- `Address`: a frozen struct of what says which meter of the bus is meant;
- `connect(settings, random, now_ms)`: an async context manager that gives a `Bus`. Entering it
  opens nothing that must already be there: a link that is down is tried again by the bus itself,
  at the reads that need it; `random` draws the pause in between, `now_ms` dates the answers;
- `cost(settings, wanted)`: what one round of a meter takes of the bus, by the protocol alone.

What they give is told in `edge_agent/bus.py`: a bus may also be `Searchable`, which `edge-agent scan`
needs, and a meter may be one that `Remembers` or `KnowsRatios`.

Its docstring begins a sample configuration with `~~~toml`: the bus's keys, and under `[meter]` a
meter's. A driver is found by its file's name; a dotted name loads someone else's module. It
translates its library's errors into those below and raises no others.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from random import Random
from typing import Any, Protocol

import msgspec

import wire.config
from edge_agent.bus import (
    Answer,
    Bus,
    Cost,
    Found,
    KnowsRatios,
    Looked,
    Meter,
    NotThere,
    Refused,
    Remembers,
    Searchable,
    Sure,
    Wanted,
    WrongMeter,
)
from edge_agent.line import LinkLost, NoAnswer, Tally
from wire.errors import ConfigError

__all__ = [
    "Answer",
    "Bus",
    "Cost",
    "Driver",
    "Found",
    "KnowsRatios",
    "LinkLost",
    "Looked",
    "Meter",
    "NoAnswer",
    "NotThere",
    "Refused",
    "Remembers",
    "Searchable",
    "Sure",
    "Tally",
    "Wanted",
    "WrongMeter",
    "configure",
    "load",
]


class Driver(Protocol):
    """A driver module."""

    PROTOCOL: str
    Settings: type[msgspec.Struct]
    Address: type[msgspec.Struct]

    def connect(
        self, settings: Any, random: Random, now_ms: Callable[[], int]
    ) -> AbstractAsyncContextManager[Bus]:
        """The bus of these settings; closed on leaving."""
        ...

    def cost(self, settings: Any, wanted: Wanted) -> Cost:
        """What one round takes of the bus. Raises ProfileError."""
        ...


def load(name: str) -> Driver:
    """The driver `name`, a file of this folder or a dotted module. Raises ConfigError."""
    dotted = name if "." in name else f"{__name__}.{name}"
    if dotted.startswith("."):
        raise ConfigError(f"there is no driver {name!r}; {_known()}")
    try:
        module: Any = importlib.import_module(dotted)
    except ModuleNotFoundError as exc:
        if exc.name and f"{dotted}.".startswith(f"{exc.name}."):
            raise ConfigError(f"there is no driver {name!r}; {_known()}") from exc
        raise ConfigError(f"driver {name!r} needs {exc.name}, which is not installed") from exc
    lacks = [
        n for n in ("PROTOCOL", "Settings", "Address", "connect", "cost") if not hasattr(module, n)
    ]
    if lacks:
        raise ConfigError(f"{name!r} is no driver: it lacks {', '.join(lacks)}; {_known()}")
    driver: Driver = module
    return driver


def configure(
    table: Mapping[str, object], file: str | Path, key: str
) -> tuple[Driver, msgspec.Struct]:
    """The driver a bus's table names under `driver`, and the table's other keys as its settings.

    Raises ConfigError; the table stands at `key` of `file`.
    """
    if not isinstance(name := table.get("driver"), str):
        raise wire.config.refuse(file, f"{key}.driver", f"is missing; {_known()}")
    try:
        driver = load(name)
    except ConfigError as exc:
        raise wire.config.refuse(file, f"{key}.driver", str(exc)) from exc
    rest = {name: value for name, value in table.items() if name != "driver"}
    settings = wire.config.convert(rest, driver.Settings, str(file), key)
    wire.config.readable(settings, file, key)
    return driver, settings


def _known() -> str:
    names = sorted(info.name for info in pkgutil.iter_modules(__path__))
    return f"known: {', '.join(names)}; a dotted name is a module of your own"
