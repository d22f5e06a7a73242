"""ILCD and TIDAS data sets, judged by TIDAS's own validator and by ILCD's official schemas."""

import json
import zipfile
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree.ElementTree import fromstring

import msgspec
import pytest

from calc_stream.exporters import Export, ilcd, tidas
from calc_stream.footprints.footprint import Doubted
from tests import peers
from tests.contract.test_exporters import FIRST, PUBLISHED, SECOND
from tests.unit.calc_stream_live import footprints_sample
from wire.errors import ConfigError

BOTH = replace(PUBLISHED, superseded=frozenset())
FORMS = [tidas, ilcd]
FOLDERS = ["contacts", "flowproperties", "flows", "processes", "sources", "unitgroups"]
_P = "{http://lca.jrc.it/ILCD/Process}"


def written(export: Export, form: ModuleType) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(form.write(export, form.Settings()))) as package:
        return {name: package.read(name) for name in package.namelist()}


def process(export: Export, id_: str) -> Any:
    return json.loads(written(export, tidas)[f"processes/{id_}.json"])["processDataSet"]


def exotic() -> Export:
    """Another unit of output, nothing known of the product, names in Chinese only, no doubt known."""
    row = footprints_sample.sample(unit="件", product="轮毂", u95=Doubted(None, None, ("m",)))
    told = footprints_sample.declaration()
    company = msgspec.structs.replace(told.company, name="重庆示例轮毂", subdivision="")
    return replace(BOTH, rows=[row], declaration=msgspec.structs.replace(told, company=company))


def no_year(data: bytes) -> bytes:
    return data.replace(b"referenceYear", b"referenceJahr")


def no_direction(data: bytes) -> bytes:
    return data.replace(b"exchangeDirection", b"exchangeHeading")


def stored(files: dict[str, bytes], folder: Path) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder / "ILCD" if (folder / "ILCD").exists() else folder


@pytest.mark.parametrize("form", FORMS, ids=["tidas", "ilcd"])
def test_their_own_tools_find_nothing_wrong_but_what_is_spoilt(
    form: ModuleType, tmp_path: Path
) -> None:
    good = {**written(BOTH, form), **written(exotic(), form)}
    packages = [good]
    for spoil in (no_year, no_direction):
        packages.append({n: spoil(data) for n, data in good.items() if "processes/" in n})
    folders = [stored(files, tmp_path / str(at)) for at, files in enumerate(packages)]
    told = peers.told("tidas", "tidas" if form is tidas else "ilcd", *folders)
    assert [each["categories"] for each in told] == [FOLDERS, ["processes"], ["processes"]]
    assert told[0]["issues"] == []
    assert [len(each["issues"]) >= 3 for each in told[1:]] == [True, True]  # one a process


def test_what_leaves_the_process_is_the_figure() -> None:
    for footprint in (FIRST, SECOND):
        exchanges = process(BOTH, footprint.id)["exchanges"]["exchange"]
        assert exchanges[0]["exchangeDirection"] == "Output"
        emitted = [
            Fraction(each["meanAmount"])
            for each in exchanges[1:]
            if each["exchangeDirection"] == "Output"
        ]
        figure = Fraction(footprint.kg_co2e) + Fraction(footprint.upstream_kg_co2e or "0")
        assert float(sum(emitted)) == pytest.approx(float(figure), rel=1e-10)


def test_what_was_metered_is_a_reminder_in_the_units_of_reference() -> None:
    exchanges = process(BOTH, SECOND.id)["exchanges"]["exchange"]
    inputs = [each for each in exchanges if each["exchangeDirection"] == "Input"]
    assert {each["functionType"] for each in inputs} == {"General reminder flow"}
    gas, grid, ingot = (float(each["meanAmount"]) for each in inputs)
    assert gas == pytest.approx(238 / 210)
    assert grid == pytest.approx(1340 / 210 * 3.6)  # MJ
    assert ingot == pytest.approx(12.1)


def test_a_footprint_without_its_inputs_is_a_partly_terminated_system() -> None:
    kinds = [
        process(BOTH, footprint.id)["modellingAndValidation"]["LCIMethodAndAllocation"]
        for footprint in (FIRST, SECOND)
    ]
    assert [each["typeOfDataSet"] for each in kinds] == ["Partly terminated system", "LCI result"]
    owned = process(BOTH, FIRST.id)["administrativeInformation"]["publicationAndOwnership"]
    assert owned["common:workflowAndPublicationStatus"] == "Working draft"


def test_inputs_some_of_which_are_unknown_are_not_stated_as_counted() -> None:
    partly = footprints_sample.complete(draft=True, boundary="gate_to_gate", upstream_kg_co2e=None)
    exchanges = process(replace(PUBLISHED, rows=[partly]), partly.id)["exchanges"]["exchange"]
    inputs = [each for each in exchanges if each["exchangeDirection"] == "Input"]
    assert len(inputs) == len(partly.sources)


@pytest.mark.parametrize(
    ("u95", "percent"),
    [
        ("0.0751", "1.101"),  # of 6.82334285714: 1.10063 %
        ("0.00000001", "0.001"),  # ILCD has no more decimals, and 0 would be certainty
        ("6.8233428", "100"),  # 99.99999
        ("12.3456", "180.94"),  # 180.932 %
        ("123456", None),
        (None, None),
    ],
)
def test_u95_in_percent_has_the_digits_of_ilcd_and_is_never_smaller(
    u95: str | None, percent: str | None
) -> None:
    footprint = footprints_sample.sample(u95=Doubted(None, u95, ()))
    exchanges = process(replace(PUBLISHED, rows=[footprint]), footprint.id)["exchanges"]["exchange"]
    emitted = [each for each in exchanges[1:] if each["exchangeDirection"] == "Output"]
    assert {each.get("relativeStandardDeviation95In") for each in emitted} == {percent}


def test_what_was_bought_has_no_uncertainty_of_ours() -> None:
    exchanges = process(BOTH, SECOND.id)["exchanges"]["exchange"]
    doubted = [each for each in exchanges if "relativeStandardDeviation95In" in each]
    assert len(doubted) == len(SECOND.columns)
    assert not [each for each in doubted if each["meanAmount"] == SECOND.upstream_kg_co2e]


@pytest.mark.parametrize(
    ("unit", "amount"),
    [("piece", "1"), ("t", "1000"), ("kWh", "3.6"), ("Nm3", "1"), ("L", "0.001")],
)
def test_one_unit_of_product_leaves_in_the_unit_of_reference(unit: str, amount: str) -> None:
    footprint = footprints_sample.sample(unit=unit)
    made, *emitted = process(replace(BOTH, rows=[footprint]), footprint.id)["exchanges"]["exchange"]
    assert (made["meanAmount"], made["resultingAmount"]) == (amount, amount)
    assert emitted[0]["meanAmount"] == footprint.columns["direct"]


def test_of_electricity_by_place_and_by_contract_one_leaves() -> None:
    columns = {"life_cycle": "3.7", "life_cycle_market": "2.9", "direct": "2.4"}
    both = footprints_sample.sample(columns=columns)
    exchanges = process(replace(BOTH, rows=[both]), both.id)["exchanges"]["exchange"]
    emitted = [each for each in exchanges[1:] if each["exchangeDirection"] == "Output"]
    assert {each["meanAmount"] for each in emitted} == {"2.9", "2.4"}


@pytest.mark.parametrize(
    ("share", "kind"),
    [
        ("1", "Primary"),
        ("0.95", "> 90% primary"),
        ("0.9", "Mixed primary / secondary"),
        ("0", "Secondary"),
    ],
)
def test_emissions_are_as_primary_as_the_figure(share: str, kind: str) -> None:
    footprint = footprints_sample.sample(primary_data_share=share)
    exchanges = process(replace(BOTH, rows=[footprint]), footprint.id)["exchanges"]["exchange"]
    emitted = [each for each in exchanges[1:] if each["exchangeDirection"] == "Output"]
    assert {each["dataSourceType"] for each in emitted} == {kind}


def test_years_are_those_of_the_site() -> None:
    """In New York it is still 2026 when the period ends."""
    new_year = 1_798_779_600_000  # 2027-01-01 00:00 there
    december = footprints_sample.sample(
        period="2026-12",
        timezone="America/New_York",
        end_ms=new_year,
        valid_until_ms=new_year + 365 * 86_400_000,
    )
    told = process(replace(PUBLISHED, rows=[december]), december.id)["processInformation"]["time"]
    assert (told["common:referenceYear"], told["common:dataSetValidUntil"]) == (2026, 2027)


@pytest.mark.parametrize("form", FORMS, ids=["tidas", "ilcd"])
def test_a_footprint_superseded_is_not_in_it(form: ModuleType) -> None:
    names = [name for name in written(PUBLISHED, form) if "processes/" in name]
    assert [SECOND.id in name for name in names] == [True]


def test_a_source_says_which_value_of_which_document() -> None:
    found = written(PUBLISHED, tidas)
    said = " ".join(data.decode() for name, data in found.items() if name.startswith("sources/"))
    for factor in SECOND.factors:
        assert f"{factor.document} ({factor.value} {factor.unit})" in said


def test_texts_are_in_english_and_chinese() -> None:
    name = process(BOTH, FIRST.id)["processInformation"]["dataSetInformation"]["name"]
    assert [each["@xml:lang"] for each in name["baseName"]] == ["en", "zh"]
    assert [each["#text"].split(" (")[0].split("（")[0] for each in name["baseName"]] == [
        "Aluminium wheel 17 in",
        "17 英寸铝车轮",
    ]


def test_xml_and_json_say_the_same() -> None:
    root = fromstring(written(BOTH, ilcd)[f"ILCD/processes/{FIRST.id}.xml"])  # noqa: S314  ours
    amounts = [each.text for each in root.iter(f"{_P}meanAmount")]
    exchanges = process(BOTH, FIRST.id)["exchanges"]["exchange"]
    assert amounts == [each["meanAmount"] for each in exchanges]


@pytest.mark.parametrize("form", FORMS, ids=["tidas", "ilcd"])
def test_without_an_owner_there_is_no_data_set(form: ModuleType) -> None:
    with pytest.raises(ConfigError, match="--declaration: is needed"):
        form.write(replace(BOTH, declaration=None), form.Settings())
