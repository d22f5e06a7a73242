"""What is no good ProductFootprint is refused, wherever schema and conformance suite are lax."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calc_stream.__main__ import main
from calc_stream.pact.shapes import CARBON, FOOTPRINT
from calc_stream.pact.validator import parse, problems
from tests.unit.calc_stream_pact import published_schema
from tests.unit.calc_stream_pact.documents import EXAMPLES, good, top
from wire.errors import BadData


def told(document: Any) -> list[str]:
    return [problem.pointer for problem in problems(document)]


def test_a_good_document_has_no_problem() -> None:
    assert problems(good()) == []


def test_the_sums_of_example_3_hold() -> None:
    assert problems(good(**EXAMPLES[3])) == []


@pytest.mark.parametrize(("number", "total"), [(1, "0.356"), (2, "4.804"), (4, "0.371")])
def test_the_sums_of_examples_1_2_and_4_do_not(number: int, total: str) -> None:
    """They count fossil emissions of land management twice and leave out what is not CO2."""
    first, *_ = problems(good(**EXAMPLES[number]))
    stated = EXAMPLES[number]["pcfExcludingBiogenicUptake"]
    assert first.pointer == "/pcf/pcfExcludingBiogenicUptake"
    assert first.problem == f"is {stated}, its parts are {total}"


def test_uptake_makes_the_difference_between_the_two_figures() -> None:
    made = good(biogenicCO2Uptake="-2", pcfIncludingBiogenicUptake="12.3")
    assert problems(made) == []
    assert told(good(biogenicCO2Uptake="-2")) == ["/pcf/pcfIncludingBiogenicUptake"]


@pytest.mark.parametrize(
    "text",
    [
        "abc",
        "1e-5",
        "1.2345e+6",
        "5abc",
        "14.3\n",
        " 14.3",
        "14,3",
        ".5",
        "5.",
        "",
        "NaN",
        "１",
        14.3,
    ],
)
@pytest.mark.parametrize("name", ["fossilGhgEmissions", "declaredUnitAmount", "primaryDataShare"])
def test_a_decimal_is_digits_from_end_to_end(name: str, text: object) -> None:
    assert told(good(**{name: text})) == [f"/pcf/{name}"]


# What the suite of 2026 lets through, and what the schema says in words only.
LAX: list[tuple[dict[str, Any], str]] = [
    (good(fossilGhgEmissions="-1", pcfExcludingBiogenicUptake="-1", pcfIncludingBiogenicUptake="-1"),
     "/pcf/fossilGhgEmissions"),
    (good(declaredUnitAmount="0", productMassPerDeclaredUnit="0"), "/pcf/declaredUnitAmount"),
    (good(declaredUnitAmount="-1", declaredUnitOfMeasurement="piece"), "/pcf/declaredUnitAmount"),
    (good(primaryDataShare=None), "/pcf/primaryDataShare"),
    (good(primaryDataShare="100.1"), "/pcf/primaryDataShare"),
    (good(exemptedEmissionsPercent="-1"), "/pcf/exemptedEmissionsPercent"),
    (good(packagingEmissionsIncluded=None), "/pcf/packagingEmissionsIncluded"),
    (good(packagingEmissionsIncluded="false"), "/pcf/packagingEmissionsIncluded"),
    (good(ccsTechnologicalCO2CaptureIncluded=None), "/pcf/ccsTechnologicalCO2CaptureIncluded"),
    (good(pcfExcludingBiogenicUptake="14.4", pcfIncludingBiogenicUptake="14.4"),
     "/pcf/pcfExcludingBiogenicUptake"),
    (good(biogenicCO2Uptake="2", pcfIncludingBiogenicUptake="16.3"), "/pcf/biogenicCO2Uptake"),
    (good(landManagementFossilGhgEmissions="14.4"), "/pcf/landManagementFossilGhgEmissions"),
    (good(fossilCarbonContent="1.1"), "/pcf/fossilCarbonContent"),
    (good(dqi={"technologicalDQR": "9", "geographicalDQR": "1", "temporalDQR": "5"}),
     "/pcf/dqi/technologicalDQR"),
    (good(dqi={"technologicalDQR": "1", "geographicalDQR": "5"}), "/pcf/dqi/temporalDQR"),
    (good(geographyCountry="CN", geographyCountrySubdivision="CN-CQ"), "/pcf/geographyCountry"),
    (good(geographyCountry="ZZ"), "/pcf/geographyCountry"),
    (good(geographyCountrySubdivision="CN-ZZ"), "/pcf/geographyCountrySubdivision"),
    (good(geographyRegionOrSubregion="Far East"), "/pcf/geographyRegionOrSubregion"),
    (good(declaredUnitOfMeasurement="pieces"), "/pcf/declaredUnitOfMeasurement"),
    (good(declaredUnitOfMeasurement=["kilogram"]), "/pcf/declaredUnitOfMeasurement"),
    (good(productMassPerDeclaredUnit="2"), "/pcf/productMassPerDeclaredUnit"),
    (good(declaredUnitOfMeasurement="megajoule"), "/pcf/productMassPerDeclaredUnit"),
    (good(declaredUnitOfMeasurement="piece", productMassPerDeclaredUnit="0"),
     "/pcf/productMassPerDeclaredUnit"),
    (good(referencePeriodEnd="2026-10-01T00:00:00Z"), "/pcf/referencePeriodEnd"),
    (good(referencePeriodEnd="2026-11-01T00:00:00+00:00"), "/pcf/referencePeriodEnd"),
    (good(referencePeriodEnd="2026-11-01"), "/pcf/referencePeriodEnd"),
    (good(referencePeriodEnd="2026-11-31T00:00:00Z"), "/pcf/referencePeriodEnd"),
    (top(validityPeriodStart="2026-10-31T23:59:59Z"), "/validityPeriodStart"),
    (top(validityPeriodEnd="2029-11-01T00:00:01Z"), "/validityPeriodEnd"),
    (top(validityPeriodEnd="2026-11-01T00:00:00Z"), "/validityPeriodEnd"),
    (top(validityPeriodStart="2029-11-01T00:00:00Z"), "/validityPeriodEnd"),
    (good(packagingGhgEmissions="0"), "/pcf/packagingGhgEmissions"),
    (good(technologicalCO2Removals="0"), "/pcf/technologicalCO2Removals"),
    (good(secondaryEmissionFactorSources=None), "/pcf/secondaryEmissionFactorSources"),
    (good(primaryDataShare="100"), "/pcf/secondaryEmissionFactorSources"),
    (good(ipccCharacterizationFactors=[]), "/pcf/ipccCharacterizationFactors"),
    (good(ipccCharacterizationFactors=["AR6", "AR6"]), "/pcf/ipccCharacterizationFactors/1"),
    (good(ipccCharacterizationFactors=["AR6 "]), "/pcf/ipccCharacterizationFactors/0"),
    (good(productOrSectorSpecificRules=[{"operator": "Other", "ruleNames": ["TfS"]}]),
     "/pcf/productOrSectorSpecificRules/0/otherOperatorName"),
    (good(otherOperatorName="TfS"), "/pcf/otherOperatorName"),
    (good(verification={"coverage": "everything"}), "/pcf/verification/coverage"),
    (top(companyName=" "), "/companyName"),
    (top(companyIds=["529900EXAMPLE0000000"]), "/companyIds/0"),
    (top(productIds=["urn:gtin:4012 345"]), "/productIds/0"),
    (top(productIds=["urn:gtin:1", "urn:gtin:1"]), "/productIds/1"),
    (top(productIds=["urn:gtin:1\n"]), "/productIds/0"),
    (top(productIds=["urn:gtin:\u017f"]), "/productIds/0"),
    (top(productIds=["urn:\u212a1:1"]), "/productIds/0"),
    (top(productClassifications=[]), "/productClassifications"),
    (top(id="e7u1639i-bg76-4c6e-608p-542u7i9iujh98"), "/id"),
    (top(precedingPfIds=["3FA85F64-5717-4562-B3FC-2C963F66AFA6"]), "/precedingPfIds/0"),
    (top(specVersion="2.3.0"), "/specVersion"),
    (top(status="active"), "/status"),
    (top(extensions=[{"specVersion": "2.0.0", "dataSchema": "schema", "data": {}}]),
     "/extensions/0/dataSchema"),
    ({**top(), "comment": None}, "/comment"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "pointer"), LAX, ids=[pointer for _, pointer in LAX])
def test_what_the_suite_lets_through_is_refused(document: dict[str, Any], pointer: str) -> None:
    assert told(document) == [pointer]


def test_every_problem_is_told_at_once_each_with_its_cure() -> None:
    wrong = good(fossilGhgEmissions="x", exemptedEmissionsPercent="101", packagingGhgEmissions="1")
    found = problems({**wrong, "id": "1"})
    assert {problem.pointer for problem in found} == {
        *("/id", "/pcf/fossilGhgEmissions", "/pcf/exemptedEmissionsPercent"),
        "/pcf/packagingGhgEmissions",
    }
    assert all(problem.cure for problem in found)


def test_a_later_minor_version_may_have_properties_we_do_not_know() -> None:
    later = {**good(waterGhgEmissions="1"), "specVersion": "3.1.0"}
    assert problems(later) == []
    assert told({**later, "specVersion": "3.0.9"}) == ["/pcf/waterGhgEmissions"]


def test_a_standard_we_do_not_know_is_accepted() -> None:
    """The specification demands it."""
    assert problems(good(crossSectoralStandards=["FUTURE-STANDARD"])) == []


@pytest.mark.parametrize("document", [None, [], "text", 1, {}, {"pcf": []}, {"pcf": {"dqi": 1}}])
def test_whatever_json_there_is_it_is_judged(document: object) -> None:
    assert problems(document)


def test_a_window_may_be_as_long_as_the_rule_says_and_no_longer() -> None:
    window = {"validityPeriodStart": "2026-11-01T00:00:00Z"}
    assert problems(top(**window, validityPeriodEnd="2029-11-01T00:00:00Z")) == []
    late = top(**window, validityPeriodEnd="2029-11-01T00:00:00.001Z")
    assert told(late) == ["/validityPeriodEnd"]


def test_what_a_problem_says_stays_on_one_line() -> None:
    (problem,) = problems(top(**{"x\n\x1b[2J" + "y" * 1000: 1}))
    assert str(problem).isprintable()
    assert len(str(problem)) < 400


def test_a_year_at_the_end_of_time_is_judged() -> None:
    late = good(referencePeriodEnd="9999-12-31T00:00:00Z")
    assert problems(late) == []


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"{", "is no JSON"),
        (b"\xff", "is no JSON"),
        (b'{"id": "1", "id": "2"}', "'id' stands twice"),
        (b'{"id": NaN}', "NaN is no number"),
        (b'{"id": 1e999}', "1e999 is no number"),
        (b'{"id": "\\ud800"}', "is no JSON"),
        ('{"id": 1}'.encode("utf-16"), "is no JSON"),
        (b"[" * 60 + b"]" * 60, "is nested deeper than 50"),
        (b"[" * 100_000, "is no JSON"),
        (b" " * 5_000_000, "is longer than"),
    ],
)
def test_what_is_no_single_json_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(BadData, match=why):
        parse(data)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_PLACES = sorted([*FOOTPRINT.must, *FOOTPRINT.may, *CARBON.must, *CARBON.may])


@given(st.lists(st.tuples(st.sampled_from(_PLACES), _VALUES), min_size=1, max_size=4))
def test_whatever_stands_somewhere_is_judged_and_told(changes: list[tuple[str, Any]]) -> None:
    document = good()
    for name, value in changes:
        inner = document["pcf"] if isinstance(document.get("pcf"), dict) else document
        (document if name in FOOTPRINT.must | FOOTPRINT.may else inner)[name] = value
    for problem in problems(document):
        assert problem.pointer == "" or problem.pointer.startswith("/")
        assert problem.problem
        assert problem.cure


def test_the_command_says_where_what_and_the_cure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "footprint.json"
    file.write_text(json.dumps({"data": [good(), good(fossilGhgEmissions="1e-5")]}))
    assert main(["pact", "check", str(file)]) == 1
    out = capsys.readouterr().out
    assert out == (
        f"{file}: /data/1/pcf/fossilGhgEmissions: '1e-5' is no plain decimal string;"
        ' write digits in quotes, as "1.25"\n'
    )
    file.write_text(json.dumps({"data": good()}))
    assert main(["pact", "check", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: good\n"
    assert main(["pact", "check", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": str(file), "good": True, "problems": []}
    assert main(["pact", "check", str(tmp_path / "none")]) == 2


def test_our_judge_knows_every_property_of_the_published_schema_and_no_other() -> None:
    for shape, schema in (
        (FOOTPRINT, published_schema.FOOTPRINT),
        (CARBON, published_schema.CARBON),
    ):
        assert {*shape.must, *shape.may} == set(schema["properties"])
        assert set(schema["required"]) <= set(shape.must)
    # What the methodology says SHALL of, and the schema leaves open.
    assert set(CARBON.must) - set(published_schema.CARBON["required"]) == {
        *("primaryDataShare", "packagingEmissionsIncluded", "ccsTechnologicalCO2CaptureIncluded"),
    }


def test_what_our_judge_takes_the_published_schema_takes() -> None:
    for document in (
        good(),
        good(**EXAMPLES[3]),
        good(biogenicCO2Uptake="-2", pcfIncludingBiogenicUptake="12.3"),
    ):
        assert problems(document) == []
        published_schema.footprint.validate(document)


def test_what_the_schema_refuses_our_judge_refuses_and_much_more() -> None:
    refused = [d for d, _ in LAX if not published_schema.footprint.is_valid(d)]
    assert 0 < len(refused) < len(LAX)
    assert all(problems(document) for document in refused)
    assert published_schema.footprint.is_valid(good(declaredUnitAmount="5abc"))
    assert problems(good(declaredUnitAmount="5abc"))
