"""Pure: what stands in the simulated factory, as its scenario file describes it."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from simulators.faults import Fault
from wire import config

SCENARIOS = Path(__file__).parent / "scenarios"
Range = tuple[int, int]


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of every table of a scenario file."""


class Source(Facts, frozen=True):
    """Where electricity enters. One source has no `power_w`: it delivers whatever is missing."""

    power_w: Range | None = None
    factor: str | None = None


class Bus(Facts, frozen=True):
    """A board. Every bus but one hangs on another bus; none has losses."""

    fed_from: str | None = None


class Node(Facts, frozen=True):
    """A consumer. A station of a lane has four kinds of power, any other only `run_w`."""

    bus: str
    rated_w: int
    run_w: Range
    setup_w: Range | None = None
    idle_w: Range | None = None
    kind: Literal["machine", "overhead"] = "machine"
    line: str | None = None


class Load(Facts, frozen=True):
    """A consumer nobody meters: what is left on its bus."""

    bus: str
    run_w: Range


class Product(Facts, frozen=True):
    """How many pieces an order is for, and how many of them may turn out as scrap."""

    pieces: Range
    scrap: Range = (0, 0)


class Lane(Facts, frozen=True):
    """Stations that pass one order on every `takt_s`; products change every `run` orders.

    One of every `pause_one_in` orders is left out (0: none), one visit in `fault_one_in` has a short fault.
    """

    stations: tuple[str, ...]
    products: tuple[str, ...]
    takt_s: int
    run: int = 2
    pause_one_in: int = 8
    fault_one_in: int = 12


class Port(Facts, frozen=True):
    """A cable the gateway reads meters on: a TCP port or a serial line."""

    kind: Literal["tcp", "rtu"]
    baud: int = 9600
    parity: Literal["N", "E", "O"] = "N"
    turn_ms: int = 10


class Meter(Facts, frozen=True):
    """A meter of model `profile`, answering as `unit_id` on `port`, on one electrical edge.

    `index_kwh` is what it shows at t0; drawn from the seed where left out. `ct` is the current
    transformer ratio its register does not know of.
    """

    name: str
    frm: str = msgspec.field(name="from")
    to: str
    profile: str
    port: str
    unit_id: int
    ct: int = 1
    index_kwh: int | None = None
    serial: int | None = None


class Plant(Facts, frozen=True):
    """One scenario file."""

    sources: dict[str, Source]
    buses: dict[str, Bus]
    nodes: dict[str, Node]
    products: dict[str, Product]
    lanes: dict[str, Lane]
    ports: dict[str, Port]
    meters: tuple[Meter, ...]
    unmetered: dict[str, Load] = {}
    faults: tuple[Fault, ...] = ()
    timezone: str = "Asia/Shanghai"
    slot_s: int = 10

    @property
    def root(self) -> str:
        """The bus the sources feed."""
        return next(name for name, bus in self.buses.items() if bus.fed_from is None)

    @property
    def balancing(self) -> str:
        """The source that delivers whatever the others do not."""
        return next(name for name, source in self.sources.items() if source.power_w is None)

    def below(self, bus: str) -> list[str]:
        """The names of all loads on `bus` and on the buses it feeds."""
        names = [name for name, node in self.nodes.items() if node.bus == bus]
        names += [name for name, load in self.unmetered.items() if load.bus == bus]
        for other, facts in self.buses.items():
            if facts.fed_from == bus:
                names += self.below(other)
        return names

    def rated_w(self, meter: Meter) -> int:
        """The most a meter's edge can carry."""
        if meter.to in self.nodes:
            return self.nodes[meter.to].rated_w
        if meter.frm in self.sources and (own := self.sources[meter.frm].power_w):
            return own[1]
        return sum(self.highest_w(name) for name in self.below(meter.to))

    def highest_w(self, load: str) -> int:
        """The most a consumer ever takes."""
        return self.nodes[load].rated_w if load in self.nodes else self.unmetered[load].run_w[1]

    def lowest_w(self, load: str) -> int:
        """The least a consumer ever takes."""
        if load in self.unmetered:
            return self.unmetered[load].run_w[0]
        node = self.nodes[load]
        return min(known[0] for known in (node.run_w, node.setup_w, node.idle_w) if known)


def find(name: str) -> Path:
    """The file of a scenario: a shipped name, or a path that ends in `.toml`."""
    return Path(name) if name.endswith(".toml") else SCENARIOS / f"{name}.toml"


def load(path: Path) -> Plant:
    """Read and judge a scenario file. Raises ConfigError."""
    plant = config.load(path, Plant)
    for key, problem in problems(plant):
        raise config.refuse(path, key, problem)
    return plant


def problems(plant: Plant) -> Iterator[tuple[str, str]]:
    """(key, what is wrong with it), for everything types alone cannot judge."""
    yield from _wrong_ranges(plant)
    yield from _wrong_references(plant)
    yield from _wrong_stations(plant)
    yield from _wrong_meters(plant)


def _wrong_ranges(plant: Plant) -> Iterator[tuple[str, str]]:
    tables: dict[str, Mapping[str, Facts]] = {
        "sources": plant.sources,
        "nodes": plant.nodes,
        "unmetered": plant.unmetered,
        "products": plant.products,
    }
    for table, rows in tables.items():
        for name, row in rows.items():
            for key in row.__struct_fields__:
                known = getattr(row, key)
                if isinstance(known, tuple) and not 0 <= known[0] <= known[1]:
                    yield f"{table}.{name}.{key}", "is [least, most]"


def _wrong_references(plant: Plant) -> Iterator[tuple[str, str]]:
    if sum(bus.fed_from is None for bus in plant.buses.values()) != 1:
        yield "buses", "exactly one bus has no `fed_from`: the one the sources feed"
    if sum(source.power_w is None for source in plant.sources.values()) != 1:
        yield "sources", "exactly one source has no `power_w`: the one that balances"
    for name, bus in plant.buses.items():
        if bus.fed_from is not None and bus.fed_from not in plant.buses:
            yield f"buses.{name}.fed_from", f"{bus.fed_from!r} is not a bus"
    for table, loads in (("nodes", plant.nodes), ("unmetered", plant.unmetered)):
        for name, load_ in loads.items():
            if load_.bus not in plant.buses:
                yield f"{table}.{name}.bus", f"{load_.bus!r} is not a bus"
    for name, node in plant.nodes.items():
        if (
            max(known[1] for known in (node.run_w, node.setup_w, node.idle_w) if known)
            > node.rated_w
        ):
            yield f"nodes.{name}.rated_w", "is less than the node may take"
    most = sum(source.power_w[1] for source in plant.sources.values() if source.power_w)
    least = sum(plant.lowest_w(name) for name in (*plant.nodes, *plant.unmetered))
    if most >= least:
        yield "sources", f"may deliver {most} W where only {least} W are sure to be used"


def _wrong_stations(plant: Plant) -> Iterator[tuple[str, str]]:
    stations = [name for lane in plant.lanes.values() for name in lane.stations]
    for name, lane in plant.lanes.items():
        if lane.takt_s < 5:
            yield f"lanes.{name}.takt_s", "is at least 5 s"
        if not lane.stations or not lane.products:
            yield f"lanes.{name}", "needs stations and products"
        for product in set(lane.products) - set(plant.products):
            yield f"lanes.{name}.products", f"{product!r} is not a product"
        for station in lane.stations:
            node = plant.nodes.get(station)
            if node is None or node.kind == "overhead":
                yield f"lanes.{name}.stations", f"{station!r} is not a machine node"
            elif node.setup_w is None or node.idle_w is None:
                yield f"nodes.{station}", "a station needs setup_w and idle_w"
            if stations.count(station) > 1:
                yield f"lanes.{name}.stations", f"{station!r} is a station twice"


def _wrong_meters(plant: Plant) -> Iterator[tuple[str, str]]:
    edges = [(name, plant.root) for name in plant.sources]
    edges += [(bus.fed_from, name) for name, bus in plant.buses.items() if bus.fed_from]
    edges += [(node.bus, name) for name, node in plant.nodes.items()]
    for meter in plant.meters:
        if (meter.frm, meter.to) not in edges:
            yield f"meters.{meter.name}", f"there is no edge from {meter.frm} to {meter.to}"
        if meter.port not in plant.ports:
            yield f"meters.{meter.name}.port", f"{meter.port!r} is not a port"
        if not 1 <= meter.unit_id <= 247:
            yield f"meters.{meter.name}.unit_id", "is between 1 and 247"
    unique: dict[str, Callable[[Meter], Hashable]] = {
        "name": lambda meter: meter.name,
        "unit_id": lambda meter: (meter.port, meter.unit_id),
        "from, to": lambda meter: (meter.frm, meter.to),
    }
    for key, place in unique.items():
        for what, count in Counter(map(place, plant.meters)).items():
            if count > 1:
                yield f"meters.{key}", f"{what} stands twice"
    for edge in set(edges) - {(meter.frm, meter.to) for meter in plant.meters}:
        yield "meters", f"nobody meters the edge from {edge[0]} to {edge[1]}"
    for fault in plant.faults:
        if fault.meter not in {meter.name for meter in plant.meters}:
            yield f"faults.{fault.meter}", "names no meter"
