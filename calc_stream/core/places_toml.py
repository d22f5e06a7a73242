"""The places of a site model: carriers, sources, buses, utilities, stores and nodes, one a table."""

from collections.abc import Mapping
from fractions import Fraction

from calc_stream.core.plant import RESIDUALS, Bus, Carrier, Node, Source, Store, Utility
from calc_stream.core.toml_table import Table
from wire.reasons import shown
from wire.units import UNITS, convert, kind


def read_carrier(name: str, table: Table) -> Carrier:
    """Raises ConfigError, like all below."""
    table.close(("unit", "quanta_per_unit", "kwh_per_unit"))
    unit = table.one_of("unit", sorted(UNITS))
    quanta = table.whole("quanta_per_unit", least=1)
    digits = next((d for d in range(19) if 10**d % quanta == 0), None)
    if digits is None:
        raise table.refuse("quanta_per_unit", f"{quanta}: a quantum must be a decimal of the unit")
    kwh = table.fraction("kwh_per_unit")
    if kind(unit) == "energy":
        if kwh is not None:
            raise table.refuse("kwh_per_unit", f"{unit} is energy already")
        kwh = convert(unit, "kWh")
    elif kwh is not None and kwh <= 0:
        raise table.refuse("kwh_per_unit", "must be above zero")
    return Carrier(name, unit, quanta, digits, kwh or Fraction(0))


def read_source(name: str, table: Table, carriers: Mapping[str, Carrier]) -> Source:
    table.close(("carrier", "factor"))
    factor = table.text_of("factor") if "factor" in table.data else None
    return Source(name, _known_carrier(table, carriers), factor)


def read_bus(name: str, table: Table, carriers: Mapping[str, Carrier]) -> Bus:
    table.close(("carrier", "residual"))
    residual = table.one_of("residual", RESIDUALS, "account")
    return Bus(name, _known_carrier(table, carriers), residual)


def read_utility(name: str, table: Table) -> Utility:
    table.close(("loss",))
    return Utility(name, read_loss(table))


def read_loss(table: Table) -> Fraction | None:
    """A part that is lost on the way."""
    loss = table.fraction("loss")
    if loss is not None and not 0 <= loss < 1:
        raise table.refuse("loss", 'must be a part from "0" up, below "1"')
    return loss


def read_store(
    name: str, table: Table, carriers: Mapping[str, Carrier], sources: Mapping[str, Source]
) -> Store:
    """A store begins empty unless it says how much is in it and what that carries."""
    table.close(("carrier", "efficiency", "level", "content"))
    carrier = _known_carrier(table, carriers)
    efficiency = table.fraction("efficiency")
    if efficiency is not None and not 0 < efficiency <= 1:
        raise table.refuse("efficiency", 'must be above "0", at most "1"')
    level = _quanta(table, "level", carriers[carrier])
    told = table.table("content")
    if ("content" in table.data) != ("level" in table.data):
        missing, there = sorted(("content", "level"), key=lambda key: key in table.data)
        raise table.refuse(missing, f"is missing: {there} and {missing} of a start go together")
    content = {}
    for source in sorted(told.data):
        if source not in sources:
            raise told.refuse(source, f"no source is named {shown(source)} in this model")
        content[source] = _quanta(told, source, carriers[sources[source].carrier])
    return Store(name, carrier, efficiency or Fraction(1), level, content)


def read_node(name: str, table: Table, lines: frozenset[str]) -> Node:
    """`lines`: all lines any node is on."""
    table.close(("kind", "line", "serves"))
    overhead = "kind" in table.data and table.one_of("kind", ("overhead",)) == "overhead"
    line = table.text_of("line") if "line" in table.data else None
    return Node(name, overhead, line, _serves(table, lines, overhead))


def _serves(table: Table, lines: frozenset[str], overhead: bool) -> tuple[str, ...] | None:
    """None: the whole site; no line at all: nobody."""
    told = table.data.get("serves", "site")
    if "serves" in table.data and not overhead:
        raise table.refuse("serves", 'is for nodes of kind = "overhead": others serve themselves')
    if told in ("site", "none"):
        return None if told == "site" else ()
    if not isinstance(told, list) or not told:
        raise table.refuse("serves", 'must be "site", "none" or a list of lines')
    for line in told:
        if line not in lines:
            raise table.refuse("serves", f"no node is on a line {shown(line)}")
    return tuple(sorted(set(told)))


def _quanta(table: Table, key: str, carrier: Carrier) -> int:
    """An amount in the carrier's unit, in quanta; zero when absent."""
    amount = (table.fraction(key) or Fraction(0)) * carrier.quanta_per_unit
    if amount < 0:
        raise table.refuse(key, "may not be below zero")
    if amount.denominator != 1:
        raise table.refuse(key, f"is finer than a quantum of {carrier.name}")
    return int(amount)


def _known_carrier(table: Table, carriers: Mapping[str, Carrier]) -> str:
    carrier = table.text_of("carrier")
    if carrier not in carriers:
        raise table.refuse("carrier", f"no carrier is named {shown(carrier)} in this model")
    return carrier
