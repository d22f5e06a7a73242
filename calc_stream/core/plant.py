"""The site model: where carriers enter, how they run through the plant, who uses them.

Frozen values in the field's terms. `model.parse_model` makes them from the TOML form.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from calc_stream.core.whole import LIMIT
from calc_stream.core.windows import Windows

RESIDUALS = ("account", "spread", "links")
SETUPS = ("next", "pool", "campaign")
WEIGHTS = ("custom", "rate", "equal", "mass", "pieces")
SPREADS = ("none", "machine_hours", "mass", "pieces", "direct_energy")

Accepted = Mapping[str, tuple[str, ...]]  # by key of a policy


@dataclass(frozen=True, slots=True)
class Carrier:
    """What flows. `digits`: decimals of one quantum in the unit; `kwh_per_unit`: 0 when unknown."""

    name: str
    unit: str
    quanta_per_unit: int
    digits: int
    kwh_per_unit: Fraction = Fraction(0)


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
class Utility:
    """Turns what flows in into what flows out. `loss`: what part of a carrier it passes on is lost
    on the way; told, it makes the flow of its links known."""

    name: str
    loss: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """A battery or tank. `efficiency`: usable part of what is put in; `level` (quanta) and `content`
    (quanta by source): what is in it when it first appears."""

    name: str
    carrier: str
    efficiency: Fraction = Fraction(1)
    level: int = 0
    content: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Node:
    """A consumer. `serves`: the lines whose batches bear an overhead node's pool; None: all."""

    name: str
    overhead: bool = False
    line: str | None = None
    serves: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Meter:
    """A register on the edge `start -> end`. `scale`: quanta of `carrier` in one register unit;
    `reference`: the efficiency at which what it counts is made apart (outputs of a utility)."""

    id: str
    start: str
    end: str
    unit: str
    carrier: str
    scale: Fraction
    share: Fraction | None = None
    reference: Fraction | None = None
    facts: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """An edge without a meter. `loss`: what part of its flow is lost; told, the flow is known."""

    start: str
    end: str
    share: Fraction | None = None
    loss: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """Who bears what no batch asked for. `windows`: over what a pool is spread; None: it is not."""

    setup: str = "next"
    setup_max_s: int = 28_800
    campaign_max_s: int = 604_800
    weights: str = "custom"
    idle: str = "pool"
    spread: str = "none"
    windows: Windows | None = None

    @property
    def look_ahead_ms(self) -> int:
        """How long before a start its set-up may end; -1 when set-up goes to the pool."""
        return -1 if self.setup == "pool" else min(self.setup_max_s * 1000, LIMIT)

    def among(self, accepted: Accepted) -> "Policy":
        """The policy where, by key, only these ways count: the first of them in another's place."""
        chosen = {key: ways[0] for key, ways in accepted.items() if getattr(self, key) not in ways}
        return replace(self, **chosen)  # type: ignore[arg-type]  # texts, all of them


@dataclass(frozen=True, slots=True)
class SiteModel:
    """Everything by name; `text` is the TOML it came from, `file` where that stood."""

    site: str
    timezone: str
    slot_ms: int
    policy: Policy
    carriers: Mapping[str, Carrier]
    sources: Mapping[str, Source]
    buses: Mapping[str, Bus]
    utilities: Mapping[str, Utility]
    stores: Mapping[str, Store]
    nodes: Mapping[str, Node]
    exports: tuple[str, ...]
    meters: tuple[Meter, ...]
    links: tuple[Link, ...]
    max_gap_ms: int | None
    valid_from_ms: int | None
    text: str
    file: str = field(default="model", compare=False)

    def carrier_of(self, source: str) -> Carrier:
        """The carrier of a source."""
        return self.carriers[self.sources[source].carrier]
