"""Every method profile says by which rules it counts, and gives the published figures."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from calc_stream.core import parse_model
from calc_stream.core.plant import Policy
from calc_stream.factors import load_method, method
from calc_stream.factors.method import Method, Slot, known_methods
from calc_stream.factors.parts import Parts
from calc_stream.factors.row import KINDS
from wire.errors import ConfigError

MODEL = 'format = 1\nsite = "s"\n'
SPREAD = '[policy]\nspread = "mass"\nwindow = "day"\n'
FILES = sorted((Path(method.__file__).parent / "methods").glob("*.toml"))
PROFILES = [found for found in known_methods() if isinstance(found, Method)]


def test_the_four_methods_and_the_slot_are_there() -> None:
    assert {path.stem for path in FILES} == {found.id for found in known_methods()}
    assert [m.id for m in PROFILES] == ["cbam", "gbt24067", "ghg_inventory", "pact3"]


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.id)
def test_a_profile_is_whole(profile: Method) -> None:
    assert load_method(profile.id) == profile
    assert profile.standard
    assert profile.kind is KINDS[profile.factor_kind]
    assert profile.metric.gwp["CO2"] == 1
    assert profile.metric.c_to_co2 in (Fraction(44, 12), Fraction("3.664"))
    assert set(profile.policy.setup) <= {"next", "campaign", "pool"}
    spreads = {"none", "machine_hours", "mass", "pieces", "direct_energy"}
    assert set(profile.policy.spread) <= spreads


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.id)
def test_the_policy_a_method_takes_stands_and_another_is_told(profile: Method) -> None:
    policy = Policy()
    taken, differences = profile.policy_for(policy)
    assert profile.policy_for(taken) == (taken, ())
    assert taken == replace(policy, **{d.key: d.method for d in differences})


def test_products_take_what_overheads_they_must(tmp_path: Path) -> None:
    assert load_method("gbt24067").policy_for(Policy()) == (Policy(), ())
    for name in ("cbam", "pact3"):
        with pytest.raises(ConfigError, match=f"policy.spread.*none.*{name} spreads pools"):
            load_method(name).check(parse_model(MODEL, "model.toml"))
        load_method(name).check(parse_model(MODEL + SPREAD, "model.toml"))
    (spread,) = load_method("cbam").policy_for(Policy())[1]
    assert (spread.key, spread.model, spread.method) == ("spread", "none", "mass")
    assert load_method("gbt24067").policy_for(Policy(setup="campaign"))[1] == ()
    pools = Policy(setup="pool", spread="mass")
    (setup,) = load_method("pact3").policy_for(pools)[1]
    assert (setup.key, setup.model, setup.method) == ("setup", "pool", "next")


def test_a_slot_is_refused_with_what_it_lacks() -> None:
    assert [found.id for found in known_methods() if isinstance(found, Slot)] == ["chongqing"]
    with pytest.raises(ConfigError, match="chongqing cannot be used: missing are the guide's text"):
        load_method("chongqing")
    with pytest.raises(ConfigError, match="known: cbam, gbt24067, ghg_inventory, pact3"):
        load_method("atlantis")


def test_masses_are_rounded_once_half_even() -> None:
    found = load_method("gbt24067")
    assert found.rounded(Fraction(1, 3)) == "0.333333"
    assert found.rounded(Fraction(-1, 3)) == "-0.333333"
    assert found.rounded(Fraction("0.0000005")) == "0.000000"
    assert found.rounded(Fraction("0.0000015")) == "0.000002"


def test_carbon_in_steel_as_in_the_cbam_communication_template() -> None:
    """Sheet B_EmInst, row 16: 1 808 226 t out with 0.003878 tC/t, at 3.664 tCO2/tC."""
    steel = Parts(ncv_mj="1000000", carbon_t_per_tj="0.003878")  # "TJ": a tonne
    kg = steel.kg(load_method("cbam").metric)
    assert kg * 1_808_226 / 1000 == Fraction("25693.068768192")
    by_molar_mass = steel.kg(load_method("ghg_inventory").metric) * 1_808_226 / 1000
    assert f"{float(by_molar_mass):.2f}" == "25711.77"


def test_heavy_fuel_oil_as_in_the_cbam_communication_template() -> None:
    """Sheet B_EmInst, row 14: 252 000 t x 45 GJ/t x 73 t/TJ = 827 820 t."""
    oil = Parts(ncv_mj="45000", gas_kg_per_tj={"CO2": "73000"})
    assert oil.kg(load_method("cbam").metric) * 252_000 == 827_820_000


def test_gases_count_by_the_methods_own_set() -> None:
    gas = Parts(gas_kg={"CH4": "1", "N2O": "1"}, gwp="AR6")
    assert gas.kg(load_method("cbam").metric) == 28 + 265
    assert gas.kg(load_method("pact3").metric) == Fraction("27.9") + 273


def test_a_method_that_names_its_units_takes_no_others() -> None:
    assert load_method("pact3").takes("piece")
    assert not load_method("pact3").takes("box")
    assert load_method("cbam").takes("t")
    assert not load_method("cbam").takes("piece")
    assert load_method("gbt24067").takes("box")
    assert load_method("cbam").takes(None)  # nobody counted: nothing is stated for one
