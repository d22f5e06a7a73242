"""The site model: where carriers enter, how they run through the plant, who uses them.

Frozen values in the field's terms. `model.parse_model` makes them from the TOML form.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from calc_stream.core.whole import LIMIT

RESIDUALS = ("account", "spread", "links")


@dataclass(frozen=True, slots=True)
class Carrier:
    """What flows. `digits`: decimals of one quantum in the unit."""

    name: str
    unit: str
    quanta_per_unit: int
    digits: int


@dataclass(frozen=True, slots=True)
class Source:
    """Where a carrier enters the site. `factor`: id of the factor the model names for it."""

    name: str
    carrier: str
    factor: str | None = None


@dataclass(frozen=True, slots=True)
class Bus:
    """A board, header or pipe of one carrier: a perfect mixer."""

    name: str
    carrier: str
    residual: str = "account"


@dataclass(frozen=True, slots=True)
class Node:
    """A consumer."""

    name: str
    overhead: bool = False
    line: str | None = None


@dataclass(frozen=True, slots=True)
class Meter:
    """A register on the edge `start -> end`. `scale`: quanta of `carrier` in one register unit."""

    id: str
    start: str
    end: str
    unit: str
    carrier: str
    scale: Fraction
    share: Fraction | None = None
    facts: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """An edge without a meter."""

    start: str
    end: str
    share: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """Who bears what no batch asked for."""

    setup: str = "next"
    setup_max_s: int = 28_800
    idle: str = "pool"
    spread: str = "none"

    @property
    def look_ahead_ms(self) -> int:
        """How long before a start its set-up may end; -1 when set-up goes to the pool."""
        return min(self.setup_max_s * 1000, LIMIT) if self.setup == "next" else -1


@dataclass(frozen=True, slots=True)
class SiteModel:
    """Everything by name; `text` is the TOML it came from."""

    site: str
    timezone: str
    slot_ms: int
    policy: Policy
    carriers: Mapping[str, Carrier]
    sources: Mapping[str, Source]
    buses: Mapping[str, Bus]
    utilities: tuple[str, ...]
    nodes: Mapping[str, Node]
    exports: tuple[str, ...]
    meters: tuple[Meter, ...]
    links: tuple[Link, ...]
    max_gap_ms: int | None
    valid_from_ms: int | None
    text: str

    def carrier_of(self, source: str) -> Carrier:
        """The carrier of a source."""
        return self.carriers[self.sources[source].carrier]
