"""Segments become columns in the model's units, exactly."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from calc_stream.decode import Decoded, decode, numbers
from tests.unit.calc_stream_live.plant import SITE, T0, Plant
from wire.errors import BadData
from wire.journal import Entry, link
from wire.messages import MeterEvent, Sample, Value
from wire.quantities import QUANTITIES
from wire.segment import open_segment


def decoded(
    folder: Path, units: dict[str, str], samples: list[Sample], events: list[MeterEvent]
) -> Decoded:
    plant = Plant(folder)
    plant.segment(samples, events)
    (record,) = plant.writer.of_kind(SITE, "segment")
    return decode(record, units)


def sample(**values: Value) -> list[Sample]:
    return [Sample("m", T0, values)]


@pytest.mark.parametrize(
    ("quantity", "unit", "rate"),
    [
        ("active_energy_import", "kWh", Fraction(1)),
        ("active_energy_import", "MJ", Fraction(36, 10)),
        ("active_energy_import", "GJ", Fraction(36, 10_000)),
        ("active_energy_import", "Wh", Fraction(1000)),
        ("gas_volume", "L", Fraction(1000)),
        ("fuel_volume", "m3", Fraction(1, 1000)),
        ("steam_mass", "kg", Fraction(1000)),
    ],
)
def test_registers_arrive_exactly_in_the_models_unit(
    tmp_path: Path, quantity: str, unit: str, rate: Fraction
) -> None:
    found = decoded(tmp_path, {"m": unit}, sample(**{quantity: (123_457, -3)}), [])
    (block,) = found.chunk.readings
    value = int(block.mantissas[0]) * Fraction(10) ** block.exponent
    assert value == Fraction(123_457, 1000) * rate


def test_columns_decode_to_the_numbers_that_were_sealed(tmp_path: Path) -> None:
    values = [0, 1, 300, 70_000, 2**40, 2**40 - 5]
    samples = [Sample("m", T0 + at, {"pulses": (v, 0)}) for at, v in enumerate(values)]
    plant = Plant(tmp_path)
    plant.segment(samples)
    (record,) = plant.writer.of_kind(SITE, "segment")
    (table,) = open_segment(record.data).tables
    assert numbers(table.columns[0]).tolist() == values
    assert numbers(table.times_ms).dtype == np.int64


def test_only_what_an_edge_carries_is_booked(tmp_path: Path) -> None:
    values: dict[str, Value] = {
        "active_energy_import": (1, 0),
        "active_energy_export": (2, 0),
        "reactive_energy_import": (3, 0),
        "active_power": (4, 0),
    }
    found = decoded(tmp_path, {}, sample(**values), [])
    assert [block.meter for block in found.chunk.readings] == ["m.export", "m"]


def test_nothing_a_gateway_tells_of_itself_is_booked(tmp_path: Path) -> None:
    own = {name: (7, 0) for name, quantity in QUANTITIES.items() if quantity.gateway}
    assert len(own) >= 10
    found = decoded(tmp_path, {}, sample(**own), [])
    assert found.chunk.readings == ()
    assert found.misfits == ()


def test_a_register_of_another_kind_is_named_and_left_out(tmp_path: Path) -> None:
    found = decoded(tmp_path, {"m": "m3"}, sample(active_energy_import=(1, 0)), [])
    assert found.chunk.readings == ()
    assert found.misfits[0][0] == "m"
    assert "kWh" in found.misfits[0][1]


@pytest.mark.parametrize("name", ["swap", "rollover", "reset"])
def test_a_new_register_is_a_swap_in_the_models_unit(tmp_path: Path, name: str) -> None:
    detail = {"quantity": "active_energy_import", "closing": "100.50", "opening": "0"}
    found = decoded(tmp_path, {"m": "Wh"}, [], [MeterEvent("m", T0, name, detail)])
    (swap,) = found.chunk.swaps["m"]
    assert (swap.t_ms, swap.closing, swap.opening) == (T0, (1005, 2), (0, 0))


@pytest.mark.parametrize(
    "detail", [{}, {"quantity": "active_energy_import", "closing": "much", "opening": "0"}]
)
def test_a_swap_that_says_too_little_is_named(tmp_path: Path, detail: dict[str, str]) -> None:
    found = decoded(tmp_path, {}, [], [MeterEvent("m", T0, "swap", detail)])
    assert not found.chunk.swaps
    assert found.misfits[0][0] == "m"


@pytest.mark.parametrize(
    ("kind", "data"), [("segment", b"x"), ("model", b"\xff"), ("event", b"{}"), ("event", b"[")]
)
def test_damaged_records_are_bad_data(kind: str, data: bytes) -> None:
    with pytest.raises(BadData):
        decode(link(SITE, 1, Entry(kind, "k", data), "0" * 64, T0), {})
