"""What a person may get wrong, and what a state folder remembers."""

import json
import tomllib
from pathlib import Path

import pytest

from simulators import config, plant
from simulators.__main__ import main
from simulators.config import Begun, Config
from wire.errors import ConfigError

PLANT = """
site = "demo"
state = "{state}"
seed = 7
[tcp]
port = 5020
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "plant.toml"
    path.write_text(PLANT.format(state=tmp_path / "state"))
    return path


def test_the_sample_in_the_docstring_is_a_configuration(tmp_path):
    sample = (config.__doc__ or "").split("~~~toml\n")[1].split("~~~")[0]
    path = tmp_path / "plant.toml"
    path.write_text(sample)
    settings, found = config.load(path)
    assert settings.line("line-a") == Path("/run/plant/line-a")
    assert len(found.meters) >= 24


def test_check_says_what_the_plant_has(file, capsys):
    assert main(["check", "--config", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: good: 30 meters of 9 models, 3 ports, 3 products\n"


@pytest.mark.parametrize("port", [0, 65536])
def test_a_port_that_cannot_be_is_refused(file, port):
    file.write_text(file.read_text().replace("5020", str(port)))
    with pytest.raises(ConfigError, match=r"plant\.toml: tcp\.port: Expected `int`"):
        config.load(file)


def test_ports_that_count_up_beyond_the_last_one_are_refused(file, tmp_path):
    text = plant.find("demo_plant").read_text()
    other = tmp_path / "other.toml"
    other.write_text(text.replace('kind = "rtu"', 'kind = "tcp"'))
    file.write_text(f'scenario = "{other}"\n' + file.read_text().replace("5020", "65534"))
    with pytest.raises(ConfigError, match=r"tcp\.port: leaves no port below 65536 for line-b"):
        config.load(file)


def test_a_meter_of_no_known_model_is_refused_with_file_key_and_near_names(file, tmp_path):
    text = plant.find("demo_plant").read_text()
    other = tmp_path / "other.toml"
    other.write_text(text.replace('"abb_b23"', '"abb_b32"'))
    file.write_text(f'scenario = "{other}"\n' + file.read_text())
    with pytest.raises(ConfigError, match=r"did you mean abb_b23") as refused:
        config.load(file)
    assert str(refused.value).startswith(f"{other}: meters.m-oven.profile: abb_b32: ")
    assert "Errno" not in str(refused.value)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ('scenario = "nowhere"\n', "cannot be read"),
        ('colour = "red"\n', "colour: is not a known key"),
        ('[lines]\nline-z = "/tmp/z"\n', "lines.line-z: is no serial line of the scenario"),
        ('t0_ms = "yesterday"\n', "t0_ms"),
        ("[broker]\nport = -1\n", "broker.port: Expected `int` >= 1"),
    ],
)
def test_a_wrong_configuration_is_one_line_and_exit_2(file, capsys, wrong, says):
    text = file.read_text()
    file.write_text(text + wrong if wrong.startswith("[") else wrong + text)
    assert main(["check", "--config", str(file)]) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.startswith("plant-sim: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('fed_from = "main"', "", "buses.hall-2: needs `fed_from`, or sources"),
        ('fed_from = "compressor"', 'fed_from = "press-1"', "neither a bus nor a utility"),
        ('fed_from = "compressor"', 'fed_from = "main"', "'main' carries another carrier"),
        ('fed_from = "chiller"', 'fed_from = "compressor"', "needs exactly one bus that is fed"),
        ("base = [2_000, 2_600]", "base = [2_000, 2_600], per_1000 = 1", "depend on themselves"),
        ("rate = [25_000, 70_000]", "rate = [25_000, 900_000]", "is given up to 900000 where only"),
        ("takes.air        = {", "takes.wind       = {", "takes.wind: is not a bus"),
        ("unit_id = 12", "unit_id = 11", "stands twice"),
        ('to = "paint"', 'to = "pint"', "there is no edge from main to pint"),
        ("uses.main = { rated = 48_000", "uses.main = { rated = 40_000", "than the node may take"),
        (", idle = [4_000, 5_200] }", " }", "needs setup and idle for all it uses"),
        ("takt_s = 12", "takt_s = 6", "takt_s: is at least 5 s, and 3 s longer than a setup"),
        ('"cnc-2", "washer"]', '"cnc-2", "office"]', "'office' is not a machine node"),
        ("pieces = [4, 6]", "pieces = [6, 4]", "products.wheel-18.pieces: is [least, most]"),
    ],
)
def test_a_plant_that_cannot_be_is_refused_by_file_and_key(tmp_path, old, new, says):
    text = plant.find("demo_plant").read_text()
    assert old in text
    path = tmp_path / "other.toml"
    path.write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=r"other\.toml: ") as refused:
        plant.load(path)
    assert says in str(refused.value)


def test_the_first_start_is_kept_and_later_starts_go_on_from_it(tmp_path):
    settings = Config("demo", tmp_path / "state")
    assert config.begin(settings, 1000) == Begun(1000, 7, "demo_plant")
    assert config.begin(settings, 9999) == Begun(1000, 7, "demo_plant")
    with pytest.raises(ConfigError, match="are of another run"):
        config.begin(Config("demo", tmp_path / "state", seed=8), 9999)
    with pytest.raises(ConfigError, match="holds no run"):
        config.begun(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"fox_ft2a"', '"abb_b23"', "m-air.profile: counts no compressed_air in Nm3"),
        ('"dlt645_2007"', '"abb_b23"', ""),
        ('"schneider_iem3155"', '"dlt645_2007"', "the others on line-a speak another protocol"),
    ],
)
def test_a_meter_must_count_its_carrier_and_speak_like_its_neighbours(
    file, tmp_path, old, new, says
):
    other = tmp_path / "other.toml"
    other.write_text(plant.find("demo_plant").read_text().replace(old, new))
    file.write_text(f'scenario = "{other}"\n' + file.read_text())
    if not says:
        assert config.load(file)
        return
    with pytest.raises(ConfigError, match=says):
        config.load(file)


def test_describe_gives_the_model_and_the_meter_list(file, tmp_path, capsys):
    assert main(["describe", "--config", str(file)]) == 0
    described = json.loads(capsys.readouterr().out)
    model = tomllib.loads(described["model_toml"])
    assert [meter["id"] for meter in model["meters"]] == [m["name"] for m in described["meters"]]
    assert model["nodes"]["office"] == {"kind": "overhead"}
    assert {name: source["factor"] for name, source in model["sources"].items()} == {
        "grid": "cn-cq-grid",
        "pv": "cn-own-pv",
        "gas": "cn-natural-gas",
    }
    meters = {meter["name"]: meter for meter in described["meters"]}
    press, office, air = meters["m-press-1"], meters["m-office"], meters["m-air"]
    assert (press["bus"], press["unit_id"], press["rated_power_w"]) == ("line-a", 11, 115_000)
    assert press["quantities"] == ["active_energy_import", "active_power"]
    assert (office["address"], office["ct"]) == ("000000000024", 10)
    assert air["quantities"] == ["air_normal_volume", "flow"]
    assert (air["grade"], air["rated_flow_per_h"]) == ("C", "658.6")
    assert model["utilities"] == {"compressor": {}, "chiller": {}}
    assert model["links"] == [{"from": "chiller", "to": "cold"}]
    units = {meter["id"]: meter["unit"] for meter in model["meters"]}
    assert (units["m-air"], units["m-gas"], units["m-press-1-cold"]) == ("Nm3", "Nm3", "kWh")
    assert not any("multiplier" in meter for meter in model["meters"]), "the agent applies the ct"
    kinds = {bus["name"]: bus for bus in described["buses"]}
    assert kinds["tcp"]["port"] == 5020
    assert kinds["line-b"]["driver"] == "dlt645"
    assert kinds["line-b"]["path"] == str(tmp_path / "state" / "line-b")
    assert {meter["bus"] for meter in meters.values()} == set(kinds)


def test_truth_is_told_for_a_span(file, capsys):
    settings, _ = config.load(file)
    config.begin(settings, 1_800_000_000_000)
    span = ["--from", "1800000010000", "--to", "1800000090000"]
    assert main(["truth", "--config", str(file), *span]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["batches"]) >= 8
    assert all(float(batch["true"]["electricity"]) > 0.1 for batch in told["batches"])
    assert {source for held in told["accounts"].values() for source in held} == {
        "grid",
        "pv",
        "gas",
    }
    assert main(["truth", "--config", str(file), "--from", "5", "--to", "6"]) == 2
