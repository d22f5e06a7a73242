"""The TOML form of a site model (format 1), read and judged key by key.

Whatever contradicts itself or is not supported by this build is refused by file, line and key.
"""

from calc_stream.core.meters_toml import read_links, read_meters
from calc_stream.core.network import check_ends, check_network
from calc_stream.core.places_toml import (
    read_bus,
    read_carrier,
    read_node,
    read_source,
    read_store,
    read_utility,
)
from calc_stream.core.plant import SiteModel
from calc_stream.core.policy_toml import read_policy
from calc_stream.core.toml_table import Table, read_table
from calc_stream.core.windows import zone_of

__all__ = ["SiteModel", "parse_model"]

_KNOWN = (
    *("format", "site", "timezone", "slot_s", "policy", "max_gap_s", "valid_from"),
    *("carriers", "sources", "buses", "utilities", "nodes", "exports", "stores"),
    *("meters", "links"),
)


def parse_model(text: str, name: str) -> SiteModel:
    """The model in a TOML text; `name` is the file the errors speak of. Raises ConfigError."""
    top = read_table(text, name)
    if (number := top.whole("format")) != 1:
        raise top.refuse("format", f"{number} is not supported; this build reads format 1")
    top.close(_KNOWN)
    carriers = {name: read_carrier(name, table) for name, table in top.tables("carriers")}
    sources = {name: read_source(name, table, carriers) for name, table in top.tables("sources")}
    buses = {name: read_bus(name, table, carriers) for name, table in top.tables("buses")}
    stores = {n: read_store(n, table, carriers, sources) for n, table in top.tables("stores")}
    lines = frozenset(str(t.data["line"]) for _, t in top.tables("nodes") if "line" in t.data)
    nodes = {name: read_node(name, table, lines) for name, table in top.tables("nodes")}
    utilities = {name: read_utility(name, table) for name, table in top.tables("utilities")}
    exports = _names(top, "exports")
    _unique(top)
    check_ends(top)
    gap_s = top.whole("max_gap_s", 0, least=1) if "max_gap_s" in top.data else None
    along = {name: source.carrier for name, source in sources.items()}
    along |= {name: bus.carrier for name, bus in buses.items()}
    along |= {name: store.carrier for name, store in stores.items()}
    timezone = _timezone(top)
    model = SiteModel(
        site=top.name_of("site"),
        timezone=timezone,
        slot_ms=top.whole("slot_s", 60, least=1) * 1000,
        policy=read_policy(top.table("policy"), timezone),
        carriers=carriers,
        sources=sources,
        buses=buses,
        utilities=utilities,
        stores=stores,
        nodes=nodes,
        exports=exports,
        meters=read_meters(top, carriers, along, utilities),
        links=read_links(top),
        max_gap_ms=None if gap_s is None else gap_s * 1000,
        valid_from_ms=top.instant("valid_from"),
        text=text,
        file=name,
    )
    check_network(model, top)
    return model


def _timezone(top: Table) -> str:
    timezone = top.text_of("timezone", "UTC")
    try:
        zone_of(timezone)
    except ValueError as exc:
        raise top.refuse("timezone", str(exc)) from exc
    return timezone


def _names(top: Table, key: str) -> tuple[str, ...]:
    found = []
    for name, table in top.tables(key):
        table.close(())
        found.append(name)
    return tuple(found)


def _unique(top: Table) -> None:
    """Names are unique over everything an edge can touch."""
    seen: dict[str, str] = {}
    for kind in ("sources", "buses", "utilities", "nodes", "exports", "stores"):
        for name, table in top.tables(kind):
            if name in seen:
                raise table.refuse("", f"the name is already one of the {seen[name]}")
            seen[name] = kind
