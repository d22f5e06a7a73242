"""The TOML form of a site model (format 1), read and judged key by key.

Whatever contradicts itself or is not supported by this build is refused by file, line and key.
"""

from calc_stream.core.decimals import shown
from calc_stream.core.meters_toml import read_links, read_meters
from calc_stream.core.network import check_ends, check_network
from calc_stream.core.plant import RESIDUALS, Bus, Carrier, Node, Policy, SiteModel, Source
from calc_stream.core.toml_table import Table, read_table
from wire.units import UNITS

__all__ = ["SiteModel", "parse_model"]

_KNOWN = (
    *("format", "site", "timezone", "slot_s", "policy", "max_gap_s", "valid_from"),
    *("carriers", "sources", "buses", "utilities", "nodes", "exports", "stores"),
    *("meters", "links"),
)
_SPREADS = ("none", "machine_hours", "mass", "pieces", "direct_energy")


def parse_model(text: str, name: str) -> SiteModel:
    """The model in a TOML text; `name` is the file the errors speak of. Raises ConfigError."""
    top = read_table(text, name)
    if (number := top.whole("format")) != 1:
        raise top.refuse("format", f"{number} is not supported; this build reads format 1")
    top.close(_KNOWN)
    for store, table in top.tables("stores"):
        raise table.refuse("", f"stores ({store}) are not supported by this build")
    carriers = {name: _carrier(name, table) for name, table in top.tables("carriers")}
    sources = {name: _source(name, table, carriers) for name, table in top.tables("sources")}
    buses = {name: _bus(name, table, carriers) for name, table in top.tables("buses")}
    nodes = {name: _node(name, table) for name, table in top.tables("nodes")}
    utilities, exports = _names(top, "utilities"), _names(top, "exports")
    _unique(top)
    check_ends(top)
    gap_s = top.whole("max_gap_s", 0, least=1) if "max_gap_s" in top.data else None
    meters, links = read_meters(top, carriers, sources, buses, utilities), read_links(top)
    model = SiteModel(
        site=top.name_of("site"),
        timezone=top.text_of("timezone", "UTC"),
        slot_ms=top.whole("slot_s", 60, least=1) * 1000,
        policy=_policy(top.table("policy")),
        carriers=carriers,
        sources=sources,
        buses=buses,
        utilities=utilities,
        nodes=nodes,
        exports=exports,
        meters=meters,
        links=links,
        max_gap_ms=None if gap_s is None else gap_s * 1000,
        valid_from_ms=top.instant("valid_from"),
        text=text,
    )
    check_network(model, top)
    return model


def _carrier(name: str, table: Table) -> Carrier:
    table.close(("unit", "quanta_per_unit"))
    unit = table.one_of("unit", sorted(UNITS))
    quanta = table.whole("quanta_per_unit", least=1)
    digits = next((d for d in range(19) if 10**d % quanta == 0), None)
    if digits is None:
        raise table.refuse("quanta_per_unit", f"{quanta}: a quantum must be a decimal of the unit")
    return Carrier(name, unit, quanta, digits)


def _source(name: str, table: Table, carriers: dict[str, Carrier]) -> Source:
    table.close(("carrier", "factor"))
    factor = table.text_of("factor") if "factor" in table.data else None
    return Source(name, _known_carrier(table, carriers), factor)


def _bus(name: str, table: Table, carriers: dict[str, Carrier]) -> Bus:
    table.close(("carrier", "residual"))
    return Bus(
        name, _known_carrier(table, carriers), table.one_of("residual", RESIDUALS, "account")
    )


def _node(name: str, table: Table) -> Node:
    table.close(("kind", "line"))
    overhead = "kind" in table.data and table.one_of("kind", ("overhead",)) == "overhead"
    return Node(name, overhead, table.text_of("line") if "line" in table.data else None)


def _names(top: Table, key: str) -> tuple[str, ...]:
    found = []
    for name, table in top.tables(key):
        table.close(())
        found.append(name)
    return tuple(found)


def _known_carrier(table: Table, carriers: dict[str, Carrier]) -> str:
    carrier = table.text_of("carrier")
    if carrier not in carriers:
        raise table.refuse("carrier", f"no carrier is named {shown(carrier)} in this model")
    return carrier


def _unique(top: Table) -> None:
    """Names are unique over everything an edge can touch."""
    seen: dict[str, str] = {}
    for kind in ("sources", "buses", "utilities", "nodes", "exports"):
        for name, table in top.tables(kind):
            if name in seen:
                raise table.refuse("", f"the name is already one of the {seen[name]}")
            seen[name] = kind


def _policy(table: Table) -> Policy:
    table.close(("setup", "setup_max_s", "idle", "spread", "window"))
    spread = table.one_of("spread", _SPREADS, "none")
    if spread != "none":
        raise table.refuse("spread", f'"{spread}" is not supported by this build; use "none"')
    if "window" in table.data:
        raise table.refuse("window", "spreading pools over windows is not supported by this build")
    if table.text_of("setup", "next") == "campaign":
        raise table.refuse("setup", '"campaign" is not supported by this build')
    setup = table.one_of("setup", ("next", "pool"), "next")
    idle = table.one_of("idle", ("pool",), "pool")
    return Policy(setup, table.whole("setup_max_s", 28_800), idle, spread)
