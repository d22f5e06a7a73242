"""A footprint's line has every figure under its own name, so that no two can be exchanged."""

from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO

import msgspec
import pyarrow.parquet as pq

from calc_stream.datasets.labels import LABELS
from calc_stream.datasets.line import FootprintLine, is_number, line
from calc_stream.exporters import Export, parquet
from calc_stream.footprints.footprint import Doubted, Spread
from tests.unit.calc_stream_live.footprints_sample import complete

# No two figures alike.
ITS = complete(
    by_location="11",
    by_market="12",
    spread=Spread("13", "14", "15"),
    u95=Doubted("16", "17", ("m-1", "m-2")),
    stages={"value_adding": "18", "overhead": "19", "allocated": "20", "inherited": "21"},
    measured_share="0.22",
    measured_activity_share="0.23",
    primary_data_share="0.24",
    traceable_share="0.25",
    published_ms=1_793_464_200_123,
)
FIGURES = {
    "good": "210",
    "scrap": "3",
    "energy_kwh": "1340.000000",
    "kwh_per_unit": "6.38095238095",
    "total_kg_co2e": "1432.902000",
    "boundary_kg_co2e_per_unit": "179.85334285714",
    "kg_co2e_per_unit": "6.82334285714",
    "upstream_kg_co2e_per_unit": "173.03",
    "by_location_kg_co2e_per_unit": "11",
    "by_market_kg_co2e_per_unit": "12",
    "least_kg_co2e_per_unit": "13",
    "most_kg_co2e_per_unit": "14",
    "sd_kg_co2e_per_unit": "15",
    "u95_kwh_per_unit": "16",
    "u95_kg_co2e_per_unit": "17",
    "value_adding_kg_co2e_per_unit": "18",
    "overhead_kg_co2e_per_unit": "19",
    "allocated_kg_co2e_per_unit": "20",
    "inherited_kg_co2e_per_unit": "21",
    "measured_share": "0.22",
    "measured_activity_share": "0.23",
    "primary_data_share": "0.24",
    "traceable_share": "0.25",
}


def test_every_figure_stands_under_its_name() -> None:
    told = msgspec.structs.asdict(line(ITS, False, None))
    assert {name: told[name] for name in told if is_number(name)} == FIGURES
    assert told["unknown_meters"] == ("m-1", "m-2")
    assert (told["start_ms"], told["end_ms"]) == (ITS.start_ms, ITS.end_ms)
    assert (told["valid_from_ms"], told["valid_until_ms"]) == (
        ITS.valid_from_ms,
        ITS.valid_until_ms,
    )


def test_no_two_columns_have_the_same_words() -> None:
    for lang in (0, 1):
        words = [LABELS[name][lang] for name in FootprintLine.__struct_fields__ if name in LABELS]
        assert len(set(words)) == len(words)


def test_parquet_keeps_milliseconds_and_rounds_half_even_to_18_places() -> None:
    finest = ("0.1234567890123456785", "0.5555555555555555559")
    rows = [msgspec.structs.replace(ITS, kg_co2e=text) for text in finest]
    data = parquet.write(Export("footprints", ITS.site, 1, rows), parquet.Settings())
    first, second = pq.read_table(BytesIO(data)).to_pylist()
    assert first["published"] == datetime(2026, 10, 31, 16, 30, 0, 123_000, tzinfo=UTC)
    assert first["kg_co2e_per_unit"] == Decimal("0.123456789012345678")
    assert second["kg_co2e_per_unit"] == Decimal("0.555555555555555556")
