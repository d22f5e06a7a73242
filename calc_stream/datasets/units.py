"""Pure: units as LCA tools know them. Ids are those of the reference data of openLCA and ILCD.

What they have no unit for is counted in items of its own kind.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from calc_stream.datasets.ids import named
from wire.units import UNITS, convert


@dataclass(frozen=True)
class Unit:
    """`factor`: how many of the group's first unit one is."""

    id: str
    name: str
    factor: Fraction

    @property
    def reference(self) -> dict[str, str]:
        return {"@type": "Unit", "@id": self.id, "name": self.name}


@dataclass(frozen=True)
class Group:
    """The first unit is the one of reference."""

    id: str
    name: str
    units: tuple[Unit, ...]


@dataclass(frozen=True)
class Measure:
    """The flow property that is measured in a unit."""

    id: str
    name: str
    group: Group
    unit: Unit

    @property
    def reference(self) -> dict[str, str]:
        return {"@type": "FlowProperty", "@id": self.id, "name": self.name}


@cache
def measure(unit: str) -> Measure:
    """How something counted in this unit is measured."""
    if unit == "piece":
        return _ITEMS
    if unit not in UNITS:
        own = Unit(named("unit", unit), unit, Fraction(1))
        group = Group(named("unit group", unit), f"Units of {unit}", (own,))
        return Measure(named("flow property", unit), f"Number of {unit}", group, own)
    id_, name, group = next(one for one in _MEASURES if _has(one[2], unit))
    return Measure(id_, name, group, next(each for each in group.units if each.name == unit))


def _has(group: Group, unit: str) -> bool:
    return any(each.name == unit for each in group.units)


def _group(id_: str, name: str, reference: str, **ids: str) -> Group:
    """Normal cubic metres stand among the volumes, as they do in the reference data."""
    units = [
        Unit(ids[unit], unit, Fraction(1) if unit == "Nm3" else convert(unit, reference))
        for unit in ids
    ]
    return Group(id_, name, tuple(units))


_MEASURES = (
    (
        "f6811440-ee37-11de-8a39-0800200c9a66",
        "Energy",
        _group(
            "93a60a57-a3c8-11da-a746-0800200c9a66",
            "Units of energy",
            "MJ",
            MJ="52765a6c-3896-43c2-b2f4-c679acf13efe",
            kWh="86ad2244-1f0e-4912-af53-7865283103e4",
            MWh="92e3bd49-8ed5-4885-9db6-fc88c7afcfcb",
            GJ="01e58eb9-0aba-4c76-ba0c-03f6f3be1353",
            kJ="f4119718-2d50-47fe-9154-cab6fd2d30eb",
            Wh="fc3604f7-aa93-4aa3-8ae9-8f822874da5f",
        ),
    ),
    (
        "93a60a56-a3c8-11da-a746-0800200b9a66",
        "Mass",
        _group(
            "93a60a57-a4c8-11da-a746-0800200c9a66",
            "Units of mass",
            "kg",
            kg="20aadc24-a391-41cf-b340-3e4529f44bde",
            g="e1317ffc-7f83-4a85-bc65-4fb229a25cf8",
            t="83192ffa-5990-490b-a23a-b45ca072db6f",
        ),
    ),
    (
        "93a60a56-a3c8-22da-a746-0800200c9a66",
        "Volume",
        _group(
            "93a60a57-a3c8-12da-a746-0800200c9a66",
            "Units of volume",
            "m3",
            m3="1c3a9695-398d-4b1f-b07e-a8715b610f70",
            L="b80a512e-e402-4363-8ad0-7d02dcf4a459",
            Nm3="4669b8ce-894d-405a-95d1-3211accaa739",
        ),
    ),
)
_PIECE = Unit("6dabe201-aaac-4509-92f0-d00c26cb72ab", "Item(s)", Fraction(1))
_ITEMS = Measure(
    "01846770-4cfe-4a25-8ad9-919d8d378345",
    "Number of items",
    Group("5beb6eed-33a9-47b8-9ede-1dfe8f679159", "Units of items", (_PIECE,)),
    _PIECE,
)
