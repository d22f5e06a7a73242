"""Catena-X files against the model's structure, which takes the official example and no spoilt one."""

import json
import zipfile
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from calc_stream.exporters import Export, catenax
from tests.contract import catenax_sample
from tests.contract.test_exporters import PUBLISHED, SECOND
from tests.unit.calc_stream_live import footprints_sample
from wire.errors import ConfigError

GOLDEN = Path(__file__).parent.parent / "golden" / "catenax"
MODEL = jsonschema_rs.Draft4Validator(
    json.loads((GOLDEN / "schema.json").read_text()), validate_formats=True
)


def declared(**company: Any) -> Export:
    return catenax_sample.known(PUBLISHED, **company)


def written(export: Export, **settings: Any) -> dict[str, Any]:
    data = catenax.write(export, msgspec.convert(settings, catenax.Settings))
    with zipfile.ZipFile(BytesIO(data)) as files:
        return {name: json.loads(files.read(name)) for name in files.namelist()}


def paths(node: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    if isinstance(node, list):
        for at, each in enumerate(node):
            yield from paths(each, *path, at)
    elif isinstance(node, dict):
        for key, each in node.items():
            yield (*path, key)
            yield from paths(each, *path, key)


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    found = deepcopy(document)
    node = found
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    return found


def test_a_footprint_with_all_its_inputs_is_in_the_model() -> None:
    (document,) = written(declared()).values()
    assert [error.message for error in MODEL.iter_errors(document)] == []
    (about,) = document["companyAndProductInformation"]
    assert about["companyInformation"] == [
        {
            "companyName": "Chongqing Example Wheels",
            "companyIds": ["urn:BPNL000000000DWF", "urn:lei:529900EXAMPLE0000000"],
        }
    ]
    (stages,) = document["productLifeCycleStagesAndEmissions"]
    (production,) = stages["productionStage"]
    figure = Decimal(SECOND.kg_co2e) + Decimal(SECOND.upstream_kg_co2e or "0")
    assert Decimal(str(production["pcfExcludingBiogenicUptake"])) == figure
    (assessment,) = document["pcfAssessmentAndMethodology"]
    (quality,) = assessment["dataSourcesAndQuality"]
    assert quality["primaryDataShare"] == 57.7237
    (information,) = assessment["pcfAssessmentInformation"]
    assert information["idAndVersion"][0]["id"] == SECOND.id
    assert information["geography"] == [
        {
            "geographyRegionOrSubregion": "Eastern Asia",
            "geographyCountry": "CN",
            "geographyCountrySubdivision": "CN-CQ",
        }
    ]


def test_what_suppliers_say_is_not_fossil_stands_under_its_own_name() -> None:
    parts = {
        "landUseChangeGhgEmissions": "1",
        "landManagementBiogenicCO2Emissions": "2",
        "landManagementBiogenicCO2Removals": "-3",
        "biogenicNonCO2Emissions": "4",
        "biogenicCO2Uptake": "-5",
    }
    (bought,) = SECOND.upstream
    its = footprints_sample.complete(upstream=(msgspec.structs.replace(bought, not_fossil=parts),))
    (document,) = written(replace(declared(), rows=[its])).values()
    assert [error.message for error in MODEL.iter_errors(document)] == []
    (stages,) = document["productLifeCycleStagesAndEmissions"]
    (production,) = stages["productionStage"]
    assert {name: str(Decimal(str(production[name]))) for name in parts} == parts
    figure = {name: Decimal(str(kg)) for name, kg in production.items()}
    assert figure["pcfExcludingBiogenicUptake"] == figure["fossilGhgEmissions"] + 4
    assert figure["pcfIncludingBiogenicUptake"] == figure["pcfExcludingBiogenicUptake"] - 5


def test_times_masses_and_sets_are_those_of_the_footprint() -> None:
    (document,) = written(declared()).values()
    (assessment,) = document["pcfAssessmentAndMethodology"]
    (information,) = assessment["pcfAssessmentInformation"]
    assert information["time"] == [
        {
            "referencePeriodStart": "2026-09-30T16:00:00.000Z",  # October in Chongqing
            "referencePeriodEnd": "2026-10-31T16:00:00.000Z",
            "created": "2026-10-31T16:10:00.000Z",
            "validityPeriodStart": "2026-10-31T16:00:00.000Z",
            "validityPeriodEnd": "2027-10-31T16:00:00.000Z",
        }
    ]
    (methodology,) = assessment["pcfMethodology"]
    assert methodology["gwpCharacterizationFactorDetails"] == [
        {"ipccCharacterizationFactors": "AR6"}
    ]
    assert document["carbonContent"] == [{"fossilCarbonContent": 0.012}]
    (about,) = document["companyAndProductInformation"]
    (product,) = about["productInformation"]
    declared_unit = product["declaredUnitAmount"], product["declaredUnitOfMeasurement"]
    assert (*declared_unit, product["productMassPerDeclaredUnit"]) == (1, "piece", 11.2)


def test_the_structure_takes_the_official_example() -> None:
    example = json.loads((GOLDEN / "example.json").read_text())
    assert [error.message for error in MODEL.iter_errors(example)] == []


def test_the_structure_knows_every_field_by_its_type() -> None:
    """Wherever the example has a value, another kind of value is noticed."""
    example = json.loads((GOLDEN / "example.json").read_text())
    every = list(paths(example))
    assert len(every) > 100
    unnoticed = [path for path in every if MODEL.is_valid(changed(example, path, {"x": None}))]
    assert unnoticed == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("scopeOfPcfForm", 0, "partialFullPcf"), "Gate-to-gate"),
        (
            ("companyAndProductInformation", 0, "productInformation", 0, "declaredUnitAmount"),
            0,
        ),
        (
            ("pcfAssessmentAndMethodology", 0, "dataSourcesAndQuality", 0, "temporalDQR"),
            9,
        ),
        (
            ("productLifeCycleStagesAndEmissions", 0, "productionStage", 0, "fossilGhgEmissions"),
            -1,
        ),
    ],
)
def test_the_structure_refuses_what_is_out_of_range(path: tuple[Any, ...], value: Any) -> None:
    example = json.loads((GOLDEN / "example.json").read_text())
    assert not MODEL.is_valid(changed(example, path, value))


def test_gate_to_gate_is_refused_with_the_cure() -> None:
    with pytest.raises(ConfigError, match="is gate to gate, .* declare all purchased inputs"):
        written(replace(declared(), superseded=frozenset()))


@pytest.mark.parametrize(
    ("export", "said"),
    [
        (replace(PUBLISHED, declaration=None), "--declaration: is needed"),
        (declared(ids=()), "company.ids: holds no business partner number"),
        (declared(country="FJ", subdivision=""), "--set region=: is needed: the UN region of FJ"),
        (
            replace(declared(), rows=[footprints_sample.complete(unit="pallet")]),
            "PACT has no 'pallet'; count in piece, kg",
        ),
    ],
    ids=["nothing declared", "no BPNL", "far country", "pallets"],
)
def test_what_catena_x_cannot_take_is_refused(export: Export, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        written(export)


def test_a_region_can_be_told() -> None:
    (document,) = written(declared(country="FJ", subdivision=""), region="Melanesia").values()
    assert MODEL.is_valid(document)
