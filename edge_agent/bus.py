"""What the agent and a driver say to each other: what is wanted of a meter, and what it answers."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from edge_agent.line import Tally
from edge_agent.profiles import Profile
from wire.errors import BadData
from wire.messages import Value

# It says so itself; nothing else known looks like it; or it may be.
Sure = Literal["certain", "likely", "possible"]


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
    the transformers before it, for registers on the secondary side; `model`: its profile's name."""

    name: str
    profile: Profile
    address: Any
    quantities: tuple[str, ...]
    ct: Fraction = Fraction(1)
    pt: Fraction = Fraction(1)
    model: str = ""


@dataclass(frozen=True)
class Answer:
    """What one request brought: values by quantity (None: not measured), at the time (UTC ms) the
    answer was there. `shown()`: quantity -> (where it stands, what stood there), for a person."""

    t_ms: int
    values: Mapping[str, Value | None]
    shown: Callable[[], Mapping[str, tuple[str, str]]] = dict


class Cost(NamedTuple):
    """What one round of a meter takes: requests, and seconds of the bus with a prompt meter.

    `rest_s`: what the meter itself rests in between; its neighbours are asked meanwhile.
    """

    requests: int
    seconds: float
    rest_s: float = 0.0


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


@runtime_checkable
class KnowsRatios(Protocol):
    """A meter that has been told of the transformers before it."""

    async def ratios(self) -> dict[str, Fraction]:
        """`ct` and `pt` as set in the meter itself, as far as it has them. Raises as `identify`."""
        ...


class Bus(Protocol):
    """One serial port or network endpoint, and the meters behind it. One request at a time."""

    def meter(self, wanted: Wanted) -> Meter:
        """A meter of this bus. Raises ProfileError for a quantity its model lacks."""
        ...


class Found(NamedTuple):
    """A meter that answered a search: its keys of the configuration, what it says it is, and the
    profiles that fit, the best first.

    `sure`: how sure the first one is; `why`: what that rests on, for a person.
    """

    address: Mapping[str, object]
    identity: Mapping[str, str]
    profiles: tuple[str, ...]
    sure: Sure = "possible"
    why: str = ""


class Looked(NamedTuple):
    """One step of a search: `done` of `of`, what was tried, and what answered.

    `heard`: what came instead of an answer.
    """

    done: int
    of: int
    where: str
    found: Found | None = None
    heard: Literal["", "noise", "echo"] = ""


@runtime_checkable
class Searchable(Protocol):
    """A bus that can look for meters. It reads and never writes."""

    def search(
        self, profiles: Mapping[str, Profile], first: int, last: int
    ) -> AsyncIterator[Looked]:
        """Try the addresses `first` to `last` and tell every step; `profiles` says which models are
        known, by name. Raises LinkLost."""
        ...
