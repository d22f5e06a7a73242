"""Somebody's readings: read exactly, run at any speed, told to an agent."""

import json
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from edge_agent import profiles
from edge_agent.profiles.modbus import Profile
from edge_agent.protocols.modbus import Request
from simulators.replay import recording, told
from simulators.replay.tape import Replayed, Tape, steepest
from simulators.slaves.modbus import ModbusMeter
from wire.errors import ConfigError

BEGAN = 1_900_000_000_000
EIGHT = 1_772_697_600_000  # 2026-03-05T08:00Z
MINUTE = 60_000

CSV = """\
meter, time, quantity, value, note
press, 2026-03-05T08:00:00Z, active_energy_import, 12345.678, first
press, 2026-03-05T16:10:00+08:00, active_energy_import, 12346.6780,
press, 1772698800000, active_energy_import, 12349.2, at 08:20
press, 2026-03-05T08:00:00Z, active_power, -16000.25,
gas, 2026-03-05T08:05:00.500Z, gas_volume, 1E+3,
"""


def load(folder: Path, text: str, name: str = "data.csv", **more: str) -> recording.Recording:
    path = folder / name
    path.write_text(text)
    return recording.load(path, **more)


def lines(*records: dict[str, str]) -> str:
    return "".join(f"{json.dumps(record)}\n" for record in records)


def reading(minute: int, register: str, meter: str = "m", **more: str) -> dict[str, str]:
    return {"meter": meter, "t": f"2026-03-05T08:{minute:02}:00Z", "register": register, **more}


SWAP = {"meter": "m", "t": "2026-03-05T08:15:00Z", "event": "swap", "closing": "9", "opening": "0"}


def replayed(
    found: recording.Recording, meter: str, speed: int = 1, loop: bool = False, after_ms: int = 0
) -> Replayed:
    tape = Tape(found, BEGAN, Fraction(speed), loop)
    number = 1 + list(found.meters).index(meter)
    return Replayed(found.meters[meter], number, tape, lambda: BEGAN + after_ms)


def test_a_csv_is_read_exactly_whatever_its_order_of_columns(tmp_path):
    found = load(tmp_path, CSV)
    assert (found.first_ms, found.last_ms) == (EIGHT, EIGHT + 20 * MINUTE)
    energy = found.meters["press"].series["active_energy_import"]
    values = [energy.at(EIGHT + at * MINUTE) for at in (-1, 0, 9, 10, 19, 20, 99)]
    expected = "12345.678 12345.678 12345.678 12346.678 12346.678 12349.2 12349.2"
    assert values == list(map(Fraction, expected.split()))
    assert found.meters["press"].series["active_power"].at(EIGHT) == Fraction("-16000.25")
    gas = found.meters["gas"].series["gas_volume"]
    assert (gas.at(0), gas.times_ms[0]) == (1000, EIGHT + 300_500)


def test_a_jsonl_is_that_of_the_records_and_leaves_out_what_no_meter_said(tmp_path):
    text = lines(
        reading(20, "5.5"),
        reading(0, "1.25", quality="good"),
        reading(10, "3", quality="estimated"),
        reading(0, "0.5", meter="m.export"),
        reading(1, "9", meter="w"),
    )
    found = load(tmp_path, text + "\n", "readings.jsonl", quantity="water_volume")
    assert list(found.meters) == ["m", "w"]
    assert set(found.meters["m"].series) == {"water_volume", "active_energy_export"}
    assert found.meters["m"].series["water_volume"].at(EIGHT + 15 * MINUTE) == Fraction("1.25")
    assert dict(found.left_out) == {"estimated": 1}


@pytest.mark.parametrize(
    ("name", "text", "told_"),
    [
        ("a.csv", "time,meter,value\n", "line 1: quantity: no such column"),
        ("a.csv", "time,meter,quantity,value\n", "holds no reading"),
        ("a.csv", CSV + "m, 2026-03-05T08:00, active_power, 1\n", "line 7: time: .* has no zone"),
        ("a.csv", CSV + "m, noon, active_power, 1\n", "line 7: time: 'noon' is no time"),
        ("a.csv", CSV + "m, 1, active_powder, 1\n", "line 7: quantity: 'active_powder' is no"),
        ("a.csv", CSV + "m, 1, active_power, NaN\n", "line 7: value: 'NaN' has no end"),
        ("a.csv", CSV + "m, 1, active_power, x\n", "line 7: value: 'x' is no decimal number"),
        ("a.csv", CSV + f"m, 1, active_power, 0.{'1' * 19}\n", "more than 18 digits"),
        ("a.csv", CSV + "m, 1, active_power, 1E99\n", "too big or too fine"),
        ("a.csv", CSV + "m,1,gas_volume,1E17\nm,2,gas_volume,1E-9\n", "m: gas_volume has values"),
        ("a.csv", CSV + "m,1,gas_volume,1\nm,1,gas_volume,2\n", "line 8: m: has another value"),
        ("a.jsonl", '{"meter": "m"}\n', "line 1: is no reading"),
        ("a.jsonl", "{\n", "line 1: is no JSON"),
        ("a.jsonl", lines({"meter": "m", "t": "2026-03-05T08:00Z"}), "line 1: register: None"),
        ("a.txt", "", "is neither .jsonl"),
    ],
)
def test_what_cannot_be_read_is_one_line_with_file_and_line(tmp_path, name, text, told_):
    with pytest.raises(ConfigError, match=told_) as refused:
        load(tmp_path, text, name)
    assert str(tmp_path / name) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_at_sixty_times_its_pace_a_minute_is_a_second(tmp_path):
    press = replayed(load(tmp_path, CSV), "press", speed=60)
    values = [press.value("active_energy_import", BEGAN + ms) for ms in (0, 9_999, 10_000, 20_000)]
    assert values == list(map(Fraction, ("12345.678", "12345.678", "12346.678", "12349.2")))
    assert press.value("active_energy_import", BEGAN + 10**9) == Fraction("12349.2")
    assert press.value("voltage_l1", BEGAN) == 0


def test_a_loop_counts_on_and_momentary_values_come_again(tmp_path):
    found = load(tmp_path, CSV)
    tape = Tape(found, BEGAN, Fraction(60), loop=True)
    press = Replayed(found.meters["press"], 1, tape, lambda: BEGAN)
    rise = Fraction("12349.2") - Fraction("12345.678")
    shown = [press.value("active_energy_import", BEGAN + 100 * n) for n in range(2000)]
    assert all(b >= a for a, b in pairwise(shown))
    assert Fraction("12345.678") + 3 * rise in shown
    assert {press.value("active_power", BEGAN + 100 * n) for n in range(2000)} == {
        Fraction("-16000.25")
    }
    assert not tape.is_over(BEGAN + 10**9)
    assert press.serial == 100_000


def test_an_exchanged_meter_has_another_number_and_each_round_again(tmp_path):
    text = lines(reading(0, "7"), reading(10, "9"), SWAP, reading(20, "0.5"), reading(40, "1"))
    found = load(tmp_path, text, "r.jsonl")

    def at(minutes: int) -> tuple[int, Fraction]:
        meter = replayed(found, "m", speed=60, loop=True, after_ms=1000 * minutes)
        return meter.serial, meter.value("active_energy_import", BEGAN + 1000 * minutes)

    assert [at(m) for m in (0, 12, 20)] == [(100_000, 7), (100_000, 9), (100_001, Fraction("0.5"))]
    assert at(54) == (100_002, 7)  # the last reading stands 13 minutes


def test_the_made_profile_holds_every_value_exactly(tmp_path):
    found = load(tmp_path, CSV)
    profile = profiles.parse(told.profile_toml(found), "made")
    assert isinstance(profile, Profile)
    models = dict.fromkeys(found.meters, ("made", profile))
    assert list(told.too_fine(found, models)) == []
    meter = ModbusMeter("press", profile, replayed(found, "press", speed=60))
    energy, power = (profile.registers[q] for q in ("active_energy_import", "active_power"))
    for register, after_ms, raw in ((energy, 10_000, 12346678), (power, 0, -1600025)):
        answer = meter.answer(Request(1, 3, register.at, 4), BEGAN + after_ms)
        data = b"".join(word.to_bytes(2, "big") for word in answer.words)
        assert int.from_bytes(data, "big", signed=True) == raw


def test_what_a_real_model_cannot_show_is_counted(tmp_path):
    found = load(tmp_path, CSV)
    names = ("abb_b23", "eastron_sdm630", "dlt645_2007")
    counted = {
        name: {(m, q): n for m, q, n, _ in told.too_fine(found, {"press": (name, of)})}
        for name in names
        if (of := profiles.load(name))
    }
    energy, power = ("press", "active_energy_import"), ("press", "active_power")
    assert counted == {
        "abb_b23": {energy: 2},  # counts in 0.01 kWh
        "eastron_sdm630": {power: 1},  # shown to 0.1 W
        "dlt645_2007": {energy: 2, power: 1},
    }


def test_rates_are_those_of_the_replay_as_an_agent_reckons_them(tmp_path):
    press = load(tmp_path, CSV).meters["press"]
    fastest = Fraction("2.522") * 6  # kWh in ten minutes
    assert steepest(press, "active_energy_import", Fraction(60)) == 60 * fastest
    # At its own pace ten minutes of standing still count as five.
    assert steepest(press, "active_energy_import", Fraction(1)) == 2 * fastest
