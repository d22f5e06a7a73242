"""Pure: what a scenario file says and no plant can be."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

import msgspec

from simulators.plant.facts import Meter, Plant, Range

_Problems = Iterator[tuple[str, str]]


def problems(plant: Plant) -> _Problems:
    """(key, what is wrong with it), for everything types alone cannot judge."""
    yield from _wrong_ranges(plant)
    yield from _wrong_buses(plant)
    yield from _wrong_nodes(plant)
    yield from _wrong_lanes(plant)
    yield from _wrong_flows(plant)
    yield from _wrong_meters(plant)


def _wrong_ranges(plant: Plant) -> _Problems:
    tables: dict[str, Mapping[str, msgspec.Struct]] = {
        "sources": plant.sources,
        "unmetered": plant.unmetered,
        "products": plant.products,
        "lanes": plant.lanes,
    }
    for name, node in plant.nodes.items():
        tables[f"nodes.{name}.uses"] = node.uses
    for name, utility in plant.utilities.items():
        tables[f"utilities.{name}.takes"] = utility.takes
    for table, rows in tables.items():
        for name, row in rows.items():
            for key in row.__struct_fields__:
                known = getattr(row, key)
                if _is_range(known) and not 0 <= known[0] <= known[1]:
                    yield f"{table}.{name}.{key}", "is [least, most]"


def _is_range(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(part, int) for part in value)


def _wrong_buses(plant: Plant) -> _Problems:
    for name, source in plant.sources.items():
        if source.bus not in plant.buses:
            yield f"sources.{name}.bus", f"{source.bus!r} is not a bus"
    for name, bus in plant.buses.items():
        feeder = bus.fed_from
        own = [source for source in plant.sources.values() if source.bus == name]
        if feeder is None and sum(source.rate is None for source in own) != 1:
            yield f"buses.{name}", "needs `fed_from`, or sources, one of them without `rate`"
        elif feeder is not None and own:
            yield f"buses.{name}.fed_from", "is told, but the bus has sources"
        elif feeder in plant.buses and plant.buses[feeder].carrier != bus.carrier:
            yield f"buses.{name}.fed_from", f"{feeder!r} carries another carrier"
        elif feeder is not None and feeder not in (*plant.buses, *plant.utilities):
            yield f"buses.{name}.fed_from", f"{feeder!r} is neither a bus nor a utility"
    for name, utility in plant.utilities.items():
        if len(plant.fed_by(name)) != 1:
            yield f"utilities.{name}", "needs exactly one bus that is fed from it"
        for bus_name in set(utility.takes) - set(plant.buses):
            yield f"utilities.{name}.takes.{bus_name}", "is not a bus"


def _wrong_nodes(plant: Plant) -> _Problems:
    for name, load in plant.unmetered.items():
        if load.bus not in plant.buses:
            yield f"unmetered.{name}.bus", f"{load.bus!r} is not a bus"
    for name, node in plant.nodes.items():
        for bus, use in node.uses.items():
            rates: list[Range] = [known for known in (use.run, use.setup, use.idle) if known]
            if bus not in plant.buses:
                yield f"nodes.{name}.uses.{bus}", "is not a bus"
            if max(most for _, most in rates) > use.rated:
                yield f"nodes.{name}.uses.{bus}.rated", "is less than the node may take"


def _wrong_lanes(plant: Plant) -> _Problems:
    stations = [name for lane in plant.lanes.values() for name in lane.stations]
    for name, lane in plant.lanes.items():
        if lane.takt_s < 5 or 1000 * lane.takt_s < lane.setup_ms[1] + 3000:
            yield f"lanes.{name}.takt_s", "is at least 5 s, and 3 s longer than a setup"
        if not lane.stations or not lane.products:
            yield f"lanes.{name}", "needs stations and products"
        for product in set(lane.products) - set(plant.products):
            yield f"lanes.{name}.products", f"{product!r} is not a product"
        for station in lane.stations:
            node = plant.nodes.get(station)
            if node is None or node.kind == "overhead":
                yield f"lanes.{name}.stations", f"{station!r} is not a machine node"
            elif not all(use.setup and use.idle for use in node.uses.values()):
                yield f"nodes.{station}", "a station needs setup and idle for all it uses"
            if stations.count(station) > 1:
                yield f"lanes.{name}.stations", f"{station!r} is a station twice"


def _wrong_flows(plant: Plant) -> _Problems:
    """Rates that would have to know themselves, and buses that might carry nothing or too much."""
    needs: dict[str, set[str]] = {bus: set(plant.fed_by(bus)) for bus in plant.buses}
    for name, utility in plant.utilities.items():
        for bus, intake in utility.takes.items():
            needs[bus] |= set(plant.fed_by(name)) if intake.per_1000 else set()
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as exc:
        yield "utilities", f"the rates of {' -> '.join(exc.args[1])} would depend on themselves"
        return
    for name in plant.buses:
        least = plant.least_of([name])
        given = [s.rate[1] for s in plant.sources.values() if s.bus == name and s.rate]
        if least <= sum(given):
            yield f"buses.{name}", f"is given up to {sum(given)} where only {least} is sure to go"


def _wrong_meters(plant: Plant) -> _Problems:
    edges = list(plant.edges())
    for meter in plant.meters:
        if (meter.frm, meter.to) not in edges:
            yield f"meters.{meter.name}", f"there is no edge from {meter.frm} to {meter.to}"
        if meter.port not in plant.ports:
            yield f"meters.{meter.name}.port", f"{meter.port!r} is not a port"
        if not 1 <= meter.unit_id <= 247:
            yield f"meters.{meter.name}.unit_id", "is between 1 and 247"
        if meter.interval_s < 1:
            yield f"meters.{meter.name}.interval_s", "is at least 1"
    unique: dict[str, Callable[[Meter], Hashable]] = {
        "name": lambda meter: meter.name,
        "unit_id": lambda meter: (meter.port, meter.unit_id),
        "from, to": lambda meter: (meter.frm, meter.to),
    }
    for key, place in unique.items():
        for what, count in Counter(map(place, plant.meters)).items():
            if count > 1:
                yield f"meters.{key}", f"{what} stands twice"
    metered = {(meter.frm, meter.to) for meter in plant.meters}
    for frm, to in edges:
        if (frm, to) not in metered and frm not in plant.utilities:
            yield "meters", f"nobody meters the edge from {frm} to {to}"
    for fault in plant.faults:
        if fault.meter not in {meter.name for meter in plant.meters}:
            yield f"faults.{fault.meter}", "names no meter"
