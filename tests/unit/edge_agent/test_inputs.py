"""Pulses and 4-20 mA loops behind a Modbus I/O module."""

import re
import tomllib
from fractions import Fraction

import pytest

from edge_agent import inputs
from edge_agent.device import bounds
from edge_agent.drivers import Wanted
from edge_agent.drivers.modbus import Address
from edge_agent.inputs import Input
from edge_agent.profiles.modbus import Profile
from edge_agent.registers import decode, plan
from wire.config import convert
from wire.errors import ProfileError
from wire.messages import Value


def made(quantity: str, **keys: object) -> Profile:
    profile = inputs.profile({quantity: convert(keys, Input, "agent.toml")})
    assert isinstance(profile, Profile)
    return profile


def value(quantity: str, words: list[int], **keys: object) -> Value | None:
    (block,) = plan(made(quantity, **keys), [quantity])
    return decode(block, words)[quantity]


def test_the_sample_in_the_docstring_is_good() -> None:
    found = re.search(r"~~~toml\n(.*?)~~~", inputs.__doc__ or "", re.DOTALL)
    assert found
    meters = tomllib.loads(found[1])["meters"]
    for meter in meters.values():
        inputs.profile(convert(meter["inputs"], dict[str, Input], "agent.toml"))
    assert set(meters) == {"m-gas", "m-air"}


def test_pulses_are_counted_exactly_and_wrap_where_their_register_ends() -> None:
    gas = {"at": 0, "as": "u16", "unit": "m3", "pulse": "0.01"}
    assert value("gas_volume", [65535], **gas) == (65535, -2)
    wanted = Wanted("m-gas", made("gas_volume", **gas), Address(unit_id=1), ("gas_volume",))
    bound = bounds(wanted, None, Fraction(160))["gas_volume"]
    assert (bound.modulus, bound.per_hour) == (Fraction("655.36"), 160)


@pytest.mark.parametrize(
    ("quantity", "keys", "shown"),
    [
        ("gas_volume", {"unit": "m3", "pulse": "0.01"}, (65_539, -2)),
        ("pressure", {"unit": "bar", "loop": ["0", "100000"], "range": ["0", "100"]}, (65_539, -3)),
    ],
)
def test_an_input_register_with_the_low_word_first_is_read_as_one(
    quantity: str, keys: dict[str, object], shown: Value
) -> None:
    keys = {"at": 4, "fc": 4, "as": "u32", "words": "little"} | keys
    (block,) = plan(made(quantity, **keys), [quantity])
    assert (block.fc, block.address, block.count) == (4, 4, 2)
    assert decode(block, [3, 1])[quantity] == shown


def test_a_module_that_counts_to_less_than_its_register_holds_says_so() -> None:
    register = made("water_volume", at=0, unit="L", pulse="10", modulus=1_000_000)
    assert register.registers["water_volume"].modulus == "10000000"


@pytest.mark.parametrize(
    ("raw", "bar"),
    [
        (4000, (0, -3)),
        (12000, (5000, -3)),
        (20000, (10000, -3)),
        (3600, (-250, -3)),  # 3.6 mA: still a value
        (3599, None),  # a broken wire
        (21000, (10625, -3)),
        (21001, None),
        (0, None),
    ],
)
def test_a_loop_is_scaled_over_its_range_and_silent_outside_of_it(
    raw: int, bar: Value | None
) -> None:
    keys = {"at": 8, "as": "u16", "loop": ["4000", "20000"], "range": ["0", "10"], "unit": "bar"}
    assert value("pressure", [raw], **keys) == bar


def test_a_loop_whose_scale_has_no_finite_decimal_is_rounded_to_its_decimals() -> None:
    keys = {"at": 0, "as": "u16", "loop": ["6400", "32000"], "range": ["-50", "150"]}
    assert value("temperature", [14933], **keys, unit="degC", decimals=2) == (1666, -2)


@pytest.mark.parametrize(
    ("quantity", "keys", "message"),
    [
        ("gas", {"pulse": "1"}, "gas: no such quantity"),
        ("gas_volume", {}, "gas_volume: needs either pulse, or loop and range"),
        ("gas_volume", {"loop": ["4", "20"]}, "needs either pulse, or loop and range"),
        ("gas_volume", {"pulse": "0"}, "pulse is a decimal in quotes above 0"),
        ("gas_volume", {"pulse": "1", "as": "i32"}, "pulses are counted in u16, u32 or u64"),
        ("gas_volume", {"loop": ["4", "20"], "range": ["0", "1"]}, "is a counter"),
        ("pressure", {"pulse": "1"}, "is no counter; pulses count"),
        ("pressure", {"loop": ["20", "4"], "range": ["0", "1"]}, "loop must rise"),
        ("pressure", {"loop": ["4", "4"], "range": ["0", "1"]}, "loop must rise"),
        ("pressure", {"loop": ["a", "4"], "range": ["0", "1"]}, "two decimals in quotes"),
        ("gas_volume", {"pulse": "1", "fc": 1}, "fc is 3"),
        ("gas_volume", {"pulse": "1", "unit": "kWh"}, "gas_volume: unit kWh cannot become m3"),
    ],
)
def test_an_input_that_cannot_be_is_refused_by_its_key(
    quantity: str, keys: dict[str, object], message: str
) -> None:
    unit = "bar" if quantity == "pressure" else "m3"
    with pytest.raises(ProfileError, match=message):
        made(quantity, **({"at": 0, "unit": unit} | keys))
