"""Every shipped factor says where it comes from, and wrong factor files are refused by line and key."""

import re
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from calc_stream.factors import SHIPPED, FactorSet, InventoryFactor, ProductFactor, forms, load
from calc_stream.factors.gwp import known_sets, load_gwp
from calc_stream.factors.parts import CO2_ONLY
from calc_stream.factors.regions import problem_of
from wire.errors import BadData, ConfigError

ROOT = Path(__file__).parents[2]
FILES = sorted(SHIPPED.glob("*.toml"))
NOV_2026 = int(datetime(2026, 11, 21, tzinfo=UTC).timestamp() * 1000)
MAR_2025 = int(datetime(2025, 3, 1, tzinfo=UTC).timestamp() * 1000)
MAY_2024 = int(datetime(2024, 5, 1, tzinfo=UTC).timestamp() * 1000)

GOOD = """
format = 1
[documents.d]
publisher = "Utility"
title = "Contract 7"
dated = "2026-01-01"
[[factors]]
id = "our-pv-2026"
series = "our-pv"
value = "0.041"
unit = "kgCO2e/kWh"
kind = "product_footprint"
stage = "life_cycle"
region = "CN-CQ"
data_year = 2026
valid_from = 2026-01-01T00:00:00+08:00
document = "d"
status = "verified"
"""
FUEL = """
[[factors]]
id = "our-gas-2026"
series = "our-gas"
value = "2.1622"
unit = "kgCO2/Nm3"
kind = "inventory"
stage = "direct"
region = "CN-CQ"
data_year = 2026
valid_from = 2026-01-01T00:00:00+08:00
document = "d"
status = "verified"
parts = { ncv_mj = "38.931", carbon_t_per_tj = "15.3", oxidation = "0.99" }
"""


def folder(tmp_path: Path, text: str) -> Path:
    (tmp_path / "ours.toml").write_text(text, encoding="utf-8")
    return tmp_path


def test_the_sample_in_the_docstring_is_a_factor_file(tmp_path: Path) -> None:
    sample = re.search(r"~~~toml\n(.*?)~~~", forms.__doc__ or "", re.DOTALL)
    assert sample is not None
    rows = load(folder(tmp_path, sample[1])).named("our-roof")
    assert {row.stage for row in rows} == {"life_cycle", "td", "generation"}


def test_there_are_files_and_gwp_sets() -> None:
    assert len(FILES) >= 4
    assert known_sets() == ["AR5", "AR6"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_shipped_file_names_publisher_document_date_region_and_status(path: Path) -> None:
    documents = tomllib.loads(path.read_text(encoding="utf-8"))["documents"]
    assert documents
    titles = tuple(document["title"] for document in documents.values())
    rows = [row for row in load().rows if row.document.startswith(titles)]
    assert rows
    for row in rows:
        assert row.publisher
        assert re.fullmatch(r"\d{4}(-\d\d(-\d\d)?)?", row.dated)
        assert Fraction(row.value) > 0 or row.series == "cn-own-non-fossil-co2"  # what it says
        assert problem_of(row.region) is None
        assert row.status == "verified" or "second" in path.read_text(encoding="utf-8")


def test_what_is_called_verified_is_what_was_read_in_the_publishers_document() -> None:
    verified = {(row.document, row.data_year) for row in load().rows if row.status == "verified"}
    assert {year for _, year in verified} == {2023, 2024}
    assert all("2023 electricity CO2" in d or "2024 electricity" in d for d, _ in verified)


@pytest.mark.parametrize(
    ("series", "values"),
    [  # kgCO2e/kWh of 2023 and 2024
        ("cn-grid-footprint", ("0.6205", "0.5777")),
        ("cn-coal-footprint", ("0.9440", "0.9240")),
        ("cn-gas-footprint", ("0.4792", "0.4503")),
        ("cn-wind-footprint", ("0.0336", "0.0324")),
        ("cn-pv-footprint", ("0.0545", "0.0520")),
        # kgCO2/kWh of 2021, 2022 and 2023
        ("cn-grid-co2", ("0.5568", "0.5366", "0.5306")),
        ("cn-residual-co2", ("0.5942", "0.5856", "0.6096")),
        ("cn-fossil-co2", ("0.8426", "0.8325", "0.8273")),
        ("cn-cq-grid-co2", ("0.4743", "0.5227", "0.5581")),
        ("cn-southwest-grid-co2", ("0.2113", "0.2268", "0.2472")),
        ("cn-sc-grid-co2", ("0.1255", "0.1404", "0.1564")),
        ("cn-hb-grid-co2", ("0.3672", "0.4364", "0.4044")),
    ],
)
def test_published_values_of_electricity(series: str, values: tuple[str, ...]) -> None:
    rows = sorted(load().named(series), key=lambda row: row.data_year)
    assert tuple(row.value for row in rows) == values


def test_every_published_province_has_three_years_and_an_entry_for_both_kinds() -> None:
    factors = load()
    regions = [row.region for row in factors.rows if row.stage == "generation"]
    provinces = {region for region in regions if re.fullmatch("CN-[A-Z]{2}", region)}
    assert len(provinces) == 30  # without Tibet, Hong Kong, Macau and Taiwan
    for region in provinces:
        assert regions.count(region) == 3
        name = f"{region.lower()}-grid"
        (product,) = factors.at(name, NOV_2026, ProductFactor)
        (inventory,) = factors.at(name, NOV_2026, InventoryFactor)
        assert (product.value, inventory.region) == ("0.5777", region)


def test_published_values_hold_in_their_time() -> None:
    factors = load()
    name = "cn-cq-grid"
    in_force = [factors.at(name, t, InventoryFactor)[0] for t in (MAY_2024, MAR_2025, NOV_2026)]
    assert [row.value for row in in_force] == ["0.4743", "0.5227", "0.5581"]
    before, now = (factors.at(name, t, ProductFactor)[0] for t in (MAR_2025, NOV_2026))
    assert (before.value, now.value, now.gases) == ("0.6205", "0.5777", "CO2e")
    assert factors.at(name, MAY_2024, ProductFactor) == ()


@pytest.mark.parametrize(
    ("fuel", "printed"),
    [
        ("natural-gas", "2.1622"),
        ("raw-coal", "1.9003"),
        ("coke", "2.8604"),
        ("crude-oil", "3.0202"),
        ("fuel-oil", "3.1705"),
        ("petrol", "2.9251"),
        ("kerosene", "3.0179"),
        ("diesel", "3.0959"),
        ("lpg", "3.1013"),
        ("refinery-gas", "3.0119"),
    ],
)
def test_a_fuels_parts_give_what_the_table_prints(fuel: str, printed: str) -> None:
    (row,) = load().named(f"cn-{fuel}-co2")
    assert row.value == printed
    assert row.parts is not None
    assert f"{float(row.kg(CO2_ONLY)):.4f}" == printed
    assert row.kg(CO2_ONLY) != row.amount  # exact, not the printed rounding


def test_natural_gas_is_an_entry_of_combustion_and_supply_and_of_co2_for_inventories() -> None:
    factors = load()
    product = factors.at("cn-natural-gas", NOV_2026, ProductFactor)
    assert [(row.stage, row.value) for row in product] == [
        ("direct", "2.16"),
        ("upstream", "0.608"),
    ]
    inventory = factors.at("cn-natural-gas", NOV_2026, InventoryFactor)
    assert [(row.stage, row.value) for row in inventory] == [("direct", "2.1622")]


@pytest.mark.parametrize(
    ("name", "gases"),
    [
        ("AR5", {"CH4": "28", "N2O": "265", "SF6": "23500", "HFC-134a": "1300", "CF4": "6630"}),
        ("AR6", {"CH4": "27.9", "N2O": "273", "SF6": "25200", "HFC-32": "771", "C2F6": "12400"}),
    ],
)
def test_gwp_sets_are_those_published(name: str, gases: dict[str, str]) -> None:
    found = load_gwp(name)
    assert found.gases.items() >= gases.items()
    assert (found.publisher, found.gases["CO2"]) == ("IPCC", "1")
    assert found.document
    assert found.dated


def test_nothing_stands_in_for_what_no_row_covers() -> None:
    factors = load()
    assert factors.at("cn-grid-footprint", 0, ProductFactor) == ()
    assert factors.at("cn-grid-footprint-2023", NOV_2026, ProductFactor) == ()
    assert factors.at("cn-grid-footprint", NOV_2026, InventoryFactor) == ()
    assert factors.at("atlantis-grid", NOV_2026, ProductFactor) == ()


def test_a_set_survives_the_journal_byte_for_byte(tmp_path: Path) -> None:
    factors = load(folder(tmp_path, GOOD + FUEL + HOURLY))
    again = FactorSet.decode(factors.encode())
    assert again.encode() == factors.encode()
    assert again.hash == factors.hash
    assert again.rows == factors.rows
    assert again.entries == factors.entries


def test_a_set_of_a_journal_from_before_there_were_entries_is_still_read() -> None:
    old = (
        b'{"format":1,"factors":[{"id":"a-1","series":"a","value":"0.5","unit":"kgCO2/kWh",'
        b'"kind":"inventory","gases":"CO2","stage":"direct","region":"CN","data_year":2023,'
        b'"valid_from_ms":0,"valid_to_ms":null,"publisher":"p","document":"d","dated":"2024",'
        b'"url":"","hash":"","status":"verified"}]}'
    )
    (row,) = FactorSet.decode(old).rows
    assert isinstance(row, InventoryFactor)


def test_own_factors_stand_beside_the_shipped_ones(tmp_path: Path) -> None:
    factors = load(folder(tmp_path, GOOD))
    assert {"our-pv-2026", "cn-grid-footprint-2024", "cn-cq-grid"} <= factors.names()
    assert factors.hash != load().hash


@pytest.mark.parametrize(
    ("old", "new", "line", "key"),
    [
        ('document = "d"', 'document = "x"', 17, "factors.our-pv-2026.document"),
        ('document = "d"\n', "", 7, "document"),
        ("kgCO2e/kWh", "kgCO2e/horse", 11, "factors.our-pv-2026.unit"),
        ("kgCO2e/kWh", "kgCO2/kWh", 11, "factors.our-pv-2026.unit"),
        ('"product_footprint"', '"inventory"', 11, "factors.our-pv-2026.unit"),
        ('"0.041"', '"a lot"', 10, "factors.our-pv-2026.value"),
        ('"0.041"', '"NaN"', 10, "factors.our-pv-2026.value"),
        ("T00:00:00+08:00", "T00:00:00", 16, "factors.our-pv-2026.valid_from"),
        ('id = "our-pv-2026"', 'id = "cn-grid-footprint-2024"', 8, "grid-footprint-2024.id"),
        ('series = "our-pv"', 'series = "cn-pv-footprint"', 16, "valid_from"),
        ('status = "verified"', 'status = "certain"', 18, "factors[0].status"),
        ('region = "CN-CQ"', 'region = "CN-Chongqing"', 14, "factors.our-pv-2026.region"),
        ('region = "CN-CQ"', 'region = "Chongqing"', 14, "factors.our-pv-2026.region"),
        ('region = "CN-CQ"\n', "", 7, "region"),
        ("format = 1", "format = 2", 2, "format"),
        ('dated = "2026-01-01"', 'dated = "last year"', 6, "documents.d.dated"),
    ],
)
def test_a_wrong_row_is_refused_by_file_line_and_key(
    tmp_path: Path, old: str, new: str, line: int, key: str
) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError) as refused:
        load(folder(tmp_path, GOOD.replace(old, new)))
    message = str(refused.value)
    assert f"ours.toml:{line}: " in message
    assert key in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        (
            'value = "2.1622"',
            'value = "2.1623"',
            "value: is 2.1623, but its parts give 2.162188809",
        ),
        ('ncv_mj = "38.931", ', "", "parts.ncv_mj"),
        ('oxidation = "0.99"', 'oxidation = "most"', "parts.oxidation"),
        ('oxidation = "0.99"', 'gas_kg = { CH4 = "1" }, gwp = "AR6"', "value"),
        ('oxidation = "0.99"', 'gas_kg = { CH4 = "1" }', "parts.gwp"),
        ('oxidation = "0.99"', 'gas_kg = { XYZ = "1" }, gwp = "AR6"', "XYZ"),
    ],
)
def test_parts_that_do_not_give_the_value_are_refused(
    tmp_path: Path, old: str, new: str, key: str
) -> None:
    assert old in FUEL
    with pytest.raises(ConfigError, match=re.escape(key)):
        load(folder(tmp_path, GOOD + FUEL.replace(old, new)))
    assert "our-gas" in load(folder(tmp_path, GOOD + FUEL)).names()


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ('["our-pv", "cn-grid-footprint"]', "would count twice"),
        ('["our-pv", "our-wind"]', "there is no row or series 'our-wind'"),
        ('["our-pv", "cn-natural-gas-supply"]', "would count twice"),
    ],
)
def test_an_entry_that_counts_twice_or_names_nothing_is_refused(
    tmp_path: Path, entry: str, problem: str
) -> None:
    text = GOOD + f"[entries]\nour-mix = {entry}\n"
    with pytest.raises(ConfigError, match=problem) as refused:
        load(folder(tmp_path, text))
    assert "ours.toml:20: entries.our-mix: " in str(refused.value)


HOURLY = """
[[hourly]]
id = "our-grid-20260101"
series = "our-grid-hourly"
unit = "kgCO2e/kWh"
kind = "product_footprint"
stage = "life_cycle"
region = "CN-CQ"
data_year = 2026
valid_from = 2026-01-01T00:00:00+08:00
document = "d"
status = "verified"
values = ["0.5", "0.6", "0.4"]
"""


def test_an_hourly_row_holds_its_value_in_each_hour_and_nothing_beyond(tmp_path: Path) -> None:
    factors = load(folder(tmp_path, GOOD + HOURLY))
    begin = int(datetime(2025, 12, 31, 16, tzinfo=UTC).timestamp() * 1000)
    hours = [begin + at * 3_600_000 for at in range(-1, 4)]
    found = [factors.at("our-grid-hourly", t + 1, ProductFactor) for t in hours]
    assert [[row.value for row in rows] for rows in found] == [[], ["0.5"], ["0.6"], ["0.4"], []]
    assert {row.id for rows in found for row in rows} == {"our-grid-20260101"}


def test_a_damaged_set_in_the_journal_is_bad_data() -> None:
    with pytest.raises(BadData):
        FactorSet.decode(b'{"format":1}')


def test_to_mix_the_two_kinds_is_a_type_error(tmp_path: Path) -> None:
    source = tmp_path / "mixed.py"
    source.write_text(
        "from calc_stream.factors import FactorSet, InventoryFactor, ProductFactor\n"
        "def product(factors: FactorSet) -> tuple[ProductFactor, ...]:\n"
        "    return factors.at('cn-grid', 0, InventoryFactor)\n"
        "def inventory(factors: FactorSet) -> tuple[InventoryFactor, ...]:\n"
        "    return factors.at('cn-grid', 0, InventoryFactor)\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", str(source)]
    judged = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "mixed.py:3: error: " in judged.stdout
    assert "Found 1 error" in judged.stdout
