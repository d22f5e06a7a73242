"""What has to hold between the values of a PACT footprint: sums, windows, what goes with what.

A rule gives pointer, problem and cure of each breach. It says nothing of values that are missing or
are none: `validator.py` has said that already.
"""

from collections.abc import Callable, Iterator
from datetime import MAXYEAR, datetime
from decimal import Decimal, localcontext
from typing import Any

from calc_stream.pact.kinds import moment_of, number_of
from calc_stream.pact.shapes import WEIGHTLESS

Breach = tuple[str, str, str]

# All that the PCF excluding uptake is the sum of; what is not stated counts as nothing.
TERMS = (
    "fossilGhgEmissions",
    "landUseChangeGhgEmissions",
    "landManagementBiogenicCO2Emissions",
    "landManagementBiogenicCO2Removals",
    "technologicalCO2Removals",
    "ccsTechnologicalCO2Capture",
    "biogenicNonCO2Emissions",
)
_CAPTURE = (
    "ccsTechnologicalCO2Capture",
    "technologicalCO2Removals",
    "technologicalCO2CaptureOrigin",
)
_PLACES = ("geographyRegionOrSubregion", "geographyCountry", "geographyCountrySubdivision")
VALID_YEARS = 3


def _sums(document: dict[str, Any]) -> Iterator[Breach]:
    pcf = _pcf(document)
    stated = [number_of(pcf[name]) for name in TERMS if name in pcf]
    terms = [number for number in stated if number is not None]
    without = number_of(pcf.get("pcfExcludingBiogenicUptake"))
    if without is None or len(terms) != len(stated) or "fossilGhgEmissions" not in pcf:
        return
    total = _sum(terms)
    if without != total:
        cure = f"it is the sum of {', '.join(name for name in TERMS if name in pcf)}"
        yield "/pcf/pcfExcludingBiogenicUptake", f"is {without}, its parts are {total:f}", cure
    uptake = number_of(pcf.get("biogenicCO2Uptake", "0"))
    within = number_of(pcf.get("pcfIncludingBiogenicUptake"))
    if uptake is not None and within is not None and within != _sum([without, uptake]):
        told = f"is {within}, not {_sum([without, uptake]):f}"
        cure = "it is pcfExcludingBiogenicUptake and biogenicCO2Uptake"
        yield "/pcf/pcfIncludingBiogenicUptake", told, cure


def _parts(document: dict[str, Any]) -> Iterator[Breach]:
    """A part is at most its whole."""
    pcf = _pcf(document)
    fossil, land = _numbers(pcf, "fossilGhgEmissions", "landManagementFossilGhgEmissions")
    if fossil is not None and land is not None and land > fossil:
        at = "/pcf/landManagementFossilGhgEmissions"
        yield at, f"{land} is more than fossilGhgEmissions {fossil}", "they are a part of them"
    mass, carbon, biogenic = _numbers(
        pcf, "productMassPerDeclaredUnit", "fossilCarbonContent", "biogenicCarbonContent"
    )
    if mass and carbon is not None and carbon + (biogenic or 0) > mass:
        told = f"carbon of {carbon + (biogenic or 0)} kg in {mass} kg of product"
        yield "/pcf/fossilCarbonContent", told, "carbon is a part of the mass"


def _mass(document: dict[str, Any]) -> Iterator[Breach]:
    pcf = _pcf(document)
    unit = str(pcf.get("declaredUnitOfMeasurement"))
    mass, amount = _numbers(pcf, "productMassPerDeclaredUnit", "declaredUnitAmount")
    at = "/pcf/productMassPerDeclaredUnit"
    if mass is None:
        return
    if unit in WEIGHTLESS and mass != 0:
        yield at, f"{mass} kg of a {unit}", 'state "0": it has no mass'
    if unit == "kilogram" and amount is not None and mass != amount:
        yield at, f"{mass} kg in {amount} kilogram", "they are the same"
    if unit in ("liter", "cubic meter", "square meter", "piece") and mass == 0:
        yield at, f"a {unit} of no mass", "state what it weighs, without packaging"


def _windows(document: dict[str, Any]) -> Iterator[Breach]:
    pcf = _pcf(document)
    start, end = (
        moment_of(pcf.get("referencePeriodStart")),
        moment_of(pcf.get("referencePeriodEnd")),
    )
    if start and end and start >= end:
        yield "/pcf/referencePeriodEnd", "is not after its start", "the end is not within"
    since = moment_of(document.get("validityPeriodStart"))
    until = moment_of(document.get("validityPeriodEnd"))
    if since and end and since < end:
        cure = "a footprint holds from the end of its reference period on"
        yield "/validityPeriodStart", "is before referencePeriodEnd", cure
    if until and end and until > years_after(end, VALID_YEARS):
        cure = f"a footprint holds for {VALID_YEARS} years"
        yield "/validityPeriodEnd", f"is {VALID_YEARS} years and more after its data", cure
    until = until or (since and end and years_after(end, VALID_YEARS))
    if until and (begin := since or end) and until <= begin:
        yield "/validityPeriodEnd", "is not after its start", "state a later instant"


def _place(document: dict[str, Any]) -> Iterator[Breach]:
    stated = [name for name in _PLACES if name in _pcf(document)]
    for name in stated[:-1]:
        yield f"/pcf/{name}", f"stands beside {stated[-1]}", "state the narrowest one only"


def _packaging(document: dict[str, Any]) -> Iterator[Breach]:
    pcf = _pcf(document)
    if pcf.get("packagingEmissionsIncluded") is False and "packagingGhgEmissions" in pcf:
        told = "is stated, and packagingEmissionsIncluded is false"
        yield "/pcf/packagingGhgEmissions", told, "leave it out, or include packaging"
    if pcf.get("ccsTechnologicalCO2CaptureIncluded") is False:
        used = "ccuCarbonContent" in pcf  # captured for use has an origin, too
        for name in _CAPTURE[:2] if used else _CAPTURE:
            if name in pcf:
                told = "is stated, and ccsTechnologicalCO2CaptureIncluded is false"
                yield f"/pcf/{name}", told, "leave it out, or say that capture is included"


def _sources(document: dict[str, Any]) -> Iterator[Breach]:
    pcf = _pcf(document)
    share = number_of(pcf.get("primaryDataShare"))
    at, named = "/pcf/secondaryEmissionFactorSources", "secondaryEmissionFactorSources" in pcf
    if share is not None and share < 100 and not named:
        yield at, f"is missing, and only {share} % is primary data", "name where the rest is from"
    if share == 100 and named:
        yield at, "is stated, and all is primary data", "leave it out"


def _rules(document: dict[str, Any]) -> Iterator[Breach]:
    rules = _pcf(document).get("productOrSectorSpecificRules")
    for place, rule in enumerate(rules if isinstance(rules, list) else []):
        other = isinstance(rule, dict) and rule.get("operator") == "Other"
        if other and "otherOperatorName" not in rule:
            at = f"/pcf/productOrSectorSpecificRules/{place}/otherOperatorName"
            yield at, "is missing", "say who operates the rule"


def _chain(document: dict[str, Any]) -> Iterator[Breach]:
    before = document.get("precedingPfIds")
    own = document.get("id")
    for place, each in enumerate(before if isinstance(before, list) else []):
        if isinstance(each, str) and isinstance(own, str) and each.lower() == own.lower():
            cure = "a footprint that changed has an id of its own"
            yield f"/precedingPfIds/{place}", "is the id of the footprint itself", cure


RULES: tuple[Callable[[dict[str, Any]], Iterator[Breach]], ...] = (
    *(_sums, _parts, _mass, _windows, _place, _packaging, _sources, _rules, _chain),
)


def years_after(moment: datetime, years: int) -> datetime:
    """The same day of a later year; the 29th of February becomes the 1st of March."""
    year = min(moment.year + years, MAXYEAR)
    try:
        return moment.replace(year=year)
    except ValueError:
        return moment.replace(year=year, month=3, day=1)


def _pcf(document: dict[str, Any]) -> dict[str, Any]:
    pcf = document.get("pcf")
    return pcf if isinstance(pcf, dict) else {}


def _numbers(pcf: dict[str, Any], *names: str) -> list[Decimal | None]:
    return [number_of(pcf.get(name)) for name in names]


def _sum(numbers: list[Decimal]) -> Decimal:
    """Exactly: no number here has more digits than this."""
    with localcontext() as exact:
        exact.prec = 250
        return sum(numbers, Decimal(0))
