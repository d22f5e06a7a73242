"""Pure: what a factor of combustion or of leaking gas is made of, and its kg under a method's metric.

A unit of fuel gives ncv x (carbon x oxidation x C-to-CO2 + gases x their GWP); a unit of leaking gas
its gases x their GWP. So one row serves methods that count carbon or gases differently.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction

import msgspec

from wire.errors import BadData

_TJ_PER_MJ = Fraction(1, 1_000_000)


@dataclass(frozen=True)
class Metric:
    """kg of CO2 for a kg of carbon, and kg of CO2e for a kg of each gas."""

    c_to_co2: Fraction
    gwp: Mapping[str, Fraction]


# Molar masses 44 and 12; for factors that count nothing but CO2.
CO2_ONLY = Metric(Fraction(44, 12), {"CO2": Fraction(1)})


class Parts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Decimal strings, as the document states them.

    `ncv_mj`: lower heating value of one unit in MJ · `carbon_t_per_tj` burnt to the part
    `oxidation` · `gas_kg_per_tj`, `gas_kg`: gases for a TJ of the fuel, or for one unit ·
    `gwp`: the set the row's own `value` was computed by, where that makes a difference.
    """

    ncv_mj: str = ""
    carbon_t_per_tj: str = ""
    oxidation: str = "1"
    gas_kg_per_tj: dict[str, str] = {}
    gas_kg: dict[str, str] = {}
    gwp: str = ""

    def kg(self, metric: Metric) -> Fraction:
        """kg for one unit, exactly. Raises BadData for a gas the metric does not know."""
        carbon = number(self.carbon_t_per_tj or "0") * 1000 * number(self.oxidation)
        for_a_tj = carbon * metric.c_to_co2 + _weighed(self.gas_kg_per_tj, metric)
        tj = number(self.ncv_mj or "0") * _TJ_PER_MJ
        return tj * for_a_tj + _weighed(self.gas_kg, metric)

    def gases(self) -> set[str]:
        """Every gas stated by itself."""
        return {*self.gas_kg_per_tj, *self.gas_kg}

    def problems(self) -> Iterator[tuple[str, str]]:
        """(key, what is wrong with it)."""
        for key in ("ncv_mj", "carbon_t_per_tj", "oxidation"):
            yield from _judged(key, getattr(self, key) or "0")
        for key in ("gas_kg_per_tj", "gas_kg"):
            for gas, amount in getattr(self, key).items():
                yield from _judged(f"{key}.{gas}", amount)
        if (self.carbon_t_per_tj or self.gas_kg_per_tj) and not self.ncv_mj:
            yield "ncv_mj", "is missing: carbon and gases for a TJ need the heating value of a unit"
        if not (self.carbon_t_per_tj or self.gases()):
            yield "carbon_t_per_tj", "is missing: neither carbon nor a gas is stated"
        if not self.gwp and self.gases() - {"CO2"}:
            yield "gwp", "is missing: name the set the row's value was computed by, such as AR6"


def number(text: str) -> Fraction:
    """A decimal string, exactly. Raises BadData."""
    try:
        value = Decimal(text)
    except InvalidOperation as exc:
        raise BadData(f'{text!a} is not a decimal string such as "0.5777"') from exc
    if not value.is_finite() or value < 0:
        raise BadData(f"{text!a} must be a finite number from 0 up")
    return Fraction(value)


def _judged(key: str, text: str) -> Iterator[tuple[str, str]]:
    try:
        number(text)
    except BadData as exc:
        yield key, str(exc)


def _weighed(gases: Mapping[str, str], metric: Metric) -> Fraction:
    total = Fraction(0)
    for gas, amount in gases.items():
        if gas not in metric.gwp:
            raise BadData(f"{gas}: the GWP set has no such gas; it has {', '.join(metric.gwp)}")
        total += number(amount) * metric.gwp[gas]
    return total
