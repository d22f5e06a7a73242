"""What suppliers' documents say of purchased inputs, filled into what is declared of products.

Exactly: kg for one unit of the input is the document's PCF over its declared unit. Only a quotient
without end is rounded, half-even to 18 significant digits.
"""

from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec

from calc_stream.core.decimals import parse_fraction, shortest, significant
from calc_stream.footprints.declaration import Declaration, Input, Product, load_declaration
from calc_stream.pact import documents
from calc_stream.pact.rules import TERMS, VALID_YEARS, years_after
from wire.config import refuse
from wire.errors import BadData, ConfigError
from wire.units import UnitError, convert

# PACT's words -> our unit, and how many of ours one is.
_UNITS = {
    "liter": "L",
    "kilogram": "kg",
    "cubic meter": "m3",
    "kilowatt hour": "kWh",
    "megajoule": "MJ",
    "piece": "piece",
    "square meter": "m2",
    "ton kilometer": "tkm",
    "hour": "h",
}
_DIGITS = 18


def read_declaration(path: Path) -> Declaration:
    """What is declared, with what the documents it names say. Raises ConfigError."""
    found = load_declaration(path)
    products = [
        _completed(path, f"product[{number}]", product)
        for number, product in enumerate(found.product)
    ]
    return msgspec.structs.replace(found, product=tuple(products))


def _completed(path: Path, here: str, product: Product) -> Product:
    inputs = [
        _filled(path, f"{here}.input[{at}]", bought) for at, bought in enumerate(product.input)
    ]
    return msgspec.structs.replace(product, input=tuple(inputs))


def _filled(path: Path, here: str, bought: Input) -> Input:
    if bought.document is None:
        return bought
    try:
        document, sha256 = documents.load(bought.document)
        if document["id"].lower() != bought.pcf.lower():
            raise BadData(f"is footprint {document['id']}, not {bought.pcf}")
        kg = _per_unit(document["pcf"], bought.unit)
        _check_use(document)
    except BadData as exc:
        raise refuse(path, f"{here}.document", f"{bought.document}: {exc}") from exc
    except ConfigError as exc:
        raise refuse(path, f"{here}.document", str(exc)) from exc
    share = parse_fraction(document["pcf"]["primaryDataShare"]) / 100
    return msgspec.structs.replace(
        bought,
        kg_co2e=_text(kg),
        not_fossil=_not_fossil(document["pcf"], bought.unit),
        primary_share=shortest(share),
        supplier=document["companyName"],
        source=f"PACT footprint {document['id']}, SHA-256 {sha256}",
    )


def _not_fossil(pcf: dict[str, Any], unit: str) -> dict[str, str]:
    """What the figure holds besides fossil emissions, and the uptake it does not hold."""
    names = (*TERMS[1:], "biogenicCO2Uptake")
    stated = {name: pcf[name] for name in names if parse_fraction(pcf.get(name, "0"))}
    return {name: _text(_per_unit(pcf, unit, name)) for name in stated}


def is_partial(document: dict[str, Any]) -> bool:
    """Whether it says of itself, as ours do, that it does not reach back to the cradle."""
    told = [each.get("data", {}) for each in document.get("extensions", ())]
    return any(each.get("boundary") == "gate-to-gate" or each.get("draft") is True for each in told)


def _check_use(document: dict[str, Any]) -> None:
    if is_partial(document):
        raise BadData("is gate to gate only; ask the supplier for one from cradle to gate")
    if document["status"] != "Active":
        raise BadData("is superseded; fetch the one that took its place")
    if parse_fraction(document["pcf"]["pcfExcludingBiogenicUptake"]) < 0:
        raise BadData("has a PCF below nothing, which an input here cannot have")


def _per_unit(pcf: dict[str, Any], unit: str, of: str = "pcfExcludingBiogenicUptake") -> Fraction:
    """kg CO2e for one `unit` of the product. Raises BadData where the units do not meet."""
    word = pcf["declaredUnitOfMeasurement"]
    own = _UNITS.get(word, word)
    kg = parse_fraction(pcf[of])
    mass = parse_fraction(pcf["productMassPerDeclaredUnit"])
    if own == unit:
        return kg / parse_fraction(pcf["declaredUnitAmount"])
    try:
        return kg / parse_fraction(pcf["declaredUnitAmount"]) * convert(unit, own)
    except UnitError:
        pass
    try:
        return kg / mass * convert(unit, "kg")
    except (UnitError, ZeroDivisionError):
        raise BadData(f"is per {word}; {unit} cannot be converted to it") from None


def _text(number: Fraction) -> str:
    rest = number.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return shortest(number) if rest == 1 else significant(number, _DIGITS)


def holds_until(document: dict[str, Any]) -> datetime:
    """The end of its validity, stated or by the rule."""
    if "validityPeriodEnd" in document:
        return datetime.fromisoformat(document["validityPeriodEnd"])
    return years_after(datetime.fromisoformat(document["pcf"]["referencePeriodEnd"]), VALID_YEARS)
