"""What a calculator published, exported by hand in every form that takes it."""

import json
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from calc_stream import exporters
from calc_stream.__main__ import main
from tests.unit.calc_stream_live.days import Days, Office

PRODUCTS = """
[company]
name = "Example Wheels"
domain = "wheels.example.com"
country = "CN"
subdivision = "CN-CQ"
[installation]
name = "Plant 1"
[[product]]
id = "wheel"
name = "Wheel"
name_zh = "车轮"
mass_kg = "11.2"
cpc = "49129"
cn_code = "8708 70 50"
"""


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    plant = Days(tmp_path_factory.mktemp("days"))
    plant.first_day()
    office = Office(plant)
    assert len(office.look()) == 1
    (plant.folder / "products.toml").write_text(PRODUCTS)
    return office


def exported(office: Office, name: str, tmp_path: Path, *more: str) -> bytes:
    out = tmp_path / "out"
    words = ("export", "--ledger", str(office.ledger), "--format", name, "--what", "footprints")
    declared = ("--declaration", str(office.plant.folder / "products.toml"))
    assert main([*words, *declared, "--out", str(out), *more]) == 0
    return out.read_bytes()


@pytest.mark.parametrize("name", ["openlca", "tidas", "ilcd"])
def test_packages_hold_a_process_of_its_id(name: str, office: Office, tmp_path: Path) -> None:
    with zipfile.ZipFile(BytesIO(exported(office, name, tmp_path))) as package:
        (footprint,) = office.all()
        assert [n for n in package.namelist() if f"processes/{footprint.id}" in n]


def test_batches_and_footprints_of_one_product_can_be_taken(office: Office, tmp_path: Path) -> None:
    out = tmp_path / "batches"
    for product in ("wheel", "hub"):
        document = json.loads(exported(office, "json", tmp_path, "--product", product))
        words = ("export", "--ledger", str(office.ledger), "--format", "json")
        assert main([*words, "--product", product, "--out", str(out)]) == 0
        batches = json.loads(out.read_bytes())["batches"]
        assert bool(document["footprints"]) == bool(batches) == (product == "wheel")


def test_json_holds_what_the_shelf_holds(office: Office, tmp_path: Path) -> None:
    document = json.loads(exported(office, "json", tmp_path))
    assert [each["id"] for each in document["footprints"]] == [each.id for each in office.all()]
    assert document["declaration"]["company"]["name"] == "Example Wheels"


def test_a_footprint_names_the_rows_of_each_source(office: Office) -> None:
    (footprint,) = office.all()
    used = {source.source: source.factors for source in footprint.sources}
    assert used == {
        "gas": ("cn-natural-gas-combustion-2025", "cn-natural-gas-supply-2024"),
        "grid": ("cn-grid-footprint-2024",),
    }


@pytest.mark.parametrize("name", ["csv", "parquet", "xlsx"])
def test_tables_take_settings_by_name(name: str, office: Office, tmp_path: Path) -> None:
    setting = {"csv": "delimiter=;", "parquet": "compression=gzip", "xlsx": "lang=zh"}[name]
    plain, other = (
        exported(office, name, tmp_path),
        exported(office, name, tmp_path, "--set", setting),
    )
    assert plain != other


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--format", "catenax"), "is gate to gate, which Catena-X does not know"),
        (("--format", "cbam"), "by the method cbam"),
        (("--format", "influxdb"), "does not hold footprints; take --what batches or products"),
        (("--format", "xlsx", "--set", "lang=fr"), "--set of format xlsx"),
        (("--format", "papyrus"), "there is no exporter 'papyrus'"),
    ],
    ids=["catenax", "cbam", "influxdb", "setting", "form"],
)
def test_what_a_form_cannot_say_is_refused_in_one_line(
    words: tuple[str, ...], said: str, office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    declared = ("--declaration", str(office.plant.folder / "products.toml"))
    command = ("export", "--ledger", str(office.ledger), "--what", "footprints", *declared)
    assert main([*command, *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1


def test_the_help_names_every_form(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    said = capsys.readouterr().out
    assert all(name in said for name in exporters.shipped())
