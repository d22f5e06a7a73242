"""Emission factors: facts with a document each, one TOML a publisher, and pure lookup.

Two kinds never mix. A *product footprint factor* (kgCO2e, life cycle) belongs into a product's
footprint; an *inventory factor* (kgCO2, generation only) into an organisation's. A row without a
document is no row, and there is no fallback: what no row covers stays unknown.
"""

from calc_stream.factors.factor_set import FactorSet
from calc_stream.factors.load import SHIPPED, load
from calc_stream.factors.marks import marks_of
from calc_stream.factors.method import Method, load_method
from calc_stream.factors.rates import Mass, Quanta, Rates, by_source, doubts, given_of
from calc_stream.factors.row import Factor, InventoryFactor, ProductFactor

__all__ = [
    "SHIPPED",
    "Factor",
    "FactorSet",
    "InventoryFactor",
    "Mass",
    "Method",
    "ProductFactor",
    "Quanta",
    "Rates",
    "by_source",
    "doubts",
    "given_of",
    "load",
    "load_method",
    "marks_of",
]
