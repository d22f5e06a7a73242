"""Units a register may be in, and exact conversion inside one kind of quantity."""

from fractions import Fraction

from wire.errors import BadData

# unit -> (kind, how many of the kind's first unit). 1 kWh = 3.6 MJ exactly.
_UNITS: dict[str, tuple[str, Fraction]] = {
    "Wh": ("energy", Fraction(1)),
    "kWh": ("energy", Fraction(1000)),
    "MWh": ("energy", Fraction(1_000_000)),
    "kJ": ("energy", Fraction(1000, 3600)),
    "MJ": ("energy", Fraction(1_000_000, 3600)),
    "GJ": ("energy", Fraction(1_000_000_000, 3600)),
    "L": ("volume", Fraction(1)),
    "m3": ("volume", Fraction(1000)),
    "Nm3": ("normal volume", Fraction(1)),
    "g": ("mass", Fraction(1)),
    "kg": ("mass", Fraction(1000)),
    "t": ("mass", Fraction(1_000_000)),
}

UNITS = frozenset(_UNITS)


class UnitError(BadData):
    """An unknown unit, or a conversion between different kinds."""


def kind(unit: str) -> str:
    """energy, volume, normal volume or mass. Raises UnitError for an unknown unit."""
    if unit not in _UNITS:
        raise UnitError(f"unknown unit {unit!r}; known: {', '.join(sorted(_UNITS))}")
    return _UNITS[unit][0]


def convert(frm: str, to: str) -> Fraction:
    """How many `to` one `frm` is, exactly. Raises UnitError across kinds."""
    if kind(frm) != kind(to):
        raise UnitError(f"{frm} ({kind(frm)}) cannot be converted to {to} ({kind(to)})")
    return _UNITS[frm][1] / _UNITS[to][1]
