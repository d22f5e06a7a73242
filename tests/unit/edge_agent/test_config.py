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
        (
            *("interval_s = 1", "intervall_s = 1"),
            "meters.m-press-1.intervall_s: is not a known key; did you mean interval_s?",
        ),
        (
            *("unit_id = 3", "unit_id = 3\ncolour = 5"),
            "meters.m-press-1.colour: is not a known key; known: unit_id, bus, profile, ",
        ),
        (
            "baud = 9600",
            "bauds = 9600",
            "buses.line-a.bauds: is not a known key; did you mean baud?",
        ),
        ("baud = 9600", 'baud = "fast"', "buses.line-a.baud: Expected `int`, got `str`"),
        ("meters.m-press-1", 'meters."Press 1"', "meters.Press 1: a meter's name is letters"),
        ("interval_s = 1", "interval_s = 0.0004", "meters.m-press-1.interval_s: must be above 0"),
        ("interval_s = 1", "interval_s = inf", "meters.m-press-1.interval_s: must be above 0"),
        ("interval_s = 1", "interval_s = nan", "meters.m-press-1.interval_s: must be above 0"),
        ("interval_s = 1", 'ct = "1e99999999"', "meters.m-press-1.ct: is a decimal string"),
        ("eastron_sdm630", "../models", "meters.m-press-1.profile: ../models: no such profile"),
        ("eastron_sdm630", "os.path.x", "meters.m-press-1.profile: os.path.x: no such profile"),
        ('"modbus"', '"."', "buses.line-a.driver: there is no driver '.'"),
        ('state = "/', 'commit_interval_s = inf\nstate = "/', "commit_interval_s: must be 0.05 to"),
        ('state = "/', 'publish_interval_s = nan\nstate = "/', "publish_interval_s: must be 0.05"),
        ('state = "/', 'keep_days = -1\nstate = "/', "keep_days: must be 0 to 36500"),
        ('host = "broker.example"', 'host = ""', "broker: host must not be empty"),
        ("port = 8883", "keepalive_s = -5", "broker: keepalive_s must be 1 to 65535"),
        ("port = 8883", 'ca_file = "/nix"', "broker.ca_file: /nix: cannot be read: No such file"),
        ("port = 8883", 'ca_file = ""', "broker.ca_file: Expected a path in quotes"),
        ("port = 8883", 'cert_file = "/nix"', "broker: cert_file needs ca_file"),
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


def test_one_meter_under_two_names_of_its_bus_is_noticed(sample, tmp_path):
    bus = sample[sample.index("[buses.") : sample.index("[meters.")].replace("line-a", "line-b")
    second = sample[sample.index("[meters.") :].replace("m-press-1", "m-press-2")
    port, found = told(tmp_path, sample + bus + second.replace("line-a", "line-b"))
    assert port.startswith("buses.line-b.device: is the port of buses.line-a")
    assert found.startswith("meters.m-press-2.unit_id: is where m-press-1 is, on bus line-a")


def test_a_serial_port_has_one_bus(sample, tmp_path):
    port = '[buses.line-%s]\ndriver = "%s"\ndevice = "/dev/ttyUSB0"\nbaud = %d\n'
    lines = port % ("b", "dlt645", 2400) + port % ("c", "cjt188", 2400)
    (found,) = told(tmp_path, sample + lines)
    assert found.startswith("buses.line-c.device: is the port of buses.line-b")


def test_meters_of_one_module_share_its_address_and_no_input(sample, tmp_path):
    def pulses(name, at):
        return (
            f'[meters.{name}]\nbus = "line-a"\nunit_id = 21\nrated_flow_per_h = "160"\n'
            f'[meters.{name}.inputs.gas_volume]\nat = {at}\npulse = "0.01"\nunit = "m3"\n'
        )

    assert told(tmp_path, sample + pulses("m-gas", 0) + pulses("m-gas-2", 2)) == []
    (found,) = told(tmp_path, sample + pulses("m-gas", 0) + pulses("m-gas-2", 0))
    assert found.startswith(
        "meters.m-gas-2.unit_id: is where m-gas is, on bus line-a: fc 3, 0, u32"
    )


def test_more_decimals_than_can_travel_are_refused(sample, tmp_path):
    dlt645 = (
        '[buses.line-b]\ndriver = "dlt645"\ndevice = "/dev/ttyUSB1"\n[meters.m-2]\nbus = "line-b"\n'
        'address = "000000000161"\nprofile = "dlt645_2007"\nrated_power_w = 1000\n'
    )
    assert told(tmp_path, sample + dlt645 + 'ct = "0.3333"\n') == []
    (found,) = told(tmp_path, sample + dlt645 + 'ct = "0.33333333333333333333"\n')
    assert found.startswith("meters.m-2: with ct and pt active_energy_import has more decimals")


def test_a_receipt_key_that_is_none_is_named(sample, tmp_path):
    (tmp_path / "receipt.key.pub").write_text("not a key\n")
    (found,) = told(tmp_path, sample)
    assert found.startswith("receipt_key_file: ")


@pytest.mark.parametrize(
    ("enrol", "cure"),
    [
        ("", "the ingestor prints it: ingestor key"),
        ('[enrol]\nurl = "https://cloud.example:8421"\n', "edge-agent enrol brings it"),
    ],
)
def test_a_receipt_key_that_is_not_there_is_told_with_where_it_comes_from(
    sample, tmp_path, enrol, cure
):
    (tmp_path / "receipt.key.pub").unlink()
    tls = f'host = "broker.example"\nca_file = "{tmp_path}/c"\ncert_file = "{tmp_path}/c"'
    (tmp_path / "c").touch()
    (found,) = told(tmp_path, sample.replace('host = "broker.example"', tls) + enrol)
    assert found.startswith(f"receipt_key_file: {tmp_path}/receipt.key.pub: cannot be read: No ")
    assert found.endswith(f"; {cure}")
