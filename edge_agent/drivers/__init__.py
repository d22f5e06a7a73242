"""What a driver is: one file, one protocol on one line.

A driver module has `Settings`, a frozen struct of its bus's keys, and `connect(settings, random)`,
an async context manager that gives a `Bus`. Entering it opens nothing that must already be there:
a link that is down is tried again by the bus itself, at the reads that need it, and `random` draws
the pause in between. Its docstring begins a sample configuration with `~~~toml`. A driver is found
by its file's name; a dotted name loads someone else's module. It translates its library's errors
into those below and raises no others.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from random import Random
from typing import Any, Protocol

import msgspec

import wire.config
from wire.errors import BadData, ConfigError, TransientError


class NoAnswer(TransientError):
    """The link is up, but the meter gave no valid answer in time."""


class LinkLost(TransientError):
    """The port or connection is gone or could not be opened; `retry_after_s` says when to retry."""


class Refused(BadData):
    """The meter answered that it will not: `code` is the protocol's own."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class NotThere(Refused):
    """The meter has no such register, or none at one of the addresses read over."""


class Bus(Protocol):
    """One serial port or network endpoint, and the meters behind it. One read at a time."""

    async def read(
        self, unit: int, function: int, address: int, count: int, rest_ms: int = 0
    ) -> tuple[int, ...]:
        """`count` 16-bit words of meter `unit`, asked not sooner than `rest_ms` after its last.

        Raises NoAnswer, LinkLost or Refused.
        """
        ...


class Driver(Protocol):
    """A driver module."""

    Settings: type[msgspec.Struct]

    def connect(self, settings: Any, random: Random) -> AbstractAsyncContextManager[Bus]:
        """The bus of these settings; closed on leaving."""
        ...


def load(name: str) -> Driver:
    """The driver `name`, a file of this folder or a dotted module. Raises ConfigError."""
    dotted = name if "." in name else f"{__name__}.{name}"
    try:
        module: Any = importlib.import_module(dotted)
    except ModuleNotFoundError as exc:
        if exc.name and f"{dotted}.".startswith(f"{exc.name}."):
            raise ConfigError(f"there is no driver {name!r}; {_known()}") from exc
        raise ConfigError(f"driver {name!r} needs {exc.name}, which is not installed") from exc
    if not hasattr(module, "Settings") or not hasattr(module, "connect"):
        raise ConfigError(f"{name!r} is no driver: it lacks Settings, connect; {_known()}")
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
    return driver, wire.config.convert(rest, driver.Settings, str(file), key)


def _known() -> str:
    names = sorted(info.name for info in pkgutil.iter_modules(__path__))
    return f"known: {', '.join(names)}; a dotted name is a module of your own"
