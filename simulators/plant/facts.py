"""Pure: what stands in the simulated factory, as its scenario file describes it.

Rates are in thousandths of the carrier's unit per hour: W where the unit is kWh, L/h where it is m3
or Nm3.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from simulators.faults import Fault

Range = tuple[int, int]
Edge = tuple[str, str]  # from, to
CARRIERS = {
    "electricity": "kWh",
    "natural_gas": "Nm3",
    "compressed_air": "Nm3",
    "chilled_water": "kWh",
    "hot_water": "kWh",
    "water": "m3",
}


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of every table of a scenario file."""


class Source(Facts, frozen=True):
    """Where a carrier enters. One source of a bus has no `rate`: it delivers whatever is missing."""

    bus: str
    rate: Range | None = None
    factor: str | None = None


class Bus(Facts, frozen=True):
    """A board, header or pipe without losses, fed by sources, by another bus or by a utility."""

    carrier: Literal[
        "electricity", "natural_gas", "compressed_air", "chilled_water", "hot_water", "water"
    ] = "electricity"
    fed_from: str | None = None


class Intake(Facts, frozen=True):
    """What a utility takes of one bus: a steady draw in `base` that does not follow its output,
    and `per_1000` more for every thousand that it gives."""

    base: Range
    per_1000: int = 0


class Utility(Facts, frozen=True):
    """Turns what it takes, by bus, into what flows on the one bus that is fed from it."""

    takes: dict[str, Intake]


class Use(Facts, frozen=True):
    """What a node takes of one bus. A station has three rates, any other node only `run`."""

    rated: int
    run: Range
    setup: Range | None = None
    idle: Range | None = None


class Node(Facts, frozen=True):
    """A consumer, with what it takes by bus."""

    uses: dict[str, Use]
    kind: Literal["machine", "overhead"] = "machine"
    line: str | None = None


class Load(Facts, frozen=True):
    """A consumer nobody meters: what is left on its bus."""

    bus: str
    run: Range


class Product(Facts, frozen=True):
    """How many pieces an order is for, and how many of them may turn out as scrap."""

    pieces: Range
    scrap: Range = (0, 0)


class Lane(Facts, frozen=True):
    """Stations that pass one order on every `takt_s`; products change every `run` orders.

    A change of product takes `setup_ms`. One of every `pause_one_in` orders is left out (0: none),
    one visit in `fault_one_in` has a short fault.
    """

    stations: tuple[str, ...]
    products: tuple[str, ...]
    takt_s: int
    run: int = 2
    setup_ms: Range = (1200, 1800)
    pause_one_in: int = 8
    fault_one_in: int = 12


class Port(Facts, frozen=True):
    """A cable the gateway reads meters on: a TCP port or a serial line."""

    kind: Literal["tcp", "rtu"]
    baud: int = 9600
    parity: Literal["N", "E", "O"] = "N"
    turn_ms: int = 10


class Meter(Facts, frozen=True):
    """A meter of model `profile` on one edge of the plant, answering on `port`.

    It answers as `unit_id`, which is filled up to twelve digits where its protocol has them for an
    address. `index` is what it shows at t0, in its carrier's unit; drawn from the seed where left out. `ct`
    is the ratio of the current transformers before it. `class` and `ct_class`: accuracy, as the site
    model tells it.
    """

    name: str
    frm: str = msgspec.field(name="from")
    to: str
    profile: str
    port: str
    unit_id: int
    ct: int = 1
    accuracy: str = msgspec.field(name="class", default="")
    ct_class: str = ""
    index: int | None = None
    serial: int | None = None
    interval_s: int = 1


class Plant(Facts, frozen=True):
    """One scenario file."""

    sources: dict[str, Source]
    buses: dict[str, Bus]
    nodes: dict[str, Node]
    products: dict[str, Product]
    lanes: dict[str, Lane]
    ports: dict[str, Port]
    meters: tuple[Meter, ...]
    utilities: dict[str, Utility] = {}
    unmetered: dict[str, Load] = {}
    faults: tuple[Fault, ...] = ()
    timezone: str = "Asia/Shanghai"
    slot_s: int = 10

    def consumers(self, bus: str) -> list[str]:
        """Who takes from a bus itself: nodes, unmetered loads and utilities."""
        names = [name for name, node in self.nodes.items() if bus in node.uses]
        names += [name for name, load in self.unmetered.items() if load.bus == bus]
        return names + [name for name, facts in self.utilities.items() if bus in facts.takes]

    def fed_by(self, place: str) -> list[str]:
        """The buses a bus or a utility feeds."""
        return [name for name, bus in self.buses.items() if bus.fed_from == place]

    def below(self, bus: str) -> list[Edge]:
        """Every (bus, consumer) on a bus and on the buses it feeds."""
        edges = [(bus, name) for name in self.consumers(bus)]
        return edges + [edge for other in self.fed_by(bus) for edge in self.below(other)]

    def edges(self) -> Iterator[Edge]:
        """Every edge that may be metered."""
        yield from ((name, source.bus) for name, source in self.sources.items())
        for name, bus in self.buses.items():
            if bus.fed_from:
                yield bus.fed_from, name
        for name, node in self.nodes.items():
            yield from ((bus, name) for bus in node.uses)
        for name, utility in self.utilities.items():
            yield from ((bus, name) for bus in utility.takes)

    def carrier(self, meter: Meter) -> str:
        """What flows through a meter."""
        return self.buses[meter.frm if meter.frm in self.buses else meter.to].carrier

    def is_linked(self, bus: str) -> bool:
        """Whether nobody meters what a utility gives to a bus."""
        feeder = self.buses[bus].fed_from
        edge = (feeder, bus)
        return feeder in self.utilities and edge not in {(m.frm, m.to) for m in self.meters}

    def most(self, bus: str, consumer: str) -> int:
        """The most a consumer ever takes of a bus."""
        if consumer in self.nodes:
            return self.nodes[consumer].uses[bus].rated
        if consumer in self.unmetered:
            return self.unmetered[consumer].run[1]
        intake = self.utilities[consumer].takes[bus]
        given = self.most_of(self.fed_by(consumer)) if intake.per_1000 else 0
        return intake.base[1] + given * intake.per_1000 // 1000

    def least(self, bus: str, consumer: str) -> int:
        """The least a consumer ever takes of a bus."""
        if consumer in self.nodes:
            use = self.nodes[consumer].uses[bus]
            return min(known[0] for known in (use.run, use.setup, use.idle) if known)
        if consumer in self.unmetered:
            return self.unmetered[consumer].run[0]
        intake = self.utilities[consumer].takes[bus]
        given = self.least_of(self.fed_by(consumer)) if intake.per_1000 else 0
        return intake.base[0] + given * intake.per_1000 // 1000

    def most_of(self, buses: list[str]) -> int:
        """The most that ever flows into these buses."""
        return sum(self.most(*edge) for bus in buses for edge in self.below(bus))

    def least_of(self, buses: list[str]) -> int:
        """The least that ever flows into these buses."""
        return sum(self.least(*edge) for bus in buses for edge in self.below(bus))

    def rated(self, meter: Meter) -> int:
        """The most a meter's edge can carry."""
        if meter.to not in self.buses:
            return self.most(meter.frm, meter.to)
        if meter.frm in self.sources and (own := self.sources[meter.frm].rate):
            return own[1]
        return self.most_of([meter.to])
