"""The workbook as another library reads it: numbers to sort by, exact values beside them."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from calc_stream.datasets.labels import LABELS, label
from calc_stream.datasets.table import of_source, table
from calc_stream.exporters import Export, xlsx
from tests import peers
from tests.contract.test_exporters import EXPORTS, FIRST, PUBLISHED
from wire.errors import ConfigError

FULL = [*EXPORTS[:2], PUBLISHED]
Sheets = dict[str, list[list[list[str]]]]


def read(export: Export, tmp_path: Path, lang: str = "both") -> Sheets:
    settings = msgspec.convert({"lang": lang}, xlsx.Settings)
    path = tmp_path / "book.xlsx"
    path.write_bytes(xlsx.write(export, settings))
    sheets: Sheets = peers.told("workbook", path)
    return sheets


@pytest.mark.parametrize("export", FULL, ids=lambda export: export.what)
def test_every_column_has_words_in_both_languages(export: Export) -> None:
    columns, _ = table(export.line_type, export.lines())
    for name in columns:
        assert of_source(name) or all(LABELS[name])


def test_numbers_are_numbers_and_the_exact_decimals_stand_on_the_next_sheet(
    tmp_path: Path,
) -> None:
    sheets = read(PUBLISHED, tmp_path)
    assert list(sheets) == ["Footprints 碳足迹", "Exact values 精确值"]
    numbers, exact = sheets.values()
    columns, _ = table(PUBLISHED.line_type, PUBLISHED.lines())
    at = columns.index("kg_co2e_per_unit")
    assert numbers[1][at] == ["6.82334285714", "n"]
    assert exact[1][at] == ["6.82334285714", "s"]
    assert numbers[0][at][0] == label("kg_co2e_per_unit", "both")
    assert [exact[1][x] for x in map(columns.index, ("good", "energy_kwh"))] == [
        ["210", "s"],
        ["1340.000000", "s"],
    ]
    assert numbers[1][columns.index("start_ms")] == ["2026-09-30 16:00:00", "d"]
    assert exact[1][columns.index("start_ms")] == ["2026-09-30T16:00:00.000Z", "s"]
    assert numbers[1][columns.index("superseded")] == ["True", "b"]
    assert [row[columns.index("id")][0] for row in numbers[1:]] == [
        row.id for row in PUBLISHED.footprints
    ]


def test_energy_by_source_is_a_number_under_source_and_unit(tmp_path: Path) -> None:
    numbers, exact = read(PUBLISHED, tmp_path).values()
    heads = [cell[0] for cell in numbers[0]]
    assert [numbers[1][heads.index(name)] for name in ("gas_Nm3", "grid_kWh")] == [
        ["238", "n"],
        ["1340", "n"],
    ]
    assert exact[1][heads.index("gas_Nm3")] == ["238.000000", "s"]


def test_the_header_speaks_the_language_that_is_asked_for(tmp_path: Path) -> None:
    sheets = read(EXPORTS[1], tmp_path, "zh")
    assert list(sheets) == ["产品", "精确值"]
    assert [cell[0] for cell in sheets["产品"][0]][:3] == ["站点", "产品", "产量单位"]
    assert [cell[0] for cell in read(EXPORTS[1], tmp_path, "en")["Products"][0]][:2] == [
        "Site",
        "Product",
    ]


def test_a_text_that_looks_like_a_formula_stays_a_text(tmp_path: Path) -> None:
    batches = next(iter(read(EXPORTS[0], tmp_path).values()))
    assert batches[2][1] == ["=B2", "s"]


def test_what_no_cell_can_hold_is_refused() -> None:
    endless = msgspec.structs.replace(FIRST, allocation="x" * 40_000)
    with pytest.raises(ConfigError, match="row 1, allocation: is more than .* take csv or json"):
        xlsx.write(replace(PUBLISHED, rows=[endless]), xlsx.Settings())
