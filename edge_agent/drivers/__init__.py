"""What a driver is: one file (or folder), one protocol on one bus.

A driver module has

- `PROTOCOL`: which meter profiles it reads (`edge_agent/profiles/<protocol>.py` is their shape);
- `Settings`: a frozen struct of its bus's keys;
- `Address`: a frozen struct of what says which meter of the bus is meant;
- `connect(settings, random, now_ms)`: an async context manager that gives a `Bus`. Entering it
  opens nothing that must already be there: a link that is down is tried again by the bus itself,
  at the reads that need it; `random` draws the pause in between, `now_ms` dates the answers;
- `cost(settings, wanted)`: what one round of a meter takes of the bus, by the protocol alone.

Its docstring begins a sample configuration with `~~~toml`: the bus's keys, and under `[meter]` a
meter's. A driver is found by its file's name; a dotted name loads someone else's module. It
translates its library's errors into those below and raises no others.
"""

import importlib
import pkgutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, Protocol, runtime_checkable

import msgspec

import wire.config
from edge_agent.line import LinkLost, NoAnswer, Tally
from edge_agent.profiles import Profile
from wire.errors import BadData, ConfigError
from wire.messages import Value

__all__ = [
    "Answer",
    "Bus",
    "Cost",
    "Driver",
    "Found",
    "LinkLost",
    "Looked",
    "Meter",
    "NoAnswer",
    "NotThere",
    "Refused",
    "Remembers",
    "Searchable",
    "Tally",
    "Wanted",
    "WrongMeter",
    "configure",
    "load",
]


class Refused(BadData):
    """The meter answered that it will not: `code` is the protocol's own."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class NotThere(Refused):
    """The meter has no such register, or none at one of the addresses read over."""


class WrongMeter(BadData):
    """Another model answers than the profile describes."""


@dataclass(frozen=True)
class Wanted:
    """What is wanted of one meter: `address` is the driver's `Address`, `ct` and `pt` the ratios of
    the transformers before it, for registers on the secondary side."""

    name: str
    profile: Profile
    address: Any
    quantities: tuple[str, ...]
    ct: Fraction = Fraction(1)
    pt: Fraction = Fraction(1)


@dataclass(frozen=True)
class Answer:
    """What one request brought: values by quantity (None: not measured), at the time (UTC ms) the
    answer was there. `shown()`: quantity -> (where it stands, what stood there), for a person."""

    t_ms: int
    values: Mapping[str, Value | None]
    shown: Callable[[], Mapping[str, tuple[str, str]]] = dict


class Cost(NamedTuple):
    """What one round of a meter takes: requests, and seconds of the bus with a prompt meter."""

    requests: int
    seconds: float


class Meter(Protocol):
    """One meter of a bus, planned once and asked many times."""

    @property
    def missed(self) -> Sequence[str]:
        """Why requests of the last round had no answer."""
        ...

    @property
    def tally(self) -> Tally:
        """How it behaves on its line."""
        ...

    @property
    def absent(self) -> frozenset[str]:
        """Optional quantities this meter has shown not to have."""
        ...

    @property
    def rest_ms(self) -> int:
        """The rest it needs between two requests; its neighbours are asked meanwhile."""
        ...

    async def identify(self) -> dict[str, str]:
        """Its own `serial` and `model`, as far as it has them. Raises WrongMeter as well."""
        ...

    def read(self) -> AsyncIterator[Answer]:
        """One round, a request at a time. A request in mid-round without answer costs only its own
        values (`missed`). Raises NoAnswer, LinkLost or Refused if nothing was read, BadData where
        the profile is wrong."""
        ...


@runtime_checkable
class Remembers(Protocol):
    """A meter that keeps values of its own past."""

    def history(self, after_ms: int) -> AsyncIterator[Answer]:
        """What it remembers of the time after `after_ms`, in order of time. Raises as `read`."""
        ...


class Bus(Protocol):
    """One serial port or network endpoint, and the meters behind it. One request at a time."""

    def meter(self, wanted: Wanted) -> Meter:
        """A meter of this bus. Raises ProfileError for a quantity its model lacks."""
        ...


class Found(NamedTuple):
    """A meter that answered a search: its keys of the configuration, what it says it is, and the
    profiles that fit."""

    address: Mapping[str, object]
    identity: Mapping[str, str]
    profiles: tuple[str, ...]


class Looked(NamedTuple):
    """One step of a search: `done` of `of`, what was tried, and what answered."""

    done: int
    of: int
    where: str
    found: Found | None = None


@runtime_checkable
class Searchable(Protocol):
    """A bus that can look for meters."""

    def search(
        self, profiles: Mapping[str, Profile], first: int, last: int
    ) -> AsyncIterator[Looked]:
        """Try the addresses `first` to `last` and tell every step; `profiles` says which models are
        known, by name. Raises LinkLost."""
        ...


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
    return driver, wire.config.convert(rest, driver.Settings, str(file), key)


def _known() -> str:
    names = sorted(info.name for info in pkgutil.iter_modules(__path__))
    return f"known: {', '.join(names)}; a dotted name is a module of your own"
