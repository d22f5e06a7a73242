"""Segments become columns in the model's units, exactly."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st

from calc_stream.core import Block, Chunk, Registers, SiteState
from calc_stream.decode import Decoded, decode, numbers
from tests.unit.calc_stream.often import often
from tests.unit.calc_stream_live.plant import SITE, T0, Plant
from wire.errors import BadData
from wire.journal import Entry, link
from wire.messages import MeterEvent, Sample, Value
from wire.quantities import QUANTITIES
from wire.segment import GENESIS, Place, open_segment, seal
from wire.signing import SigningKey


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


_RATES = {"kWh": (1, 0), "Wh": (1000, 0), "MJ": (36, -1)}
_UNITS = {"a": "kWh", "a.export": "MJ", "b": "Wh", "c": "m3"}
_QUANTITIES = ["active_energy_import", "active_energy_export", "active_power", "pulses"]
_VALUES = st.tuples(
    st.integers(-(2**24), 2**24) | st.integers(-(2**61), 2**61), st.sampled_from([-3, 0])
)
_SAMPLES = st.builds(
    Sample,
    st.sampled_from(["a", "b", "c", "d"]),
    st.integers(T0, T0 + 20),
    st.dictionaries(st.sampled_from(_QUANTITIES), _VALUES, min_size=1),
    st.sampled_from(["good"] * 12 + ["backfilled", "suspect"]),
)


def one_by_one(data: bytes) -> list[Registers]:
    """What is booked of a segment, from its rows."""
    found = []
    for table in open_segment(data).tables:
        rows = list(table.samples())
        times = np.array([row.t_ms for row in rows])
        for quantity in table.quantities:
            meter = table.meter + ".export" * quantity.endswith("_export")
            if not quantity.startswith("active_energy") or _UNITS.get(meter) == "m3":
                continue
            factor, shift = _RATES[_UNITS.get(meter, "kWh")]
            exponent = rows[0].values[quantity][1] + shift
            values = [row.values[quantity][0] * factor for row in rows]
            kind = np.int64 if max(map(abs, values)) < 2**62 else object
            marks = np.array(values, dtype=kind)
            found.append(Registers(meter, times, marks, exponent, table.quality))
    return found


@often(60, 500, samples=st.lists(_SAMPLES, min_size=1, max_size=12))
def test_a_segment_taken_in_at_once_is_what_its_registers_are_one_by_one(
    samples: list[Sample],
) -> None:
    key = SigningKey(bytes(range(32)))
    data = seal(Place(SITE, "gw-1", "s1", 1, GENESIS, "boot", "ntp"), samples, [], key)
    its = decode(link(SITE, 1, Entry("segment", "k", data), "0" * 64, T0), _UNITS).chunk.readings
    own = one_by_one(data)
    shown = [
        [
            (r.meter, r.times_ms.tolist(), r.mantissas.tolist(), r.exponent, r.quality)
            for r in readings
        ]
        for readings in (its, own)
    ]
    assert shown[0] == shown[1]
    small = all(np.abs(r.mantissas).max() < 2**50 and r.quality == "good" for r in own)
    if isinstance(its, Block):
        assert its.mantissas.dtype == np.int64
    else:
        assert not small or not own
    at_once, each = SiteState(), SiteState()
    at_once.apply(Chunk(readings=its))
    for registers in own:
        each.apply(Chunk(readings=(registers,)))
    assert at_once.to_bytes() == each.to_bytes()
