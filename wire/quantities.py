"""The closed vocabulary of what a meter can tell, each in one unit.

A cumulative quantity is a register that only grows; the product's energy truth stands on these.
The rest is for looking at.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Quantity:
    """One thing a meter can tell. `carrier` is empty for what is no flow of a carrier; `gateway`:
    no meter tells it, but a gateway of itself, under its own name."""

    name: str
    unit: str
    cumulative: bool = False
    carrier: str = ""
    gateway: bool = False


def _phases(name: str, unit: str) -> list[Quantity]:
    return [Quantity(f"{name}_l{n}", unit) for n in (1, 2, 3)]


_CUMULATIVE = [
    Quantity("active_energy_import", "kWh", True, "electricity"),
    Quantity("active_energy_export", "kWh", True, "electricity"),
    Quantity("reactive_energy_import", "kvarh", True),
    Quantity("reactive_energy_export", "kvarh", True),
    Quantity("apparent_energy", "kVAh", True),
    Quantity("gas_volume", "m3", True, "natural_gas"),
    Quantity("gas_normal_volume", "Nm3", True, "natural_gas"),
    Quantity("water_volume", "m3", True, "water"),
    Quantity("air_volume", "m3", True, "compressed_air"),
    Quantity("air_normal_volume", "Nm3", True, "compressed_air"),
    Quantity("steam_mass", "t", True, "steam"),
    Quantity("heat_energy", "kWh", True, "hot_water"),
    Quantity("cooling_energy", "kWh", True, "chilled_water"),
    Quantity("fuel_volume", "L", True, "diesel"),
    Quantity("pulses", "1", True),
]

_MOMENTARY = [
    Quantity("active_power", "W"),
    *_phases("active_power", "W"),
    Quantity("reactive_power", "var"),
    *_phases("reactive_power", "var"),
    Quantity("apparent_power", "VA"),
    *_phases("apparent_power", "VA"),
    *_phases("voltage", "V"),
    Quantity("voltage_l1_l2", "V"),
    Quantity("voltage_l2_l3", "V"),
    Quantity("voltage_l3_l1", "V"),
    *_phases("current", "A"),
    Quantity("current_n", "A"),
    Quantity("power_factor", "1"),
    *_phases("power_factor", "1"),
    Quantity("frequency", "Hz"),
    Quantity("flow", "m3/h"),
    Quantity("mass_flow", "t/h"),
    Quantity("temperature", "degC"),
    Quantity("pressure", "bar"),
]

# What a gateway tells of itself. None is cumulative, so that none can be taken for a flow: those
# that count do so since the last time it told.
_OF_GATEWAY = [
    Quantity("slots_due", "1", gateway=True),  # times a meter was to be read
    Quantity("slots_answered", "1", gateway=True),
    Quantity("answers_garbled", "1", gateway=True),
    Quantity("answers_stray", "1", gateway=True),
    Quantity("response_p99", "ms", gateway=True),  # of the slowest meter
    Quantity("meters_silent", "1", gateway=True),
    Quantity("link_losses", "1", gateway=True),
    Quantity("segments_waiting", "1", gateway=True),  # for a receipt
    Quantity("store_size", "B", gateway=True),
    Quantity("disk_free", "B", gateway=True),
    Quantity("readings_thinned", "1", gateway=True),  # left out of a store that is nearly full
    Quantity("readings_lost", "1", gateway=True),
    Quantity("cpu_time", "ms", gateway=True),
    Quantity("resident_memory", "B", gateway=True),
]

QUANTITIES: dict[str, Quantity] = {q.name: q for q in (*_CUMULATIVE, *_MOMENTARY, *_OF_GATEWAY)}

# A meter sits on one edge of the site model in one direction. Its second direction is a register
# of its own there, under the meter's name with a suffix.
_OTHER_DIRECTION = {"active_energy_export": ".export"}
_NOT_ON_AN_EDGE = {
    "reactive_energy_import",
    "reactive_energy_export",
    "apparent_energy",
    "pulses",
}


def register_id(meter: str, quantity: str) -> str | None:
    """The id a site model knows one cumulative register by; None for what no edge carries."""
    if not QUANTITIES[quantity].cumulative or quantity in _NOT_ON_AN_EDGE:
        return None
    return meter + _OTHER_DIRECTION.get(quantity, "")
