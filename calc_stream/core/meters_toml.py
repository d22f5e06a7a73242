"""The [[meters]] and [[links]] of a site model: where each sits and how its register counts."""

from collections.abc import Collection, Mapping
from datetime import date
from fractions import Fraction

from calc_stream.core.decimals import parse_fraction, shortest
from calc_stream.core.places_toml import read_loss
from calc_stream.core.plant import Carrier, Link, Meter
from calc_stream.core.toml_table import Table
from wire.reasons import shown
from wire.units import UNITS, UnitError, convert

_FACTS = (
    *("class", "ct_class", "pt_class", "rated_power", "ct", "pt"),
    *("certificate", "certificate_due", "certificate_u_percent", "certificate_k"),
)
_NUMBERS = {"rated_power", "certificate_u_percent", "certificate_k"}  # kW, % and none
_METER = (
    "id",
    "from",
    "to",
    "unit",
    "multiplier",
    "carrier",
    "share",
    "reference_efficiency",
    *_FACTS,
)


def read_meters(
    top: Table,
    carriers: Mapping[str, Carrier],
    along: Mapping[str, str],
    utilities: Collection[str],
) -> tuple[Meter, ...]:
    """The meters by id; their edges are judged in `network`. `along`: the carrier of each place
    that has one."""
    meters: dict[str, Meter] = {}
    for table in top.array("meters"):
        table.close(_METER)
        meter_id, start, end = table.name_of("id"), table.text_of("from"), table.text_of("to")
        if meter_id in meters:
            raise table.refuse("id", f"{meter_id} is already the id of another meter")
        carrier = _carrier(table, [along[place] for place in (start, end) if place in along])
        if carrier not in carriers:
            raise table.refuse("carrier", f"no carrier is named {shown(carrier)} in this model")
        for key in ("share", "reference_efficiency"):
            if key in table.data and start not in utilities:
                raise table.refuse(key, "only the outputs of a utility are shared out")
        meters[meter_id] = Meter(
            id=meter_id,
            start=start,
            end=end,
            unit=table.one_of("unit", sorted(UNITS)),
            carrier=carrier,
            scale=_scale(table, carriers[carrier]),
            share=_share(table),
            reference=_reference(table),
            facts=_facts(table),
        )
    return tuple(meters[meter_id] for meter_id in sorted(meters))


def read_links(top: Table) -> tuple[Link, ...]:
    """The links in their order; their edges are judged in `network`."""
    links = []
    for table in top.array("links"):
        table.close(("from", "to", "share", "loss"))
        ends = table.text_of("from"), table.text_of("to")
        links.append(Link(*ends, _share(table), read_loss(table)))
    return tuple(links)


def _facts(table: Table) -> dict[str, object]:
    """What the uncertainty stands on. A class that is none we know leaves a meter's error open; what
    must be a number or a day is refused when it is none."""
    facts = {key: value for key in _FACTS if (value := table.fact(key)) is not None}
    for key in sorted(_NUMBERS & facts.keys()):
        facts[key] = _number(table, key, str(facts[key]))
    due = facts.get("certificate_due")
    if due is not None and not isinstance(due, date):
        try:
            date.fromisoformat(str(due))
        except ValueError as exc:
            problem = f"must be a day such as 2027-06-30, not {shown(due)}"
            raise table.refuse("certificate_due", problem) from exc
    return facts


def _number(table: Table, key: str, told: str) -> str:
    """Above zero, as a decimal string."""
    if key == "rated_power":
        told = told.removesuffix("kW").rstrip()
    try:
        number = parse_fraction(told)
    except ValueError as exc:
        raise table.refuse(key, str(exc)) from exc
    if number <= 0:
        raise table.refuse(key, "must be above zero")
    return shortest(number)


def _carrier(table: Table, along: list[str]) -> str:
    """What flows through the meter: told by the bus or source it touches, else by itself."""
    if not along:
        if "carrier" not in table.data:
            raise table.refuse("carrier", "is missing: neither end of this meter tells its carrier")
        return table.text_of("carrier")
    told = table.text_of("carrier", along[0])
    if any(carrier != told for carrier in along):
        both = " and ".join(map(shown, sorted({told, *along})))
        key = "carrier" if "carrier" in table.data else "to"
        raise table.refuse(key, f"carriers differ along this edge: {both}")
    return told


def _scale(table: Table, carrier: Carrier) -> Fraction:
    """Quanta in one unit of the register."""
    multiplier = table.fraction("multiplier")
    if multiplier is not None and multiplier <= 0:
        raise table.refuse("multiplier", "must be above zero")
    try:
        rate = convert(table.text_of("unit"), carrier.unit)
    except UnitError as exc:
        raise table.refuse("unit", str(exc)) from exc
    return (multiplier or Fraction(1)) * rate * carrier.quanta_per_unit


def _reference(table: Table) -> Fraction | None:
    """The efficiency at which an output is made apart."""
    reference = table.fraction("reference_efficiency")
    if reference is not None and reference <= 0:
        raise table.refuse("reference_efficiency", "must be above zero")
    return reference


def _share(table: Table) -> Fraction | None:
    share = table.fraction("share")
    if share is not None and share < 0:
        raise table.refuse("share", "may not be below zero")
    return share
