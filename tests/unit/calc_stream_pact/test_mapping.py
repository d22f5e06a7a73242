"""A published footprint as PACT has it: what is stated, what is left out, what is refused."""

import json
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from calc_stream.footprints.declaration import Declaration
from calc_stream.footprints.footprint import Footprint
from calc_stream.footprints.identity import identified
from calc_stream.pact.extension import PATH, SCHEMA
from calc_stream.pact.mapping import of_footprint
from calc_stream.pact.validator import parse, problems
from tests.unit.calc_stream_live.footprints_sample import complete, declaration, sample
from wire.errors import BadData

BASE = "https://pact.wheels.example.com"


def written(footprint: Footprint, told: Declaration | None = None) -> dict[str, Any]:
    """As others read it, judged once more from its bytes."""
    made = of_footprint(footprint, told or declaration(), BASE)
    document: dict[str, Any] = parse(msgspec.json.encode(made))
    assert problems(document) == []
    return document


def declared(**changes: Any) -> Declaration:
    told = declaration()
    product = msgspec.structs.replace(told.product[0], **changes)
    return msgspec.structs.replace(told, product=(product,))


def test_a_gate_to_gate_footprint_says_that_it_is_one() -> None:
    document = written(sample())
    pcf = document["pcf"]
    assert document["comment"].startswith("DRAFT: gate to gate only")
    assert pcf["boundaryProcessesDescription"].startswith("Gate to gate, a partial footprint")
    assert (document["extensions"][0]["data"]["boundary"], document["status"]) == (
        *("gate-to-gate", "Active"),
    )
    assert pcf["pcfExcludingBiogenicUptake"] == "6.82334285714"
    assert pcf["primaryDataShare"] == "0"


def test_a_complete_one_counts_its_inputs_exactly() -> None:
    document = written(complete())
    pcf = document["pcf"]
    # 6.82334285714 + 12.1 x 14.3
    for name in ("pcfExcludingBiogenicUptake", "pcfIncludingBiogenicUptake", "fossilGhgEmissions"):
        assert pcf[name] == "179.85334285714"
    assert pcf["boundaryProcessesDescription"].startswith("Cradle to gate")
    assert "DRAFT" not in document["comment"]
    assert pcf["primaryDataShare"] == "57.7237"


def test_company_product_place_and_period_are_those_declared() -> None:
    document = written(sample())
    assert document["productIds"] == [
        "urn:pact:wheels.example.com:supplier-id:wheel-17",
        "urn:gtin:04012345678901",
    ]
    assert document["productClassifications"] == [
        "urn:pact:productclassification:un-cpc:49129",
        "urn:pact:productclassification:cn-code:87087050",
    ]
    pcf = document["pcf"]
    assert (pcf["declaredUnitOfMeasurement"], pcf["declaredUnitAmount"]) == ("piece", "1")
    assert pcf["productMassPerDeclaredUnit"] == "11.2"
    assert pcf["geographyCountrySubdivision"] == "CN-CQ"
    assert "geographyCountry" not in pcf
    # October in Chongqing, in UTC.
    assert pcf["referencePeriodStart"] == "2026-09-30T16:00:00.000Z"
    assert pcf["referencePeriodEnd"] == "2026-10-31T16:00:00.000Z"
    assert document["validityPeriodStart"] == "2026-10-31T16:00:00.000Z"


@pytest.mark.parametrize(
    ("unit", "mass_kg", "word", "amount"),
    [
        ("kg", "1", "kilogram", "1"),
        ("t", "1000", "kilogram", "1000"),
        ("kWh", "0", "kilowatt hour", "1"),
        ("MWh", "0", "kilowatt hour", "1000"),
        ("GJ", "0", "megajoule", "1000"),
    ],
)
def test_a_unit_is_told_in_pacts_words_with_what_it_weighs(
    unit: str, mass_kg: str, word: str, amount: str
) -> None:
    told = declared(mass_kg=mass_kg, fossil_carbon_kg="0")
    pcf = written(sample(unit=unit), told)["pcf"]
    assert (pcf["declaredUnitOfMeasurement"], pcf["declaredUnitAmount"]) == (word, amount)
    assert pcf["productMassPerDeclaredUnit"] == mass_kg
    assert pcf["pcfExcludingBiogenicUptake"] == "6.82334285714"  # of one of our units
    with pytest.raises(BadData, match="/pcf/productMassPerDeclaredUnit"):
        of_footprint(sample(unit=unit), declared(mass_kg="11.2"), BASE)


def test_a_code_with_signs_and_chinese_becomes_a_urn() -> None:
    told = declared(id="轮 17/A")
    document = written(sample(product="轮 17/A"), told)
    urn = "urn:pact:wheels.example.com:supplier-id:%E8%BD%AE%2017%2FA"
    assert document["productIds"][0] == urn


def test_what_it_took_the_place_of_is_named() -> None:
    old = sample()
    new = sample(supersedes=(old.id,), cause="restated")
    document = written(new)
    assert document["precedingPfIds"] == [old.id]
    assert "a batch of its period was restated" in document["comment"]


def test_ratings_follow_the_factors_and_are_weighed_by_kg() -> None:
    # technology 3, region CN 2; years apart 2, 1, 2: (774.118 x 2 + 514.08 + 144.704 x 2) / 1432.902
    assert written(sample())["pcf"]["dqi"] == {
        "technologicalDQR": "3",
        "geographicalDQR": "2",
        "temporalDQR": "1.64",
    }
    # with 173.03 kg of a supplier's footprint, rated 2 throughout, beside 6.823 kg
    assert written(complete())["pcf"]["dqi"]["technologicalDQR"] == "2.04"


def test_where_factors_are_from_is_named_and_suppliers_are_not() -> None:
    document = written(complete())
    sources = document["pcf"]["secondaryEmissionFactorSources"]
    assert [source["name"].partition(":")[0] for source in sources] == [
        *("MEE, NBS, NEA", "CPCD", "CPCD", "Product footprints of suppliers"),
    ]
    text = json.dumps(document)
    for secret in ("B-0101", "Example Aluminium", "ingot", '"210"'):
        assert secret not in text


def test_all_of_it_primary_names_no_source() -> None:
    primary = tuple(msgspec.structs.replace(f, primary=True) for f in sample().factors)
    document = written(sample(primary_data_share="1", factors=primary))
    assert document["pcf"]["primaryDataShare"] == "100"
    assert "secondaryEmissionFactorSources" not in document["pcf"]
    assert document["pcf"]["dqi"]["technologicalDQR"] == "1"


def test_the_extension_is_what_its_public_schema_says() -> None:
    schema = json.loads(SCHEMA.read_text())
    validator = jsonschema_rs.Draft202012Validator(schema)
    for footprint in (sample(), complete(), sample(traceable_share=None)):
        (extension,) = written(footprint)["extensions"]
        assert extension["dataSchema"] == BASE + PATH
        validator.validate(extension["data"])
        with pytest.raises(jsonschema_rs.ValidationError):
            validator.validate({**extension["data"], "batches": []})


def test_the_extension_tells_what_was_metered_for_one_unit() -> None:
    data = written(complete())["extensions"][0]["data"]
    assert data["carriers"] == [
        {
            "carrier": "electricity",
            "unit": "kWh",
            "amount": "6.38095238095",  # 1340 kWh over 210 pieces
            "kgCO2eByColumn": {"life_cycle": "3.68627619048"},
        },
        {
            "carrier": "natural_gas",
            "unit": "Nm3",
            "amount": "1.13333333333",
            "kgCO2eByColumn": {"direct": "2.448", "upstream": "0.689066666667"},
        },
    ]
    assert data["site"]["kgCO2eByLocation"] == data["site"]["kgCO2eByMarket"] == "6.82334285714"
    assert data["purchasedInputsKgCO2e"] == "173.03"
    assert (data["sample"]["batches"], data["u95"]["kgCO2e"]) == (2, "0.0751")
    assert data["shares"]["measuredActivity"] == "0.998"
    assert data["evidence"]["basis"] == sample().evidence.basis


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"product": "wheel-18"}, "product wheel-18: is not declared"),
        ({"unit": "pallet"}, "PACT has no 'pallet'; count in piece, kg, L, m3, kWh, MJ"),
        ({"method": "cbam"}, "makes no product footprint"),
        ({"valid_until_ms": sample().valid_from_ms + 4 * 366 * 86_400_000}, "/validityPeriodEnd"),
        ({"kg_co2e": "-1"}, "/pcf/fossilGhgEmissions"),
        ({"unit": "kg"}, "/pcf/productMassPerDeclaredUnit"),
    ],
)
def test_what_pact_cannot_say_is_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(BadData, match=why):
        of_footprint(sample(**changes), declaration(), BASE)


def of_wood(**changes: Any) -> Footprint:
    """12.1 kg of what is bought: 100 of its 173.03 kg from fossil sources, and 50 kg taken up."""
    parts = {
        "landUseChangeGhgEmissions": "70",
        "biogenicNonCO2Emissions": "3.03",
        "biogenicCO2Uptake": "-50",
    }
    (bought,) = complete().upstream
    made = msgspec.structs.replace(bought, not_fossil={**parts, **changes})
    return complete(upstream=(made, msgspec.structs.replace(bought, kg_co2e="0", not_fossil={})))


def test_what_suppliers_say_is_not_fossil_is_not_stated_as_fossil() -> None:
    pcf = written(of_wood())["pcf"]
    assert pcf["pcfExcludingBiogenicUptake"] == "179.85334285714"
    assert pcf["pcfIncludingBiogenicUptake"] == "129.85334285714"
    assert pcf["fossilGhgEmissions"] == "106.82334285714"
    assert pcf["landUseChangeGhgEmissions"] == "70"
    assert pcf["biogenicNonCO2Emissions"] == "3.03"
    assert pcf["biogenicCO2Uptake"] == "-50"
    assert "landManagementBiogenicCO2Removals" not in pcf
    assert pcf["ccsTechnologicalCO2CaptureIncluded"] is False


def test_what_suppliers_captured_is_stated_as_included() -> None:
    pcf = written(of_wood(ccsTechnologicalCO2Capture="-2"))["pcf"]
    assert pcf["fossilGhgEmissions"] == "108.82334285714"
    assert pcf["ccsTechnologicalCO2Capture"] == "-2"
    assert pcf["ccsTechnologicalCO2CaptureIncluded"] is True


def test_what_was_bought_counts_only_where_the_boundary_has_it_in() -> None:
    """Whatever else a partial footprint says of it."""
    partial = msgspec.structs.replace(of_wood(), boundary="gate_to_gate", draft=True)
    pcf = written(identified(partial))["pcf"]
    for name in ("pcfExcludingBiogenicUptake", "pcfIncludingBiogenicUptake", "fossilGhgEmissions"):
        assert pcf[name] == "6.82334285714"
    assert "biogenicCO2Uptake" not in pcf


def test_a_source_that_names_the_supplier_is_not_told() -> None:
    (bought,) = complete().upstream
    for source, told in (
        ("EPD of Example Aluminium, 2026", "Suppliers' own figures"),
        ("ecoinvent 3.10", "ecoinvent 3.10"),
    ):
        made = msgspec.structs.replace(bought, pcf="", source=source)
        sources = written(complete(upstream=(made,)))["pcf"]["secondaryEmissionFactorSources"]
        assert sources[-1]["name"] == told
