"""Pure: a simulated meter: what truly flows over its edge, as its registers would have it exactly."""

from fractions import Fraction

from edge_agent.profiles.modbus import Profile
from simulators.curve import MJ_PER_KWH
from simulators.plant import Meter
from simulators.scenario import Scenario
from simulators.slaves.modbus import step
from wire.quantities import QUANTITIES

_IMPORT = "active_energy_import"


class Instrument:
    """Meter `meter` of model `profile` in the plant of `scenario`."""

    def __init__(self, meter: Meter, profile: Profile, scenario: Scenario) -> None:
        self.meter, self.profile = meter, profile
        self.scenario = scenario

    def step_kwh(self, t_ms: int) -> Fraction:
        """The least change the import register shows at `t_ms`: its decimals, or the float's."""
        return step(_IMPORT, self.profile.registers[_IMPORT], self.value(_IMPORT, t_ms))

    def value(self, quantity: str, t_ms: int) -> Fraction:
        """What the meter measures at `t_ms`, in the quantity's unit, before it is written down.

        Exact: no step, no modulus, no float. Behind current transformers it is the secondary side;
        0 for what flows nowhere in this plant. Raises KeyError for an unknown quantity.
        """
        known = QUANTITIES[quantity]
        if quantity == _IMPORT:
            energy = Fraction(self.scenario.energy_mj(self.meter, t_ms), self.meter.ct)
            return (self.scenario.index_mj(self.meter) + energy) / MJ_PER_KWH
        return Fraction(0) if known.cumulative else self._momentary(quantity, t_ms)

    @property
    def serial(self) -> int:
        """The meter's own number; drawn from the seed where the scenario names none."""
        if self.meter.serial is not None:
            return self.meter.serial
        return self.scenario.dice.between(10**6, 10**8, "serial", self.meter.name)

    def _momentary(self, name: str, t_ms: int) -> Fraction:
        """A plausible value, in the quantity's unit; 0 for what this plant has not got."""
        phases = 3 if name[-3:] in ("_l1", "_l2", "_l3") else 1
        watts = Fraction(self.scenario.watts(self.meter, t_ms), self.meter.ct)
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
