"""What simulated meters show, read back the way their makers publish it."""

from fractions import Fraction

import msgspec
import pytest

from edge_agent import profiles
from edge_agent.profiles.modbus import Profile
from edge_agent.protocols.modbus import ILLEGAL_ADDRESS, ILLEGAL_VALUE, Request
from simulators.curve import PER_UNIT
from simulators.instrument import Instrument
from simulators.live import instruments
from simulators.plant import Meter
from tests.unit.simulators.reading import counter, registers, words

STEP = {
    "siemens_pac3200": "0.001",
    "siemens_pac2200": "0.001",
    "eastron_sdm630": "0.001",
    "schneider_iem3155": "0.001",
    "abb_b23": "0.01",
    "dlt645_2007": "0.01",
    "fuxin_gas_corrector": "0.0001",
    "fox_ft2a": "0.001",
    "onicon_system_10": "0.001",
}


def test_every_meter_shows_what_truly_flowed_within_one_step_of_its_model(scenario):
    for instrument in instruments(scenario):
        meter = instrument.meter
        for t_ms in (scenario.t0_ms, scenario.t0_ms + 61_234, scenario.t0_ms + 3_600_000):
            flowed = Fraction(scenario.amount(meter, t_ms), PER_UNIT * meter.ct)
            step = instrument.step(t_ms)
            assert step == Fraction(STEP[meter.profile])
            off = scenario.index(meter) + flowed - counter(instrument, t_ms)
            assert -step / 2 < off < step, meter.name


def test_a_register_starts_again_at_its_modulus(scenario):
    profile = profiles.load("eastron_sdm630")
    meter = Meter("m", "main", "press-1", "eastron_sdm630", "line-a", 1, index=1_000_000)
    shown = counter(Instrument(meter, profile, scenario), scenario.t0_ms + 60_000)
    true = Fraction(scenario.amount(meter, scenario.t0_ms + 60_000), PER_UNIT)
    assert 0 <= true - shown < Fraction(1, 1000)


def test_a_meter_behind_current_transformers_counts_the_secondary_side(scenario):
    profile = profiles.load("siemens_pac2200")
    meter = Meter("m", "main", "furnace", "siemens_pac2200", "tcp", 1, ct=40, index=100)
    shown = counter(Instrument(meter, profile, scenario), scenario.t0_ms + 600_000)
    true = Fraction(scenario.amount(meter, scenario.t0_ms + 600_000), 40 * PER_UNIT)
    assert 0 <= 100 + true - shown < Fraction(1, 1000)


def test_a_meter_of_gas_air_or_cold_shows_its_own_carrier_and_no_power(scenario):
    at = scenario.t0_ms + 5_000
    shown = {i.meter.name: i for i in instruments(scenario)}
    counts = {name: shown[name].counts for name in ("m-gas", "m-air", "m-press-1-cold")}
    assert counts == {
        "m-gas": "gas_normal_volume",
        "m-air": "air_normal_volume",
        "m-press-1-cold": "cooling_energy",
    }
    air, cold = shown["m-air"], shown["m-press-1-cold"]
    assert air.value("flow", at) == Fraction(scenario.rate(air.meter, at), 1000)  # L/h to m3/h
    assert air.value("active_energy_import", at) == air.value("gas_normal_volume", at) == 0
    # 5 K between supply and return carry 5.815 kWh in each m3 of water.
    assert cold.value("flow", at) * 5815 == scenario.rate(cold.meter, at)


def test_a_pac_splits_energy_over_two_tariffs_of_which_neither_is_the_total(scenario):
    grid = next(i for i in instruments(scenario) if i.meter.name == "m-grid")
    assert any(words(grid, 3, 805, 4, scenario.t0_ms))
    first = words(grid, 3, 801, 4, scenario.t0_ms)
    assert first != words(grid, 3, 801, 4, scenario.t0_ms + 60_000)


def test_power_and_identity_are_those_of_the_model(scenario):
    abb = next(i for i in instruments(scenario) if i.meter.name == "m-cnc-2")
    raw = int.from_bytes(words(abb, 3, 23316, 2, scenario.t0_ms + 5), "big")
    assert raw == 100 * scenario.rate(abb.meter, scenario.t0_ms + 5)
    assert words(abb, 3, 35168, 2, scenario.t0_ms) == b"B23 "
    assert 10**6 <= int.from_bytes(words(abb, 3, 35072, 2, scenario.t0_ms), "big") <= 10**8


@pytest.mark.parametrize(
    ("fc", "at", "count", "exception"),
    [
        (4, 5000, 2, ILLEGAL_ADDRESS),  # nothing there
        (3, 72, 2, ILLEGAL_ADDRESS),  # energy stands in the other table
        (4, 71, 2, ILLEGAL_ADDRESS),  # odd
        (4, 0, 62, ILLEGAL_VALUE),  # more than the model gives at once
        (4, 0, 0, ILLEGAL_VALUE),
    ],
)
def test_what_an_sdm630_refuses_is_refused(scenario, fc, at, count, exception):
    sdm = next(i for i in instruments(scenario) if i.meter.name == "m-press-1")
    assert registers(sdm).answer(Request(11, fc, at, count), scenario.t0_ms).exception == exception


def test_a_read_that_begins_inside_a_value_is_refused(scenario):
    grid = next(i for i in instruments(scenario) if i.meter.name == "m-grid")
    for at, count in ((803, 2), (801, 2), (802, 8)):
        answer = registers(grid).answer(Request(1, 3, at, count), scenario.t0_ms)
        assert answer.exception == ILLEGAL_ADDRESS


def test_every_shipped_profile_can_be_played(demo, scenario):
    names = profiles.names()
    assert len(names) >= 3
    for name in names:
        profile = profiles.load(name, allow_unverified=True)
        if not isinstance(profile, Profile):
            continue
        meter = msgspec.structs.replace(demo.meters[4], profile=name, index=12)
        instrument = Instrument(meter, profile, scenario)
        for register in profile.registers.values():
            for at in register.starts:
                request = Request(1, register.fc, at, register.size)
                answer = registers(instrument).answer(request, scenario.t0_ms + 1000)
                assert len(answer.words) == register.size, (name, at)


def test_what_a_meter_measures_can_be_asked_for_exactly(scenario):
    press = next(i for i in instruments(scenario) if i.meter.name == "m-press-1")
    at = scenario.t0_ms + 12_345
    index, flowed = scenario.index(press.meter), scenario.amount(press.meter, at)
    assert press.value("active_energy_import", at) == index + Fraction(flowed, PER_UNIT)
    assert press.value("active_power", at) == scenario.rate(press.meter, at)
    assert press.value("active_energy_export", at) == 0
    with pytest.raises(KeyError):
        press.value("no_such_quantity", at)
