"""Every exporter keeps what the folder promises, on closed batches, products and footprints."""

import csv
import io
import json
import re
import sys
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from calc_stream import exporters
from calc_stream.exporters import Export
from calc_stream.footprints.declaration import Declaration
from calc_stream.footprints.footprint import Footprint
from calc_stream.footprints.shelf import open_shelf
from calc_stream.ledger.products import product_rows
from calc_stream.ledger.rows import BatchRow
from calc_stream.ledger.store import open_store
from tests.contract import catenax_sample, cbam_sample
from tests.unit.calc_stream_live import footprints_sample
from tests.unit.calc_stream_live.plant import SITE, Plant, run_to_end
from wire import config
from wire.errors import ConfigError

FOLDER = Path(exporters.__file__).parent
NAMES = exporters.shipped()
TEXTS = [
    name
    for name in NAMES
    if exporters.find(name).MEDIA_TYPE.startswith(("text/", "application/json"))
]
OF_BATCHES = [name for name in TEXTS if "batches" in exporters.find(name).TAKES]
GOLDEN = Path(__file__).parent / "exporters"

ROWS = [
    BatchRow(
        site="cq",
        batch="B1",
        product="wheel",
        state="settled",
        settled=True,
        nodes=("cnc", "press"),
        started_ms=1_795_161_600_000,
        ended_ms=1_795_161_660_000,
        energy_kwh="80.000000",
        by_source={"grid": "64.000000", "pv": "16.000000"},
        units={"grid": "kWh", "pv": "kWh"},
        kg_co2e="37.804800",
        columns={"life_cycle": "37.804800"},
        factors=("cn-grid-footprint-2024", "cn-pv-footprint-2024"),
        factor_status="verified",
        good="95",
        scrap="5",
        unit="piece",
        kwh_per_unit="0.842105263158",
        kg_co2e_per_unit="0.397945263158",
        method="gbt24067",
        factor_set="f" * 64,
        model="a" * 64,
        offset=120,
        revision=1,
    ),
    BatchRow(
        site="cq",
        batch="=B2",
        product="wheel",
        state="restated",
        energy_kwh="20.000000",
        by_source={"grid": "20.000000"},
        units={"grid": "kWh"},
        kg_co2e="11.554000",
        good="5",
        unit="piece",
        measured_share="0.5",
        interpolated_share="0.5",
        method="gbt24067",
        factor_status="secondary",
        offset=130,
        revision=2,
        incomplete=True,
        cause="segment gw-1/s/7 (offset 130)",
        difference_kwh="-1.000000",
        difference_kg="-0.577700",
    ),
]
EXPORTS = [
    Export("batches", "cq", 131, ROWS),
    Export("products", "cq", 131, product_rows(ROWS)),
    Export("batches", "cq", 0, []),
    Export("products", "cq", 0, []),
]
FIRST, SECOND = footprints_sample.sample(), footprints_sample.complete()
PUBLISHED = Export(
    "footprints",
    "cq-wheel",
    4790,
    [FIRST, SECOND],
    footprints_sample.declaration(),
    frozenset({FIRST.id}),
)
IN_TONNES = Export("footprints", "cq-wheel", 4790, [cbam_sample.goods()], cbam_sample.declaration())
ALL = [*EXPORTS, PUBLISHED, replace(PUBLISHED, rows=[])]
# Forms that take no footprint without a business partner number, or of another method.
FITTING = {"catenax": catenax_sample.known(PUBLISHED), "cbam": IN_TONNES}


def test_there_are_exporters() -> None:
    assert {"cbam", "catenax", "csv", "ilcd", "json", "openlca", "parquet", "tidas", "xlsx"} <= set(
        NAMES
    )


@pytest.mark.parametrize("name", NAMES)
def test_an_exporter_has_a_sample_settings_and_a_media_type(name: str) -> None:
    exporter = exporters.find(name)
    found = re.search(r"~~~toml\n(.*?)~~~", exporter.__doc__ or "", re.DOTALL)
    assert found
    table = tomllib.loads(found[1])["exporter"]
    assert table.pop("kind") == name
    assert config.convert(table, exporter.Settings, name) == exporter.Settings()
    assert exporter.Settings.__struct_config__.frozen
    assert exporter.Settings.__struct_config__.forbid_unknown_fields
    assert issubclass(exporter.Settings, msgspec.Struct)
    assert "/" in exporter.MEDIA_TYPE
    assert set(exporter.TAKES) <= set(exporters.WHAT)


@pytest.mark.parametrize("export", ALL, ids=lambda export: f"{export.what}-{len(export.rows)}")
@pytest.mark.parametrize("name", NAMES)
def test_equal_exports_are_equal_bytes(name: str, export: Export) -> None:
    exporter = exporters.find(name)
    if export.what not in exporter.TAKES:
        with pytest.raises(ConfigError, match=f"does not hold {export.what}; take --what"):
            exporters.check(exporter, name, export.what)
        return
    if name in FITTING:
        export = replace(FITTING[name], rows=FITTING[name].rows if export.rows else [])
    first = exporter.write(export, exporter.Settings())
    assert first == exporter.write(export, exporter.Settings())
    assert name not in TEXTS or first.endswith(b"\n")


@pytest.mark.parametrize("name", OF_BATCHES)
def test_every_row_says_what_it_stands_on(name: str) -> None:
    exporter = exporters.find(name)
    for export in EXPORTS[:2]:
        text = exporter.write(export, exporter.Settings()).decode("utf-8-sig")
        for said in ("method", "measured_share", "interpolated_share", "offset", "revision"):
            assert said in text
        for value in ("gbt24067", "f" * 64, "a" * 64, "cq"):
            assert value in text


@pytest.mark.parametrize("export", EXPORTS[:2], ids=lambda export: export.what)
def test_csv_is_the_golden_file(export: Export) -> None:
    exporter = exporters.find("csv")
    assert (
        exporter.write(export, exporter.Settings()) == (GOLDEN / f"{export.what}.csv").read_bytes()
    )


def test_csv_reads_back_with_a_column_a_source() -> None:
    exporter = exporters.find("csv")
    text = exporter.write(EXPORTS[0], exporter.Settings()).decode("utf-8-sig")
    first, second = csv.DictReader(io.StringIO(text))
    assert (first["grid_kWh"], first["pv_kWh"]) == ("64.000000", "16.000000")
    assert (second["grid_kWh"], second["pv_kWh"]) == ("20.000000", "")
    assert first["started"].endswith("Z")
    assert second["batch"] == "'=B2"
    assert second["difference_kwh"] == "-1.000000"


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-2+3", "'-2+3"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("\t=1", "'\t=1"),
        ("＝1＋1", "'＝1＋1"),  # what a Chinese keyboard writes
        ("-17", "-17"),
        ("-", "-"),
        ("轮毂", "轮毂"),
    ],
)
def test_no_text_of_a_csv_file_is_a_formula(text: str, cell: str) -> None:
    exporter = exporters.find("csv")
    row = msgspec.structs.replace(ROWS[0], batch=text, unknown_sources=(text,), method=text)
    said = exporter.write(replace(EXPORTS[0], rows=[row]), exporter.Settings()).decode("utf-8-sig")
    (line,) = csv.DictReader(io.StringIO(said))
    assert [line[key] for key in ("batch", "unknown_sources", "method")] == [cell] * 3


def test_no_head_of_a_csv_file_is_a_formula() -> None:
    """A source may be called so."""
    exporter = exporters.find("csv")
    named = {"by_source": {"-grid": "64"}, "units": {"-grid": "kWh"}}
    row = msgspec.structs.replace(ROWS[0], **named)
    said = exporter.write(replace(EXPORTS[0], rows=[row]), exporter.Settings()).decode("utf-8-sig")
    assert ",'-grid_kWh," in said.splitlines()[0]


def test_several_names_in_a_cell_stand_apart() -> None:
    exporter = exporters.find("csv")
    ingot = SECOND.upstream[0]
    more = (ingot, msgspec.structs.replace(ingot, name="Powder paint", kg_co2e="0"))
    export = replace(PUBLISHED, rows=[footprints_sample.complete(upstream=more)])
    (line,) = csv.DictReader(
        io.StringIO(exporter.write(export, exporter.Settings()).decode("utf-8-sig"))
    )
    assert line["upstream"] == "Aluminium ingot; Powder paint"


@pytest.mark.parametrize("delimiter", ["", ";;", "\n", '"', "1"])
def test_a_delimiter_that_leaves_no_table_is_refused(delimiter: str) -> None:
    with pytest.raises(ConfigError, match="--set of format csv: Invalid enum value"):
        exporters.settings(exporters.find("csv"), "csv", [f"delimiter={delimiter}"])


def test_json_holds_the_rows_as_the_api_shows_them() -> None:
    exporter = exporters.find("json")
    document = json.loads(exporter.write(EXPORTS[0], exporter.Settings()))
    assert document["batches"] == json.loads(msgspec.json.encode(ROWS))
    assert (document["format"], document["offset"]) == (1, 131)


def test_parquet_reads_back_as_numbers_times_and_maps() -> None:
    exporter = exporters.find("parquet")
    table = pq.read_table(io.BytesIO(exporter.write(EXPORTS[0], exporter.Settings())))
    first, second = table.to_pylist()
    assert dict(first["by_source"]) == {"grid": Decimal(64), "pv": Decimal(16)}
    assert first["kg_co2e_per_unit"] == Decimal("0.397945263158")
    assert first["started"] == datetime(2026, 11, 20, 8, tzinfo=UTC)
    assert (first["nodes"], first["settled"]) == (["cnc", "press"], True)
    assert (second["batch"], second["difference_kwh"]) == ("=B2", Decimal(-1))
    assert table.schema.metadata[b"offset"] == b"131"
    products = exporter.write(EXPORTS[1], exporter.Settings())
    (product,) = pq.read_table(io.BytesIO(products)).to_pylist()
    assert (product["batches"], product["good"]) == (2, Decimal(100))


def test_parquet_refuses_what_its_decimals_cannot_hold() -> None:
    exporter = exporters.find("parquet")
    row = msgspec.structs.replace(ROWS[0], good="1" + 25 * "0")
    with pytest.raises(ConfigError, match="more than 20 digits before the point; take csv or json"):
        exporter.write(replace(EXPORTS[0], rows=[row]), exporter.Settings())


@pytest.mark.parametrize(("name", "library"), [("parquet", "pyarrow"), ("xlsx", "xlsxwriter")])
def test_without_its_library_the_cure_is_named(
    name: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    exporter = exporters.find(name)
    with pytest.raises(ConfigError, match=rf"pip install 'wattprint\[{name}\]'"):
        exporter.write(EXPORTS[0], exporter.Settings())


def test_json_holds_footprints_whole_with_their_declaration_and_who_is_superseded() -> None:
    exporter = exporters.find("json")
    document = json.loads(exporter.write(PUBLISHED, exporter.Settings()))
    told = msgspec.convert(document["footprints"], list[Footprint])
    assert told == PUBLISHED.rows
    assert document["superseded"] == [FIRST.id]
    assert msgspec.convert(document["declaration"], Declaration) == PUBLISHED.declaration


def test_json_tells_what_is_declared_of_its_own_products_and_no_path(tmp_path: Path) -> None:
    exporter = exporters.find("json")
    told = footprints_sample.declaration()
    (wheel,) = told.product
    ingot = msgspec.structs.replace(wheel.input[0], document=tmp_path / "supplier.json")
    wheel = msgspec.structs.replace(wheel, input=(ingot,))
    another = msgspec.structs.replace(wheel, id="secret-hub")
    export = replace(PUBLISHED, declaration=msgspec.structs.replace(told, product=(wheel, another)))
    said = exporter.write(export, exporter.Settings())
    assert msgspec.convert(json.loads(said)["declaration"], Declaration) == told
    assert b"secret-hub" not in said
    assert str(tmp_path).encode() not in said


def test_csv_has_a_line_a_footprint_and_marks_the_superseded() -> None:
    exporter = exporters.find("csv")
    text = exporter.write(PUBLISHED, exporter.Settings()).decode("utf-8-sig")
    first, second = csv.DictReader(io.StringIO(text))
    assert (first["id"], first["superseded"], first["draft"]) == (FIRST.id, "true", "true")
    assert (second["superseded"], second["boundary"]) == ("false", "cradle_to_gate")
    assert (second["grid_kWh"], second["gas_Nm3"]) == ("1340.000000", "238.000000")
    assert second["kg_co2e_per_unit"] == SECOND.kg_co2e
    assert second["upstream_kg_co2e_per_unit"] == "173.03"
    # The figure of a boundary is all that is within it.
    assert second["boundary_kg_co2e_per_unit"] == "179.85334285714"
    assert first["boundary_kg_co2e_per_unit"] == first["kg_co2e_per_unit"] == FIRST.kg_co2e
    assert second["start"] == "2026-09-30T16:00:00.000Z"
    assert (first["basis"], first["offset"]) == (FIRST.evidence.basis, "4790")


def test_parquet_has_footprints_as_numbers_and_maps() -> None:
    exporter = exporters.find("parquet")
    data = exporter.write(PUBLISHED, exporter.Settings())
    first, _ = pq.read_table(io.BytesIO(data)).to_pylist()
    assert first["kg_co2e_per_unit"] == Decimal(FIRST.kg_co2e)
    assert dict(first["by_source"]) == {"gas": Decimal(238), "grid": Decimal(1340)}
    assert (first["superseded"], first["batches"]) == (True, 2)


def test_published_footprints_come_from_the_shelf_of_their_site(tmp_path: Path) -> None:
    shelf = open_shelf(tmp_path)
    first = footprints_sample.sample()
    second = footprints_sample.complete(supersedes=(first.id,), cause="upstream")
    shelf.add(first)
    shelf.add(second)
    export = exporters.published(shelf, first.site)
    assert (export.rows, export.in_force, export.offset) == ([first, second], [second], 4790)
    assert exporters.published(shelf, first.site, "another").rows == []
    assert exporters.unverified(export) == 2


def test_a_setting_that_is_not_there_is_refused_and_the_known_ones_named() -> None:
    exporter = exporters.find("xlsx")
    assert exporters.settings(exporter, "xlsx", ["lang=zh"]) == exporter.Settings("zh")
    with pytest.raises(ConfigError, match=r"--set of format xlsx: .*; its settings: lang"):
        exporters.settings(exporter, "xlsx", ["colour=red"])
    with pytest.raises(ConfigError, match="Invalid enum value 'fr'"):
        exporters.settings(exporter, "xlsx", ["lang=fr"])


def test_a_product_is_the_mean_weighted_by_good_output() -> None:
    (product,) = product_rows(ROWS)
    assert (product.batches, product.good, product.energy_kwh) == (2, "100", "100")
    assert (product.kwh_per_unit, product.kg_co2e_per_unit) == ("1", "0.493588")
    assert (product.measured_share, product.interpolated_share) == ("0.9", "0.1")
    assert (product.incomplete_batches, product.factor_status) == (1, "secondary")
    assert exporters.unverified(EXPORTS[1]) == 1


def test_one_batch_without_kg_leaves_the_product_without() -> None:
    (product,) = product_rows([ROWS[0], msgspec.structs.replace(ROWS[1], kg_co2e=None)])
    assert product.kg_co2e is None
    assert product.kg_co2e_per_unit is None
    assert product.kwh_per_unit == "1"


@pytest.mark.parametrize("name", ["papyrus", "", ".csv", "..csv", "__init__", "csv.", "a b"])
def test_an_unknown_exporter_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigError, match=f"there is no exporter '{re.escape(name)}'"):
        exporters.find(name)


@pytest.mark.parametrize("name", OF_BATCHES)
def test_what_the_engine_settled_is_exported_as_settled(name: str, tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.example_4()
    run_to_end(plant, tmp_path / "calc")
    store = open_store(tmp_path / "calc")
    exporter = exporters.find(name)
    batches, products = (exporters.gather(store, SITE, what) for what in ("batches", "products"))
    assert batches.rows == store.rows(SITE)
    assert [(row.state, row.settled) for row in batches.rows] == [("settled", True)] * 2
    assert [row.settled_batches for row in products.rows] == [2]
    said = exporter.write(batches, exporter.Settings()).decode("utf-8-sig")
    if name == "csv":
        lines = list(csv.DictReader(io.StringIO(said)))
        assert [(line["state"], line["settled"]) for line in lines] == [("settled", "true")] * 2
    if name == "json":
        assert json.loads(said)["batches"] == json.loads(msgspec.json.encode(batches.rows))


def test_line_protocol_keeps_revisions_apart_and_texts_from_numbers() -> None:
    exporter = exporters.find("influxdb")
    lines = exporter.write(EXPORTS[0], exporter.Settings()).decode().splitlines()
    assert lines[:3] == [
        "# batches of cq at offset 131",
        "batch,site=cq,batch=B1,product=wheel,rev=1 energy_kwh=80.0,kg_co2e=37.8048,good=95.0,"
        "scrap=5.0,kwh_per_unit=0.842105263158,kg_co2e_per_unit=0.397945263158,measured_share=1.0,"
        "interpolated_share=0.0 1795161660000",
        "batch_source,site=cq,batch=B1,product=wheel,rev=1,source=grid,unit=kWh amount=64.0,"
        "value_adding=0.0,overhead=0.0,allocated=0.0,inherited=0.0,unaccounted=64.0 1795161660000",
    ]
    assert lines[5].startswith(r"batch,site=cq,batch=\=B2,product=wheel,rev=2 energy_kwh=20.0,")
    assert 'method="gbt24067"' in lines[4]
    assert not any('"' in line for line in lines if line.startswith(("batch,", "batch_source,")))
