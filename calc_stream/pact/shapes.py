"""What a ProductFootprint of PACT v3 may hold: every property, its kind, whether it must be there.

The rules of the methodology that say SHALL count as the schema's `required`. Facts of the
specification, Technical Specifications 3.0.3.
"""

from dataclasses import dataclass

from calc_stream.pact.kinds import (
    Kind,
    country,
    decimal,
    flag,
    moment,
    one_of,
    pattern,
    subdivision,
    text,
    uri,
    urn,
    uuid,
    words,
)

UNITS = (
    *("liter", "kilogram", "cubic meter", "kilowatt hour", "megajoule", "ton kilometer"),
    *("square meter", "piece", "hour", "megabit second"),
)
# Units of what has no mass of its own.
WEIGHTLESS = frozenset({"kilowatt hour", "megajoule", "ton kilometer", "hour", "megabit second"})
_REGIONS = (
    *("Africa", "Americas", "Asia", "Europe", "Oceania", "Australia and New Zealand"),
    *("Central Asia", "Eastern Asia", "Eastern Europe", "Latin America and the Caribbean"),
    *("Melanesia", "Micronesia", "Northern Africa", "Northern America", "Northern Europe"),
    *("Polynesia", "South-eastern Asia", "Southern Asia", "Southern Europe"),
    *("Sub-Saharan Africa", "Western Asia", "Western Europe"),
)


@dataclass(frozen=True)
class Shape:
    """An object: what must be there and what may. `others`: whatever else may be, too."""

    must: dict[str, "Kind | Shape | Many"]
    may: dict[str, "Kind | Shape | Many"]
    others: bool = False


@dataclass(frozen=True)
class Many:
    """A list of one or more, none of them twice."""

    each: "Kind | Shape"


_AMOUNT = decimal()
_EMITTED = decimal("0")
_REMOVED = decimal(most="0")
_RATING = decimal("1", "5")
_PERCENT = decimal("0", "100")

_SOURCE = Shape({"name": words, "version": words}, {})
_QUALITY = Shape(
    {"technologicalDQR": _RATING, "geographicalDQR": _RATING, "temporalDQR": _RATING}, {}
)
_RULE = Shape(
    {"operator": one_of("PEF", "EPD International", "Other"), "ruleNames": Many(words)},
    {"otherOperatorName": words},
)
_VERIFICATION = Shape(
    {},
    {
        "coverage": one_of("PCF calculation model", "PCF program", "product level"),
        "providerName": words,
        "completedAt": moment,
        "standardName": text,
        "comments": text,
    },
)
_EXTENSION = Shape(
    {
        "specVersion": pattern(r"\d+\.\d+\.\d+", "as 2.0.0"),
        "dataSchema": uri,
        "data": Shape({}, {}, others=True),
    },
    {"documentation": uri},
)

CARBON = Shape(
    {
        "declaredUnitOfMeasurement": one_of(*UNITS),
        "declaredUnitAmount": decimal(above="0"),
        "productMassPerDeclaredUnit": decimal("0"),
        "referencePeriodStart": moment,
        "referencePeriodEnd": moment,
        "pcfExcludingBiogenicUptake": _AMOUNT,
        "pcfIncludingBiogenicUptake": _AMOUNT,
        "fossilGhgEmissions": _EMITTED,
        "fossilCarbonContent": _EMITTED,
        "ipccCharacterizationFactors": Many(pattern(r"AR\d+", "as AR6")),
        "crossSectoralStandards": Many(words),
        "exemptedEmissionsPercent": _PERCENT,
        "primaryDataShare": _PERCENT,
        "packagingEmissionsIncluded": flag,
        "ccsTechnologicalCO2CaptureIncluded": flag,
    },
    {
        "geographyRegionOrSubregion": one_of(*_REGIONS),
        "geographyCountry": country,
        "geographyCountrySubdivision": subdivision,
        "boundaryProcessesDescription": text,
        "biogenicCarbonContent": _EMITTED,
        "recycledCarbonContent": _EMITTED,
        "landUseChangeGhgEmissions": _EMITTED,
        "landCarbonLeakage": _EMITTED,
        "landManagementFossilGhgEmissions": _EMITTED,
        "landManagementBiogenicCO2Emissions": _EMITTED,
        "landManagementBiogenicCO2Removals": _REMOVED,
        "biogenicCO2Uptake": _REMOVED,
        "biogenicNonCO2Emissions": _EMITTED,
        "landAreaOccupation": _EMITTED,
        "aircraftGhgEmissions": _EMITTED,
        "packagingGhgEmissions": _EMITTED,
        "packagingBiogenicCarbonContent": _EMITTED,
        "outboundLogisticsGhgEmissions": _EMITTED,
        "ccsTechnologicalCO2Capture": _REMOVED,
        "technologicalCO2CaptureOrigin": text,
        "technologicalCO2Removals": _REMOVED,
        "ccuCarbonContent": _EMITTED,
        "ccuCalculationApproach": one_of("Cut-off", "Credit"),
        "ccuCreditCertification": uri,
        "productOrSectorSpecificRules": Many(_RULE),
        "exemptedEmissionsDescription": text,
        "allocationRulesDescription": text,
        "secondaryEmissionFactorSources": Many(_SOURCE),
        "dqi": _QUALITY,
        "verification": _VERIFICATION,
    },
)
FOOTPRINT = Shape(
    {
        "id": uuid,
        "specVersion": pattern(
            r"3\.\d+\.\d+(-\d{8})?", "as 3.0.3; version 2 is no longer exchanged"
        ),
        "created": moment,
        "status": one_of("Active", "Deprecated"),
        "companyName": words,
        "companyIds": Many(urn),
        "productDescription": text,
        "productIds": Many(urn),
        "productNameCompany": words,
        "pcf": CARBON,
    },
    {
        "precedingPfIds": Many(uuid),
        "validityPeriodStart": moment,
        "validityPeriodEnd": moment,
        "productClassifications": Many(urn),
        "comment": text,
        "extensions": Many(_EXTENSION),
    },
)
