"""From energy to mass: factors last, exact decimals, rounded once.

A product footprint factor (kgCO2e, life cycle) and an inventory factor (kgCO2) are two types; a
method works with one of them and refuses the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from calc_stream.core.decimals import significant
from calc_stream.core.plant import SiteModel
from wire.errors import ConfigError
from wire.units import UnitError, convert


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """`value` kg of `gases` for one `unit` of a carrier (kWh, m3, kg …), with its document.

    Valid from `valid_from_ms` up to, not including, `valid_to_ms`; None is open.
    """

    id: str
    value: Decimal
    unit: str
    kind: str
    gases: str
    stage: str
    region: str
    valid_from_ms: int | None
    valid_to_ms: int | None
    publisher: str
    document: str
    url: str
    hash: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductFactor(Factor):
    """kgCO2e over the life cycle, for product footprints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryFactor(Factor):
    """kgCO2 for an organisation's inventory."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """The factor of each source."""

    factors: Mapping[str, Factor]

    def columns(self, model: SiteModel, quanta: Mapping[str, Fraction | int]) -> dict[str, str]:
        """kg by the factors' stage, 12 significant digits half-even; zero columns left out."""
        sums: dict[str, Fraction] = {}
        for source, amount in quanta.items():
            factor, carrier = self.factors[source], model.carrier_of(source)
            units = Fraction(amount) / carrier.quanta_per_unit * convert(carrier.unit, factor.unit)
            sums[factor.stage] = sums.get(factor.stage, Fraction(0)) + units * Fraction(
                factor.value
            )
        return {stage: significant(mass) for stage, mass in sorted(sums.items()) if mass}


def choose_factors(
    model: SiteModel, factors: Mapping[str, Factor], kind: type[Factor]
) -> Footprint:
    """The factor of every source, all of the kind a method takes. Raises ConfigError."""
    for name in model.sources:
        where = f"sources.{name}.factor"
        if name not in factors:
            raise ConfigError(f"{where}: is missing; a method needs a factor for every source")
        factor = factors[name]
        if type(factor) is not kind:
            raise ConfigError(
                f"{where}: {factor.id} is a {factor.kind} factor, not the method's kind"
            )
        try:
            convert(model.carrier_of(name).unit, factor.unit)
        except UnitError as exc:
            raise ConfigError(f"{where}: {exc}") from exc
    return Footprint(dict(factors))
