"""Every shipped factor says where it comes from, and wrong factor files are refused by key."""

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from calc_stream.factors import SHIPPED, FactorSet, load, load_method
from wire.errors import BadData, ConfigError

NOV_2026 = int(datetime(2026, 11, 21, tzinfo=UTC).timestamp() * 1000)
MAR_2025 = int(datetime(2025, 3, 1, tzinfo=UTC).timestamp() * 1000)

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


def folder(tmp_path: Path, text: str) -> Path:
    (tmp_path / "ours.toml").write_text(text, encoding="utf-8")
    return tmp_path


def test_shipped_rows_name_publisher_document_and_date() -> None:
    rows = load().rows
    assert len(list(SHIPPED.glob("*.toml"))) >= 1
    assert len(rows) >= 6
    for row in rows:
        assert row.publisher
        assert row.document
        assert row.dated
        assert Fraction(row.value) > 0


def test_published_values_hold_in_their_time() -> None:
    factors = load()
    now = factors.find("cn-grid-footprint", NOV_2026)
    before = factors.find("cn-grid-footprint", MAR_2025)
    assert now is not None
    assert before is not None
    assert (now.id, now.value, now.gases) == ("cn-grid-footprint-2024", "0.5777", "CO2e")
    assert (before.id, before.value) == ("cn-grid-footprint-2023", "0.6205")
    chongqing = factors.find("cn-cq-grid-co2", NOV_2026)
    assert chongqing is not None
    assert (chongqing.value, chongqing.kind, chongqing.gases) == ("0.5581", "inventory", "CO2")


def test_nothing_stands_in_for_what_no_row_covers() -> None:
    factors = load()
    assert factors.find("cn-grid-footprint", 0) is None
    assert factors.find("cn-grid-footprint-2023", NOV_2026) is None
    assert factors.find("atlantis-grid", NOV_2026) is None


def test_a_set_survives_the_journal_byte_for_byte() -> None:
    factors = load()
    again = FactorSet.decode(factors.encode())
    assert again.encode() == factors.encode()
    assert again.hash == factors.hash


def test_own_factors_stand_beside_the_shipped_ones(tmp_path: Path) -> None:
    factors = load(folder(tmp_path, GOOD))
    assert {"our-pv-2026", "cn-grid-footprint-2024"} <= factors.names()
    assert factors.hash != load().hash


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('document = "d"', 'document = "x"', "factors.our-pv-2026.document"),
        ('document = "d"\n', "", "document"),
        ("kgCO2e/kWh", "kgCO2e/horse", "factors.our-pv-2026.unit"),
        ("kgCO2e/kWh", "kgCO2/kWh", "factors.our-pv-2026"),
        ('"product_footprint"', '"inventory"', "factors.our-pv-2026"),
        ('"0.041"', '"a lot"', "factors.our-pv-2026.value"),
        ('"0.041"', '"NaN"', "factors.our-pv-2026.value"),
        ("T00:00:00+08:00", "T00:00:00", "factors.our-pv-2026.valid_from"),
        ('"our-pv-2026"', '"cn-grid-footprint-2024"', "factors.cn-grid-footprint-2024.id"),
        ('series = "our-pv"', 'series = "cn-pv-footprint"', "valid_from"),
        ('status = "verified"', 'status = "certain"', "factors[0].status"),
        ('region = "CN-CQ"\n', "", "region"),
        ("format = 1", "format = 2", "format"),
    ],
)
def test_a_wrong_row_is_refused_by_file_and_key(
    tmp_path: Path, old: str, new: str, key: str
) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError) as refused:
        load(folder(tmp_path, GOOD.replace(old, new)))
    message = str(refused.value)
    assert ".toml" in message
    assert key in message
    assert "\n" not in message


def test_a_damaged_set_in_the_journal_is_bad_data() -> None:
    with pytest.raises(BadData):
        FactorSet.decode(b'{"format":1}')


def test_methods_are_found_by_name_and_round_once() -> None:
    method = load_method("gbt24067")
    assert method.factor_kind == "product_footprint"
    assert method.rounded(Fraction(1, 3)) == "0.333333"
    assert method.rounded(Fraction(-1, 3)) == "-0.333333"
    with pytest.raises(ConfigError, match="chongqing"):
        load_method("chongqing")
