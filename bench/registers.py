"""Readings to be packed: what twenty registers of an electricity meter show, second by second.

`noisy`: three phases of a machine, each with a load that wanders, steps and stops, seen at the
resolution of a meter of the SDM630's kind. `recorded`: the same as a gateway takes it down from a
busy line: floats of 32 bits, three answers a round, late ones, some lost. `plant`: what the
simulated plant's own meters tell.
"""

import math
import struct
from collections.abc import Iterator
from fractions import Fraction
from random import Random

from edge_agent.scaling import scaling
from simulators import plant
from simulators.live import instruments
from simulators.scenario import Scenario
from wire.messages import Sample, Value

T0_MS = 1_790_000_000_000
_DECIMALS = {"voltage": 1, "current": 3, "active_power": 1, "power_factor": 3, "frequency": 2}
_KW_S_PER_KWH = 3600


class Machine:
    """Three phases. `noise`: how far a load wanders from second to second, as a share of it."""

    def __init__(self, rng: Random, noise: float) -> None:
        self._rng, self._noise = rng, noise
        self._watts = [rng.uniform(200, 8000) for _ in range(3)]
        self._volts = [rng.uniform(226, 236) for _ in range(3)]
        self._factors = [rng.uniform(0.7, 0.97) for _ in range(3)]
        self._level, self._wander = [1.0] * 3, [0.0] * 3
        self._sag, self._hertz = [0.0] * 3, 50.0
        self._energy = [rng.uniform(100, 90_000) for _ in range(4)]

    def second(self) -> dict[str, float]:
        """The next second, in each quantity's unit."""
        gauss = self._rng.gauss
        common = gauss(0, 0.15)
        self._hertz = 50 + 0.97 * (self._hertz - 50) + gauss(0, 0.004)
        told = {"frequency": self._hertz}
        active = reactive = apparent = 0.0
        for at in range(3):
            if self._rng.random() < 0.02:  # something is switched
                self._level[at] = self._rng.choice((0.05, 0.4, 1.0, 1.0, 1.3))
            self._wander[at] = 0.8 * self._wander[at] + gauss(0, self._noise)
            self._sag[at] = 0.95 * self._sag[at] + gauss(0, 0.1)
            volts = self._volts[at] + self._sag[at] + common
            load = 1 + self._wander[at] + gauss(0, self._noise / 2)
            watts = max(0.0, self._watts[at] * self._level[at] * load)
            factor = self._factors[at] * (0.9 + 0.1 * self._level[at]) + gauss(0, 0.002)
            factor = min(0.999, max(0.1, factor))
            va = watts / factor
            phase = {"voltage": volts, "current": va / volts, "active_power": watts}
            for name, value in (phase | {"power_factor": factor}).items():
                told[f"{name}_l{at + 1}"] = value
            active, apparent = active + watts, apparent + va
            reactive += math.sqrt(max(0.0, va * va - watts * watts))
        told |= {"active_power": active, "reactive_power": reactive, "apparent_power": apparent}
        for n, watts in enumerate((active, 0.0, reactive, apparent)):
            self._energy[n] += watts / 1000 / _KW_S_PER_KWH
        names = ("active_energy_import", "active_energy_export", "reactive_energy_import")
        return told | dict(zip((*names, "apparent_energy"), self._energy, strict=True))


def noisy(meters: int, seconds: int, noise: float, seed: int = 1) -> list[Sample]:
    """Every meter once a second, within some milliseconds."""
    rng = Random(seed)
    found = []
    for meter in range(meters):
        machine, begin_ms = Machine(rng, noise), T0_MS + rng.randrange(1000)
        for second in range(seconds):
            t_ms = begin_ms + 1000 * second + rng.randint(-3, 3)
            values = {name: _written(name, x) for name, x in machine.second().items()}
            found.append(Sample(f"m-press-{meter + 1}", t_ms, values))
    return found


def recorded(meters: int, seconds: int, noise: float, seed: int = 1) -> list[Sample]:
    """Three answers a round, each at its own time; one in a hundred is lost."""
    rng = Random(seed)
    found = []
    for meter in range(meters):
        machine, begin_ms = Machine(rng, noise), T0_MS + rng.randrange(1000)
        for second in range(seconds):
            t_ms = begin_ms + 1000 * second + int(rng.expovariate(0.2))
            told = list(machine.second().items())
            for first in range(0, len(told), 7):
                part = {name: _written(name, _float32(x)) for name, x in told[first : first + 7]}
                t_ms += rng.randint(38, 44)
                if rng.random() > 0.01:
                    found.append(Sample(f"m-press-{meter + 1}", t_ms, part))
    return found


def of_plant(seconds: int) -> list[Sample]:
    """Every meter of the demo's plant, all it can tell, once a second."""
    scenario = Scenario(plant.load(plant.find("demo_plant")), 1, T0_MS)
    return [sample for second in range(seconds) for sample in _round(scenario, second)]


def _round(scenario: Scenario, second: int) -> Iterator[Sample]:
    t_ms = scenario.t0_ms + 600_000 + 1000 * second
    for instrument in instruments(scenario):
        meanings = instrument.profile.meanings
        told: dict[str, Value] = {}
        for name, meaning in meanings.items():
            shown = instrument.value(name, t_ms)
            found = scaling(name, meaning).value(shown / Fraction(meaning.scale))
            if found is not None:
                told[name] = found
        yield Sample(instrument.meter.name, t_ms, told)


def _written(name: str, value: float) -> Value:
    kind = name.partition("_l")[0]
    decimals = 3 if "energy" in kind else _DECIMALS.get(kind, 1)
    return round(value * 10**decimals), -decimals


def _float32(value: float) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])
