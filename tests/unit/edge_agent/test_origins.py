"""Which change of a configuration makes another register of one that has the same name."""

from fractions import Fraction

import pytest

from edge_agent import inputs, profiles
from edge_agent.bus import Wanted
from edge_agent.drivers import dlt645, modbus
from edge_agent.inputs import Input
from edge_agent.origins import origins

KWH = "active_energy_import"
DLT645 = Wanted(
    "m", profiles.load("dlt645_2007"), dlt645.Address("000000000161"), (KWH, "active_power")
)


def changed(**keys: object) -> Wanted:
    known = {name: getattr(DLT645, name) for name in DLT645.__dataclass_fields__}
    return Wanted(**{**known, **keys})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        (changed(name="other"), True),
        (changed(quantities=(KWH,)), True),
        (changed(profile=profiles.load("dlt645_2007_single_phase")), True),
        (changed(ct=Fraction(40)), False),
        (changed(pt=Fraction(100)), False),
        (changed(address=dlt645.Address("000000000162")), False),
        (changed(profile=profiles.load("dlt645_1997")), False),
    ],
)
def test_address_place_and_worth_make_a_register(other: Wanted, is_same: bool) -> None:
    assert (origins(other) == origins(DLT645)) == is_same
    assert origins(DLT645).keys() == {KWH}, "what is momentary has no past"


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        ({}, True),
        ({"decimals": 5}, True),
        ({"modulus": 1000}, True),
        ({"pulse": "0.1"}, False),
        ({"at": 2}, False),
        ({"fc": 4}, False),
        ({"as_": "u16"}, False),
    ],
)
def test_an_input_is_its_place_and_what_a_pulse_is_worth(
    change: dict[str, object], is_same: bool
) -> None:
    def wanted(**keys: object) -> Wanted:
        pulses = Input(**{"at": 0, "unit": "m3", "pulse": "0.01", **keys})  # type: ignore[arg-type]
        profile = inputs.profile({"gas_volume": pulses})
        return Wanted("m", profile, modbus.Address(21), ("gas_volume",))

    assert (origins(wanted(**change)) == origins(wanted())) == is_same
