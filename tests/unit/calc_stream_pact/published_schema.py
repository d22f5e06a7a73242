"""What PACT's published OpenAPI document (3.0.1, as its conformance service carried it) demands of a
ProductFootprint and of the two answers to a request, as a JSON schema: names, types, words, patterns.

Written down a second time, apart from `shapes.py`, so that a name mistaken there is noticed.
"""

from typing import Any

import jsonschema_rs

_DECIMAL = {"type": "string", "pattern": r"^[+-]?\d+(\.\d+)?$"}
_FROM_0 = {"type": "string", "pattern": r"^[+]?\d+(\.\d+)?$"}
_TO_0 = {"type": "string", "pattern": r"^(-\d+(\.\d+)?)|0+(\.0+)?$"}
_ABOVE_0 = {"type": "string", "pattern": r"^[+]?(\d*[1-9]\d*)(\.\d+)?|(0+\.\d*[1-9]\d*)$"}
_TEXT = {"type": "string"}
_WORDS = {"type": "string", "minLength": 1}
_UUID = {"type": "string", "format": "uuid"}
_TIME = {"type": "string", "format": "date-time"}
_URI = {"type": "string", "format": "uri"}
_URN = {"type": "string", "pattern": "^([uU][rR][nN]):"}
_FLAG = {"type": "boolean"}


def _many(each: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": each, "minItems": 1, **more}


def _set(each: dict[str, Any]) -> dict[str, Any]:
    return _many(each, uniqueItems=True)


def _object(must: dict[str, Any], may: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "object", "required": list(must), "properties": {**must, **(may or {})}}


_UNITS = (
    "liter|kilogram|cubic meter|kilowatt hour|megajoule|ton kilometer|square meter|piece|hour"
    "|megabit second"
)
_REGIONS = (
    "Africa|Americas|Asia|Europe|Oceania|Australia and New Zealand|Central Asia|Eastern Asia"
    "|Eastern Europe|Latin America and the Caribbean|Melanesia|Micronesia|Northern Africa"
    "|Northern America|Northern Europe|Polynesia|South-eastern Asia|Southern Asia|Southern Europe"
    "|Sub-Saharan Africa|Western Asia|Western Europe"
)
_PLACES = ("geographyRegionOrSubregion", "geographyCountry", "geographyCountrySubdivision")
_ONE_PLACE = {
    "oneOf": [
        {"oneOf": [{"required": [place]} for place in _PLACES]},
        {"not": {"anyOf": [{"required": [place]} for place in _PLACES]}},
    ]
}
_EMITTED = """
biogenicCarbonContent recycledCarbonContent landUseChangeGhgEmissions landCarbonLeakage
landManagementFossilGhgEmissions landManagementBiogenicCO2Emissions biogenicNonCO2Emissions
landAreaOccupation aircraftGhgEmissions packagingGhgEmissions packagingBiogenicCarbonContent
outboundLogisticsGhgEmissions ccuCarbonContent
"""
_REMOVED = """
landManagementBiogenicCO2Removals biogenicCO2Uptake ccsTechnologicalCO2Capture
technologicalCO2Removals
"""
_RATINGS = ("technologicalDQR", "geographicalDQR", "temporalDQR")
CARBON = _ONE_PLACE | _object(
    {
        "declaredUnitOfMeasurement": {"enum": _UNITS.split("|")},
        "declaredUnitAmount": _ABOVE_0,
        "productMassPerDeclaredUnit": _DECIMAL,
        "referencePeriodStart": _TIME,
        "referencePeriodEnd": _TIME,
        "pcfExcludingBiogenicUptake": _DECIMAL,
        "pcfIncludingBiogenicUptake": _DECIMAL,
        "fossilGhgEmissions": _FROM_0,
        "fossilCarbonContent": _FROM_0,
        "ipccCharacterizationFactors": _set({"type": "string", "pattern": r"^AR\d+$"}),
        "crossSectoralStandards": _set(_TEXT),
        "exemptedEmissionsPercent": _DECIMAL,
    },
    {
        "geographyRegionOrSubregion": {"enum": _REGIONS.split("|")},
        "geographyCountry": {"type": "string", "pattern": "^[A-Z]{2}$"},
        "geographyCountrySubdivision": {"type": "string", "pattern": "^[A-Z]{2}-[A-Z0-9]{1,3}$"},
        "boundaryProcessesDescription": _TEXT,
        **dict.fromkeys(_EMITTED.split(), _FROM_0),
        **dict.fromkeys(_REMOVED.split(), _TO_0),
        "packagingEmissionsIncluded": _FLAG,
        "ccsTechnologicalCO2CaptureIncluded": _FLAG,
        "technologicalCO2CaptureOrigin": _TEXT,
        "ccuCalculationApproach": {"enum": ["Cut-off", "Credit"]},
        "ccuCreditCertification": _URI,
        "productOrSectorSpecificRules": _set(
            _object(
                {
                    "operator": {"enum": ["PEF", "EPD International", "Other"]},
                    "ruleNames": _set(_WORDS),
                },
                {"otherOperatorName": _WORDS},
            )
        ),
        "exemptedEmissionsDescription": _TEXT,
        "allocationRulesDescription": _TEXT,
        "secondaryEmissionFactorSources": _many(_object({"name": _WORDS, "version": _WORDS})),
        "primaryDataShare": _DECIMAL,
        "dqi": _object(dict.fromkeys(_RATINGS, _DECIMAL)),
        "verification": _object(
            {},
            {
                "coverage": {"enum": ["PCF calculation model", "PCF program", "product level"]},
                "providerName": _TEXT,
                "completedAt": _TIME,
                "standardName": _TEXT,
                "comments": _TEXT,
            },
        ),
    },
)
FOOTPRINT = _object(
    {
        "id": _UUID,
        "specVersion": {"type": "string", "pattern": r"^\d+\.\d+\.\d+(-\d{8})?$"},
        "created": _TIME,
        "status": {"enum": ["Active", "Deprecated"]},
        "companyName": _WORDS,
        "companyIds": _set(_URN),
        "productDescription": _TEXT,
        "productIds": _set(_URN),
        "productNameCompany": _WORDS,
        "pcf": CARBON,
    },
    {
        "precedingPfIds": _set(_UUID),
        "validityPeriodStart": _TIME,
        "validityPeriodEnd": _TIME,
        "productClassifications": _set(_URN),
        "comment": _TEXT,
        "extensions": {
            "type": "array",
            "items": _object(
                {"specVersion": _TEXT, "dataSchema": _URI, "data": {"type": "object"}},
                {"documentation": _URI},
            ),
        },
    },
)
_ERRORS = [
    "BadRequest",
    "AccessDenied",
    "TokenExpired",
    "NotFound",
    "InternalError",
    "NotImplemented",
]
ERROR = _object({"code": {"enum": _ERRORS}, "message": _TEXT})


def _event(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    type_ = {"const": f"org.wbcsd.pact.ProductFootprint.{kind}Event.3"}
    told = {"specversion": _TEXT, "id": _TEXT, "source": _TEXT, "time": _TIME, "data": data}
    return _object({"type": type_, **told})


def _made(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


footprint = _made(FOOTPRINT)
one = _made(_object({"data": FOOTPRINT}))
listed = _made(_object({"data": {"type": "array", "items": FOOTPRINT}}))
error = _made(ERROR)
fulfilled = _made(
    _event("RequestFulfilled", _object({"requestEventId": _TEXT, "pfs": _many(FOOTPRINT)}))
)
rejected = _made(_event("RequestRejected", _object({"requestEventId": _TEXT, "error": ERROR})))
published = _made(_event("Published", _object({"pfIds": {"type": "array", "items": _UUID}})))
