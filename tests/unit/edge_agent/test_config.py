"""What `edge-agent check` says of a configuration."""

import re

import pytest

from edge_agent import config
from wire.errors import ConfigError
from wire.quantities import QUANTITIES
from wire.signing import SigningKey


@pytest.fixture
def sample(tmp_path):
    """The sample of the module's docstring, with paths of this test."""
    key = tmp_path / "receipt.key.pub"
    key.write_text(f"{SigningKey(bytes(range(32))).public}\n")
    found = re.search(r"~~~toml\n(.*?)~~~", config.__doc__ or "", re.DOTALL)
    assert found
    return found[1].replace("/etc/wattprint/receipt.key.pub", str(key))


def told(tmp_path, text):
    path = tmp_path / "agent.toml"
    path.write_text(text)
    return [str(problem).removeprefix(f"{path}: ") for problem in config.problems(path)]


def test_the_sample_in_the_docstring_is_good(sample, tmp_path):
    assert told(tmp_path, sample) == []
    plan = config.load(tmp_path / "agent.toml")
    wanted = plan.meters["m-press-1"].wanted
    assert wanted.quantities == ("active_energy_import", "active_power")
    assert wanted.address.unit_id == 3


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('site = "cq-wheel"', 'site = "CQ"', "site: is lower-case"),
        (
            'bus = "line-a"',
            'bus = "line-b"',
            "meters.m-press-1.bus: no bus 'line-b'; known: line-a",
        ),
        ("interval_s = 1", "interval_s = 0", "meters.m-press-1.interval_s: must be above 0"),
        ("interval_s = 1", 'ct = "forty"', "meters.m-press-1.ct: is a decimal string above 0"),
        ("interval_s = 1", 'quantities = ["heat"]', "meters.m-press-1.quantities: unknown 'heat'"),
        (
            "interval_s = 1",
            'quantities = ["gas_volume"]',
            "meters.m-press-1.quantities: profile eastron_sdm630 has no gas_volume",
        ),
        ("rated_power_w = 48000", "rated_power_w = 0", "meters.m-press-1.rated_power_w: must be"),
        ("rated_power_w = 48000", "", "meters.m-press-1.rated_power_w: must be above 0"),
        ("unit_id = 3", "unit_id = 300", "meters.m-press-1.unit_id: Expected `int` <= 255"),
        ("unit_id = 3", "", "meters.m-press-1.unit_id: is missing"),
        ('profile = "eastron_sdm630"', "", "meters.m-press-1.profile: is missing"),
        ('state = "/', 'boundary_s = 7\nstate = "/', "boundary_s: must divide a day"),
        ('state = "/', 'self_metrics_s = 9\nstate = "/', "self_metrics_s: must be 0 (never), or"),
        ("meters.m-press-1", "meters.gw-1", "meters.gw-1: is the gateway's own name"),
        ("interval_s = 1", "intervall_s = 1", "meters.m-press-1.intervall_s: is not a known key"),
        ("baud = 9600", 'baud = "fast"', "buses.line-a.baud: Expected `int`, got `str`"),
    ],
)
def test_a_problem_names_its_key(sample, tmp_path, old, new, problem):
    assert sample.count(old) == 1
    (found,) = told(tmp_path, sample.replace(old, new))
    assert found.startswith(problem)
    with pytest.raises(ConfigError):
        config.load(tmp_path / "agent.toml")


def test_a_counter_that_starts_again_sooner_than_it_is_read_is_refused(sample, tmp_path):
    pulses = (
        "[meters.m-press-1.inputs.active_energy_import]\n"
        'at = 0\nas = "u16"\npulse = "0.0001"\nunit = "kWh"\n'
    )
    # 6.5536 kWh at 48 kW, two per cent fast, are 481 s; four readings must fit in.
    text = sample.replace('profile = "eastron_sdm630"\n', "") + pulses
    assert told(tmp_path, text) == []
    assert told(tmp_path, text.replace("interval_s = 1", "interval_s = 120")) == [
        "meters.m-press-1.interval_s: must be 119 at most: active_energy_import starts again so soon"
    ]


def test_all_problems_are_told_at_once(sample, tmp_path):
    bad = sample.replace("interval_s = 1", "interval_s = 0").replace("= 48000", "= 0")
    assert len(told(tmp_path, bad)) == 2


def test_of_a_meter_with_several_counters_one_is_booked(sample, tmp_path):
    gas = """
[meters.m-gas]
bus = "line-a"
unit_id = 5
profile = "fuxin_gas_corrector"
allow_unverified = true
rated_flow_per_h = "160"
"""
    path = tmp_path / "agent.toml"
    path.write_text(sample + gas)
    wanted = config.load(path).meters["m-gas"].wanted
    assert [q for q in wanted.quantities if QUANTITIES[q].cumulative] == ["gas_normal_volume"]
    both = 'quantities = ["gas_volume", "gas_normal_volume"]\n'
    (found,) = told(tmp_path, sample + gas + both)
    assert found == (
        "meters.m-gas.quantities: gas_volume and gas_normal_volume would be one register of the"
        " site; name one"
    )


def test_two_meters_at_one_address_are_noticed(sample, tmp_path):
    second = sample[sample.index("[meters.") :].replace("m-press-1", "m-press-2")
    (found,) = told(tmp_path, sample + second)
    assert found.startswith("meters.m-press-2.unit_id: is where m-press-1 is, on bus line-a")


def test_a_receipt_key_that_is_none_is_named(sample, tmp_path):
    (tmp_path / "receipt.key.pub").write_text("not a key\n")
    (found,) = told(tmp_path, sample)
    assert found.startswith("receipt_key_file: ")
