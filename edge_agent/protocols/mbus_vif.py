"""What an M-Bus value is: the codes behind a data record, its kind, its unit and its scale.

Units are those of `wire.quantities`, so a scale is a fraction where a meter counts joules. What is
not listed here has no kind and is never taken for anything.
Source: EN 13757-3, tables of primary, FB and FD value information and of their extensions.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

PLAIN_TEXT = 0x7C
MANUFACTURER = 0x7F
MEDIA = {
    0x00: "other",
    0x01: "oil",
    0x02: "electricity",
    0x03: "gas",
    0x04: "heat",
    0x05: "steam",
    0x06: "warm water",
    0x07: "water",
    0x08: "heat cost",
    0x09: "compressed air",
    0x0A: "cooling",
    0x0B: "cooling",
    0x0C: "heat",
    0x0D: "heat and cooling",
    0x15: "hot water",
    0x16: "cold water",
    0x18: "pressure",
    0x19: "converter",
}
FLAGS = {"error_flags", "digital_output", "digital_input"}  # bits, not a signed number
DATES = {"date", "time_point"}


@dataclass(frozen=True)
class Meaning:
    """A number times `scale` is the `kind`, in `unit`. `qualifiers`: what else was said of it."""

    kind: str
    unit: str = ""
    scale: Fraction = Fraction(1)
    qualifiers: bytes = b""
    is_measured: bool = True


UNKNOWN = Meaning("unknown")


def _row(first: int, size: int, kind: str, unit: str, scale: str) -> dict[int, Meaning]:
    """`size` codes from `first`; `scale` is that of the first, each next one is ten times more."""
    return {first + n: Meaning(kind, unit, Fraction(scale) * 10**n) for n in range(size)}


def _times(first: int, kind: str) -> dict[int, Meaning]:
    """Four codes: seconds, minutes, hours, days."""
    return {first + n: Meaning(kind, "s", Fraction(s)) for n, s in enumerate((1, 60, 3600, 86400))}


_PRIMARY: dict[int, Meaning] = {
    **_row(0x00, 8, "energy", "kWh", "1/1000000"),  # 0.001 Wh
    **_row(0x08, 8, "energy", "kWh", "1/3600000"),  # 1 J
    **_row(0x10, 8, "volume", "m3", "1/1000000"),
    **_row(0x18, 8, "mass", "t", "1/1000000"),
    **_times(0x20, "on_time"),
    **_times(0x24, "operating_time"),
    **_row(0x28, 8, "power", "W", "1/1000"),
    **_row(0x30, 8, "power", "W", "1/3600"),  # 1 J/h
    **_row(0x38, 8, "flow", "m3/h", "1/1000000"),
    **_row(0x40, 8, "flow", "m3/h", "60/10000000"),  # per minute
    **_row(0x48, 8, "flow", "m3/h", "3600/1000000000"),  # per second
    **_row(0x50, 8, "mass_flow", "t/h", "1/1000000"),
    **_row(0x58, 4, "flow_temperature", "degC", "1/1000"),
    **_row(0x5C, 4, "return_temperature", "degC", "1/1000"),
    **_row(0x60, 4, "temperature_difference", "K", "1/1000"),
    **_row(0x64, 4, "external_temperature", "degC", "1/1000"),
    **_row(0x68, 4, "pressure", "bar", "1/1000"),
    0x6C: Meaning("date"),
    0x6D: Meaning("time_point"),
    0x6E: Meaning("heat_cost"),
    **_times(0x70, "averaging_duration"),
    **_times(0x74, "actuality_duration"),
    0x78: Meaning("fabrication_number"),
    0x79: Meaning("identification"),
    0x7A: Meaning("bus_address"),
    MANUFACTURER: Meaning("manufacturer_specific"),
}
_FB: dict[int, Meaning] = {
    **_row(0x00, 2, "energy", "kWh", "100"),
    **_row(0x02, 2, "reactive_energy", "kvarh", "1"),
    **_row(0x04, 2, "apparent_energy", "kVAh", "1"),
    **_row(0x08, 2, "energy", "kWh", "1000/36"),  # 0.1 GJ
    **_row(0x10, 2, "volume", "m3", "100"),
    **_row(0x14, 4, "reactive_power", "var", "1"),
    **_row(0x18, 2, "mass", "t", "100"),
    **_row(0x28, 2, "power", "W", "100000"),
    **_row(0x2C, 4, "frequency", "Hz", "1/1000"),
    **_row(0x30, 2, "power", "W", "1000000/36"),  # 0.1 GJ/h
    **_row(0x34, 4, "apparent_power", "VA", "1"),
}
_FD: dict[int, Meaning] = {
    0x08: Meaning("access_number"),
    0x09: Meaning("medium"),
    0x0A: Meaning("manufacturer"),
    0x0B: Meaning("parameter_set"),
    0x0C: Meaning("model_version"),
    0x0D: Meaning("hardware_version"),
    0x0E: Meaning("firmware_version"),
    0x0F: Meaning("software_version"),
    0x17: Meaning("error_flags"),
    0x1A: Meaning("digital_output"),
    0x1B: Meaning("digital_input"),
    0x3A: Meaning("dimensionless", "1"),
    **_row(0x40, 16, "voltage", "V", "1/1000000000"),
    **_row(0x50, 16, "current", "A", "1/1000000000000"),
    0x60: Meaning("reset_counter"),
    0x61: Meaning("cumulation_counter"),
}
# Units of the two counters of the fixed structure.
FIXED: dict[int, Meaning] = {
    **_row(0x02, 9, "energy", "kWh", "1/1000"),
    **_row(0x0B, 9, "energy", "kWh", "1/3600"),  # 1 kJ
    **_row(0x14, 9, "power", "W", "1"),
    **_row(0x1D, 9, "power", "W", "10/36"),  # 1 kJ/h
    **_row(0x26, 9, "volume", "m3", "1/1000000"),
    **_row(0x2F, 9, "flow", "m3/h", "1/1000000"),
    0x38: Meaning("external_temperature", "degC", Fraction(1, 1000)),
    0x39: Meaning("heat_cost"),
}
FIXED_AS_FIRST, FIXED_SECOND_MODE = (
    0x3E,
    {0x0A: 0x03, 0x0B: 0x04, 0x0C: 0x06, 0x0D: 0x07, 0x0E: 0x08},
)
_ERRORS = {*range(0x01, 0x0C), *range(0x15, 0x1D)}
_NO_ERROR = 0x00
_DATES_OF = {0x39, *range(0x42, 0x48), *range(0x4A, 0x50), 0x6A, 0x6B, 0x6E, 0x6F}
# The unit stays: averaged, uncorrected, only if positive or negative, at base conditions, limits,
# while a limit is exceeded, in future, further tables (phases, quadrants), the manufacturer's own.
_SAME_UNIT = {0x12, 0x3A, 0x3B, 0x3C, 0x3E, 0x40, 0x48, 0x68, 0x6C, 0x7C, 0x7E, MANUFACTURER}


def meaning(vib: bytes, text: str = "") -> Meaning:
    """What value information says; a plain-text unit stands in `text`, not in `vib`."""
    code, extensions = vib[0] & 0x7F, vib[1:]
    if vib[0] in (0xFB, 0xFD):
        table = _FB if vib[0] == 0xFB else _FD
        base, extensions = table.get(vib[1] & 0x7F, UNKNOWN), vib[2:]
    elif code == PLAIN_TEXT:
        base = Meaning("plain_text", text)
    else:
        base = _PRIMARY.get(code, UNKNOWN)
    if code == MANUFACTURER:
        return replace(base, qualifiers=extensions)
    for at, extension in enumerate(extensions):
        code = extension & 0x7F
        if code in (MANUFACTURER, PLAIN_TEXT):  # what follows is of another table
            return replace(base, qualifiers=base.qualifiers + extensions[at:])
        base = _extended(base, extension)
    return base


def _extended(base: Meaning, extension: int) -> Meaning:
    code = extension & 0x7F
    if code == _NO_ERROR:
        return base
    if 0x70 <= code <= 0x77:
        return replace(base, scale=base.scale * Fraction(10) ** (code - 0x76))
    if code == 0x7D:
        return replace(base, scale=base.scale * 1000)
    if code in _ERRORS:
        return replace(base, is_measured=False)
    qualified = replace(base, qualifiers=base.qualifiers + bytes((extension,)))
    if code in _DATES_OF:
        return replace(qualified, kind="time_point", unit="", scale=Fraction(1))
    return qualified if code in _SAME_UNIT else replace(UNKNOWN, qualifiers=qualified.qualifiers)
