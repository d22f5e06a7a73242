"""What every driver promises, checked on every file of the folder."""

import importlib.resources
import inspect
import re
import tomllib
from random import Random

import msgspec
import pytest

from edge_agent import drivers, profiles
from wire.config import convert
from wire.errors import ConfigError

NAMES = sorted(
    file.name.removesuffix(".py")
    for file in importlib.resources.files(drivers).iterdir()
    if not file.name.startswith("_") and (file.is_dir() or file.name.endswith(".py"))
)

PROFILES = [profiles.load(name, allow_unverified=True) for name in profiles.names()]


def sample(name: str) -> tuple[dict[str, object], dict[str, object]]:
    """The sample configuration in a driver's docstring: the bus's keys, and a meter's."""
    docstring = inspect.getdoc(drivers.load(name)) or ""
    fenced = re.search(r"~~~toml\n(.*?)~~~", docstring, re.DOTALL)
    assert fenced, f"{name}: no ~~~toml block in its docstring"
    bus = tomllib.loads(fenced[1])
    return bus, bus.pop("meter")


def test_there_are_drivers() -> None:
    assert "modbus" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_its_sample_configuration_names_it_and_is_accepted(name: str) -> None:
    table, meter = sample(name)
    assert table["driver"] == name
    driver, settings = drivers.configure(table, "agent.toml", "buses.line")
    assert isinstance(settings, driver.Settings)
    assert convert(meter, driver.Address, "agent.toml")
    assert driver.PROTOCOL in profiles.protocols()


@pytest.mark.parametrize("name", NAMES)
def test_its_settings_are_frozen_and_refuse_unknown_keys(name: str) -> None:
    driver = drivers.load(name)
    for type_ in (driver.Settings, driver.Address):
        assert issubclass(type_, msgspec.Struct)
        assert type_.__struct_config__.frozen
        assert type_.__struct_config__.forbid_unknown_fields
    with pytest.raises(ConfigError, match=r"^agent\.toml: buses\.line\.colour: is not a known key"):
        drivers.configure({**sample(name)[0], "colour": "red"}, "agent.toml", "buses.line")


@pytest.mark.parametrize("name", NAMES)
async def test_a_bus_opens_nothing_before_its_first_read(name: str) -> None:
    table, meter = sample(name)
    driver, settings = drivers.configure(table, "sample", "buses.line")
    profile = next(p for p in PROFILES if p.protocol == driver.PROTOCOL)
    quantity = next(iter(profile.meanings))
    address = convert(meter, driver.Address, "sample")
    wanted = drivers.Wanted("m", profile, address, (quantity,))
    async with driver.connect(settings, Random(1), lambda: 0) as bus:
        assert bus.meter(wanted).tally.asked == 0
    cost = driver.cost(settings, wanted)
    assert cost.requests >= 1
    assert cost.seconds >= 0


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "line.driver: is missing; known: .*modbus, "),
        ({"driver": "modbuss"}, "line.driver: there is no driver 'modbuss'; known: .*modbus, "),
        ({"driver": "no.such.driver"}, "line.driver: there is no driver 'no.such.driver'"),
        ({"driver": "wire.errors"}, "line.driver: 'wire.errors' is no driver"),
        ({"driver": "modbus", "transport": "tcp"}, 'line: transport "tcp" needs host'),
        ({"driver": "modbus", "transport": "rtu"}, "line: transport .* needs device, the path"),
        (
            {"driver": "modbus", "transport": "tcp", "host": "h", "port": 0},
            "line.port: Expected `int` >= 1",
        ),
        (
            {"driver": "modbus", "transport": "tcp", "host": "h", "port": 70_000},
            "line.port: Expected `int` <= 65535",
        ),
    ],
)
def test_a_wrong_bus_is_one_line(table: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^agent.toml: buses.{message}") as refused:
        drivers.configure(table, "agent.toml", "buses.line")
    assert "\n" not in str(refused.value)


def test_a_dotted_name_loads_someone_elses_driver() -> None:
    assert drivers.load("edge_agent.drivers.modbus") is drivers.load("modbus")
