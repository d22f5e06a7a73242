"""What the data model of PACT has no room for: what was metered, how well, and where to check it.

`extension.schema.json` is the public schema; docs/pact.md explains it. Names of batches, meters,
suppliers and inputs stay here, and so does how much was made: a receiver is owed none of them.
"""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from calc_stream.core.decimals import parse_fraction, significant
from calc_stream.footprints.footprint import Footprint
from calc_stream.pact.model import DataModelExtension

VERSION = "1.0.0"
SCHEMA = Path(__file__).with_name("extension.schema.json")
PATH = f"/extension-{VERSION}.schema.json"


def extension(footprint: Footprint, base: str) -> DataModelExtension:
    """`base`: where this server is reached; it serves the schema, too."""
    return DataModelExtension("2.0.0", base + PATH, told(footprint))


def told(footprint: Footprint) -> dict[str, Any]:
    """The data, for one unit of product unless said otherwise; what is not known is left out."""
    found = {
        "boundary": footprint.boundary.replace("_", "-"),
        "draft": footprint.draft,
        "method": footprint.method,
        "period": footprint.period,
        "cause": footprint.cause,
        "site": {
            "kgCO2e": footprint.kg_co2e,
            "kWh": footprint.kwh_per_unit,
            "kgCO2eByLocation": footprint.by_location,
            "kgCO2eByMarket": footprint.by_market,
            "kgCO2eByColumn": footprint.columns,
            "kgCO2eByStage": footprint.stages,
        },
        "purchasedInputsKgCO2e": footprint.upstream_kg_co2e,
        "carriers": _carriers(footprint),
        "sample": {
            "batches": len(footprint.batches),
            "incompleteBatches": len(footprint.incomplete),
            "leastKgCO2e": footprint.spread.least,
            "mostKgCO2e": footprint.spread.most,
            "sdKgCO2e": footprint.spread.sd,
        },
        "u95": {
            "kWh": footprint.u95.kwh,
            "kgCO2e": footprint.u95.kg_co2e,
            "metersOfUnknownClass": len(footprint.u95.unknown_meters),
        },
        "shares": {
            "measured": footprint.measured_share,
            "measuredActivity": footprint.measured_activity_share,
            "primaryData": footprint.primary_data_share,
            "traceable": footprint.traceable_share,
        },
        "factorStatus": footprint.factor_status,
        "evidence": {
            "offset": footprint.evidence.offset,
            "basis": footprint.evidence.basis,
            "treeSize": footprint.evidence.size,
            "treeRoot": footprint.evidence.root,
        },
    }
    return _known(found)


def _known(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _known(value) if isinstance(value, dict) else value
        for name, value in found.items()
        if value is not None
    }


def _carriers(footprint: Footprint) -> list[dict[str, Any]]:
    """Sources of one carrier and unit together, for one unit of product."""
    good = parse_fraction(footprint.good)
    amounts: dict[tuple[str, str], Fraction] = {}
    masses: dict[tuple[str, str], dict[str, Fraction]] = {}
    for source in footprint.sources:
        key = source.carrier, source.unit
        amounts[key] = amounts.get(key, Fraction(0)) + parse_fraction(source.amount)
        kept = masses.setdefault(key, {})
        for column, kg in source.columns.items():
            kept[column] = kept.get(column, Fraction(0)) + parse_fraction(kg)
    return [
        {
            "carrier": carrier,
            "unit": unit,
            "amount": significant(amount / good),
            "kgCO2eByColumn": {
                column: significant(kg / good)
                for column, kg in sorted(masses[carrier, unit].items())
            },
        }
        for (carrier, unit), amount in sorted(amounts.items())
    ]
