"""Documents for the tests of PACT: a plain good one, and the figures of PACT's own examples.

The figures are those of example-1 to example-4 of the Technical Specifications 3.0 (facts of the
published files; the examples themselves may not be copied).
"""

import copy
from typing import Any

GOOD: dict[str, Any] = {
    "id": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "specVersion": "3.0.3",
    "created": "2026-11-01T00:10:00Z",
    "status": "Active",
    "companyName": "Example Aluminium",
    "companyIds": ["urn:lei:529900EXAMPLE0000000"],
    "productDescription": "Ingot of cast alloy",
    "productIds": ["urn:gtin:4012345678901"],
    "productNameCompany": "Ingot A356",
    "pcf": {
        "declaredUnitOfMeasurement": "kilogram",
        "declaredUnitAmount": "1",
        "productMassPerDeclaredUnit": "1",
        "referencePeriodStart": "2026-10-01T00:00:00Z",
        "referencePeriodEnd": "2026-11-01T00:00:00Z",
        "pcfExcludingBiogenicUptake": "14.3",
        "pcfIncludingBiogenicUptake": "14.3",
        "fossilGhgEmissions": "14.3",
        "fossilCarbonContent": "0",
        "ipccCharacterizationFactors": ["AR6"],
        "crossSectoralStandards": ["ISO14067", "PACT-3.0"],
        "exemptedEmissionsPercent": "0",
        "primaryDataShare": "60",
        "packagingEmissionsIncluded": False,
        "ccsTechnologicalCO2CaptureIncluded": False,
        "secondaryEmissionFactorSources": [{"name": "Sphera", "version": "2024"}],
    },
}

# Of each example: what its parts are, the two sums it states, unit, amount and mass.
EXAMPLES: dict[int, dict[str, str]] = {
    1: {
        "fossilGhgEmissions": "0.35",
        "landUseChangeGhgEmissions": "0",
        "landManagementFossilGhgEmissions": "0.03",
        "landManagementBiogenicCO2Emissions": "0.004",
        "landManagementBiogenicCO2Removals": "0",
        "biogenicCO2Uptake": "-1.61",
        "biogenicNonCO2Emissions": "0.002",
        "pcfExcludingBiogenicUptake": "0.384",
        "pcfIncludingBiogenicUptake": "-1.23",
    },
    2: {
        "declaredUnitOfMeasurement": "liter",
        "declaredUnitAmount": "12",
        "productMassPerDeclaredUnit": "9.468",
        "fossilCarbonContent": "0.16",
        "biogenicCarbonContent": "5.28",
        "fossilGhgEmissions": "4.78",
        "landUseChangeGhgEmissions": "0",
        "landManagementFossilGhgEmissions": "0.36",
        "landManagementBiogenicCO2Removals": "0",
        "biogenicCO2Uptake": "-19.36",
        "biogenicNonCO2Emissions": "0.024",
        "pcfExcludingBiogenicUptake": "5.14",
        "pcfIncludingBiogenicUptake": "-14.22",
    },
    3: {
        "declaredUnitOfMeasurement": "piece",
        "productMassPerDeclaredUnit": "25",
        "fossilCarbonContent": "11.72",
        "biogenicCarbonContent": "0",
        "fossilGhgEmissions": "77",
        "landUseChangeGhgEmissions": "0",
        "landManagementFossilGhgEmissions": "0",
        "landManagementBiogenicCO2Emissions": "0",
        "landManagementBiogenicCO2Removals": "0",
        "biogenicCO2Uptake": "0",
        "biogenicNonCO2Emissions": "0",
        "pcfExcludingBiogenicUptake": "77.0",
        "pcfIncludingBiogenicUptake": "77.0",
    },
    4: {
        "biogenicCarbonContent": "0.1",
        "fossilGhgEmissions": "0.17",
        "landUseChangeGhgEmissions": "0.2",
        "landManagementFossilGhgEmissions": "0.05",
        "landManagementBiogenicCO2Emissions": "0",
        "landManagementBiogenicCO2Removals": "0",
        "biogenicCO2Uptake": "-0.37",
        "biogenicNonCO2Emissions": "0.001",
        "pcfExcludingBiogenicUptake": "0.42",
        "pcfIncludingBiogenicUptake": "0.05",
    },
}


def good(**pcf: Any) -> dict[str, Any]:
    """The good document with these properties of its pcf; None takes one out."""
    made = copy.deepcopy(GOOD)
    made["pcf"] = {k: v for k, v in {**made["pcf"], **pcf}.items() if v is not None}
    return made


def top(**changes: Any) -> dict[str, Any]:
    """The good document with these properties of its own; None takes one out."""
    made = {**copy.deepcopy(GOOD), **changes}
    return {name: value for name, value in made.items() if value is not None}
