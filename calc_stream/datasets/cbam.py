"""Pure: source streams and the emissions they give, as the EC's communication template computes them.

Combustion is AD x NCV x EF x OxF, or AD x EF x OxF where the factor is per unit of fuel; process
emissions are AD x EF x ConvF; a mass balance is AD x carbon content x C-to-CO2, negative for what
leaves. What is biomass is taken off.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

Approach = Literal["Combustion", "Process Emissions", "Mass balance"]
_ONE = Fraction(1)


@dataclass(frozen=True)
class Stream:
    """`ad` in `ad_unit`; `ncv` in GJ for one of it; `ef` in tCO2 for a TJ, or without `ncv` for one of
    `ad_unit`; `carbon` in tC for one. Factors and contents are shares of 1."""

    approach: Approach
    name: str
    ad: Fraction
    ad_unit: str
    ncv: Fraction | None = None
    ef: Fraction | None = None
    carbon: Fraction | None = None
    oxf: Fraction = _ONE
    convf: Fraction = _ONE
    bioc: Fraction = Fraction(0)

    @property
    def tj(self) -> Fraction:
        """Energy, biomass included; 0 of what has no heating value."""
        return self.ad * (self.ncv or 0) / 1000

    def t_co2(self, c_to_co2: Fraction) -> Fraction:
        """Fossil CO2."""
        if self.approach == "Mass balance":
            whole = self.ad * (self.carbon or 0) * c_to_co2
        elif self.approach == "Process Emissions":
            whole = self.ad * (self.ef or 0) * self.convf
        else:
            whole = (self.ad if self.ncv is None else self.tj) * (self.ef or 0) * self.oxf
        return whole * (1 - self.bioc)
