"""Pure: a simulated meter: what truly flows over its edge, as its registers would have it exactly."""

from fractions import Fraction

from edge_agent.profiles import Profile, factor
from edge_agent.profiles.modbus import Register
from simulators.curve import PER_UNIT
from simulators.plant import CARRIERS, Meter
from simulators.scenario import Scenario
from simulators.slaves.modbus import step
from wire.quantities import QUANTITIES, register_id

# degC and bar, as one finds them on a pipe of the carrier; and K between supply and return.
_ON_THE_PIPE = {
    "natural_gas": (18, 2, 0),
    "compressed_air": (30, 7, 0),
    "chilled_water": (7, 4, 5),
    "hot_water": (70, 4, 20),
    "water": (15, 4, 0),
}
_WH_PER_M3_K = 1163  # water


class Instrument:
    """Meter `meter` of model `profile` in the plant of `scenario`. `counts`: its main quantity."""

    def __init__(self, meter: Meter, profile: Profile, scenario: Scenario) -> None:
        self.meter, self.profile = meter, profile
        self.scenario = scenario
        self.carrier = scenario.plant.carrier(meter)
        self.counts = counted(profile, self.carrier)

    def step(self, t_ms: int) -> Fraction:
        """The least change the main register shows at `t_ms`: its decimals, or the float's."""
        meaning = self.profile.meanings[self.counts]
        if isinstance(meaning, Register):
            return step(self.counts, meaning, self.value(self.counts, t_ms))
        return factor(self.counts, meaning)

    def value(self, quantity: str, t_ms: int) -> Fraction:
        """What the meter measures at `t_ms`, in the quantity's unit, before it is written down.

        Exact: no step, no modulus, no float. Behind current transformers it is the secondary side;
        0 for what flows nowhere in this plant. Raises KeyError for an unknown quantity.
        """
        known = QUANTITIES[quantity]
        if not known.cumulative:
            return self._momentary(quantity, t_ms)
        if known.carrier != self.carrier or register_id("", quantity) != "":
            return Fraction(0)
        flowed = Fraction(self.scenario.amount(self.meter, t_ms), PER_UNIT * self.meter.ct)
        return self.scenario.index(self.meter) + flowed

    @property
    def serial(self) -> int:
        """The meter's own number; drawn from the seed where the scenario names none."""
        if self.meter.serial is not None:
            return self.meter.serial
        return self.scenario.dice.between(10**6, 10**8, "serial", self.meter.name)

    def _momentary(self, name: str, t_ms: int) -> Fraction:
        """A plausible value, in the quantity's unit; 0 for what this plant has not got."""
        rate = Fraction(self.scenario.rate(self.meter, t_ms), self.meter.ct)
        if self.carrier == "electricity":
            return self._electrical(name, rate, t_ms)
        degrees, bar, spread = _ON_THE_PIPE[self.carrier]
        if name == "flow":
            return rate / (_WH_PER_M3_K * spread if spread else 1000)
        measured = {"temperature": degrees, "pressure": bar}
        return rate if name == "active_power" and spread else Fraction(measured.get(name, 0))

    def _electrical(self, name: str, watts: Fraction, t_ms: int) -> Fraction:
        phases = 3 if name[-3:] in ("_l1", "_l2", "_l3") else 1
        volts = Fraction(self.scenario.dice.between(2290, 2315, "volts", t_ms // 1000), 10)
        kind, _, _ = name.partition("_")
        if kind in ("active", "apparent"):
            return watts / phases
        if kind == "voltage":
            between_phases = name.count("_l") == 2
            return volts * (Fraction(173, 100) if between_phases else 1)
        if kind == "current":
            return watts / 3 / volts if phases == 3 else Fraction(0)
        return {"power": Fraction(1), "frequency": Fraction(50)}.get(kind, Fraction(0))


def counted(profile: Profile, carrier: str) -> str:
    """The quantity by which a meter of this model counts a carrier; "" where it does not."""
    unit = CARRIERS[carrier]
    for name in profile.meanings:
        known = QUANTITIES[name]
        if (known.carrier, known.unit, register_id("", name)) == (carrier, unit, ""):
            return name
    return ""
