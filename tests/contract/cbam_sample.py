"""A CBAM footprint of shipped factors: gas burnt, electricity and heat bought, for 500 t."""

from fractions import Fraction
from typing import Any

import msgspec

from calc_stream.core.decimals import shortest, significant
from calc_stream.factors import load, load_method
from calc_stream.footprints.declaration import Declaration, Installation
from calc_stream.footprints.footprint import FactorUsed, Footprint, SourceUsed
from tests.unit.calc_stream_live import footprints_sample

_USED = {
    "gas": ("cn-natural-gas-co2-2011", "natural_gas", "Nm3", "10000", ("direct",)),
    "grid": ("cn-cq-grid-co2-2023", "electricity", "MWh", "400", ("scope_2_location", "scope_2_market")),
    "steam": ("cn-heat-co2-2025", "steam", "GJ", "1000", ("scope_2_location", "scope_2_market")),
}  # fmt: skip
_METRIC = load_method("cbam").metric
_ROWS = {row.id: row for row in load().rows}
_PER = {"grid": 1000}  # kWh of a MWh


def _kg(source: str) -> Fraction:
    id_, _, _, amount, _ = _USED[source]
    return _ROWS[id_].kg(_METRIC) * Fraction(amount) * _PER.get(source, 1)


def _factor(source: str) -> FactorUsed:
    row = _ROWS[_USED[source][0]]
    own = {
        name: getattr(row, name)
        for name in FactorUsed.__struct_fields__
        if name in type(row).__struct_fields__
    }
    return FactorUsed(**own, kg=shortest(_kg(source)))


def goods(**changes: Any) -> Footprint:
    sources = tuple(
        SourceUsed(name, carrier, unit, amount, dict.fromkeys(columns, shortest(_kg(name))), (id_,))
        for name, (id_, carrier, unit, amount, columns) in _USED.items()
    )
    total = sum(map(_kg, _USED), Fraction(0))
    told = {
        "product": "billet",
        "method": "cbam",
        "unit": "t",
        "good": "500",
        "sources": sources,
        "factors": tuple(map(_factor, _USED)),
        "gwp": "AR5",
        "timezone": "Asia/Shanghai",
        "total_kg_co2e": shortest(total),
        "kg_co2e": significant(total / 500),
    }
    return footprints_sample.sample(**{**told, **changes})


def declaration(cn_code: str = "7601 10 00") -> Declaration:
    told = footprints_sample.declaration()
    billet = msgspec.structs.replace(
        told.product[0], id="billet", name="Aluminium billet", mass_kg="1000", cn_code=cn_code
    )
    place = Installation("Plant 1", "1 Example Road, Chongqing", "CNCKG", "29.563", "106.551")
    return msgspec.structs.replace(told, product=(billet,), installation=place)
