"""Pure: one emission factor with where it comes from, in two types that never mix.

A *product footprint factor* (kgCO2e, life cycle) belongs into a product's footprint, an *inventory
factor* (kgCO2) into an organisation's. What computes takes one of the two types and no mixture.
"""

from fractions import Fraction
from typing import Literal

import msgspec

from calc_stream.factors.parts import Metric, Parts, number
from wire.errors import BadData
from wire.units import UNITS

Kind = Literal["product_footprint", "inventory"]
# life_cycle: all of it · direct: where it is burnt · generation: at the maker of bought energy
# upstream: what a fuel took before the gate · td: the grid's own and its losses
Stage = Literal["life_cycle", "direct", "generation", "upstream", "td"]
# verified: read in the publisher's document · secondary: somebody else's transcription
Status = Literal["verified", "secondary"]
HOUR_MS = 3_600_000


class Factor(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="kind"
):
    """kg of `gases` for one unit of a carrier, in force from `valid_from_ms` to `valid_to_ms`.

    `series` names rows that succeed each other in time. `hash` is the document's SHA-256 in hex, ""
    when the document's bytes were not at hand. `parts`: what `value` was computed from. `hours`: a
    value for each hour from `valid_from_ms` on; `value` is then their mean, for people only.
    `u95`: half of the 95 % interval over the value. `primary`: measured at this plant or supplier.
    """

    id: str
    series: str
    value: str
    unit: str
    gases: Literal["CO2e", "CO2"]
    stage: Stage
    region: str
    data_year: int
    valid_from_ms: int
    valid_to_ms: int | None
    publisher: str
    document: str
    dated: str
    url: str
    hash: str
    status: Status
    parts: Parts | None = None
    hours: tuple[str, ...] = ()
    u95: str = ""
    primary: bool = False

    @property
    def kind(self) -> Kind:
        return "inventory" if isinstance(self, InventoryFactor) else "product_footprint"

    @property
    def per(self) -> str:
        """The unit of the carrier: kWh of "kgCO2e/kWh"."""
        return self.unit.partition("/")[2]

    @property
    def amount(self) -> Fraction:
        """The value as it is printed, exactly."""
        return number(self.value)

    def kg(self, metric: Metric) -> Fraction:
        """kg for one unit as a method counts them, exactly."""
        return self.amount if self.parts is None else self.parts.kg(metric)

    def holds_at(self, t_ms: int) -> bool:
        return self.valid_from_ms <= t_ms and (self.valid_to_ms is None or t_ms < self.valid_to_ms)

    def check(self) -> None:
        """Raises BadData naming id and key."""
        gases = "CO2" if self.kind == "inventory" else "CO2e"
        found, _, per = self.unit.partition("/")
        if self.gases != gases or found != f"kg{gases}" or per not in UNITS:
            known = ", ".join(sorted(UNITS))
            problem = f"a {self.kind} factor is kg{gases} per a known unit: {known}"
            raise self.refuse("unit", f"{self.unit!a}: {problem}")
        if self.valid_to_ms is not None and self.valid_to_ms <= self.valid_from_ms:
            raise self.refuse("valid_to", "is not after valid_from")
        if not self.document or not self.publisher:
            raise self.refuse("document", "a factor without a document is no factor")
        for key, text in (("value", self.value), ("u95", self.u95 or "0")):
            try:
                number(text)
            except BadData as exc:
                raise self.refuse(key, str(exc)) from exc
        if self.parts is not None:
            for key, problem in self.parts.problems():
                raise self.refuse(f"parts.{key}", problem)
            if self.kind == "inventory" and self.parts.gases() - {"CO2"}:
                raise self.refuse("parts", "an inventory factor counts CO2 and no other gas")
        if self.hours and (self.valid_to_ms or 0) - self.valid_from_ms != len(self.hours) * HOUR_MS:
            raise self.refuse("hours", "do not fill the time from valid_from to valid_to")

    def refuse(self, key: str, problem: str) -> BadData:
        return BadData(f"{self.id}: {key}: {problem}")


class ProductFactor(Factor, frozen=True, tag="product_footprint"):
    """kgCO2e over the life cycle, or over a stage of it that is named."""


class InventoryFactor(Factor, frozen=True, tag="inventory"):
    """kgCO2 for an organisation's inventory."""


Row = ProductFactor | InventoryFactor
KINDS: dict[Kind, type[ProductFactor] | type[InventoryFactor]] = {
    "product_footprint": ProductFactor,
    "inventory": InventoryFactor,
}
