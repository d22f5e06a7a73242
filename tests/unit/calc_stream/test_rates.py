"""Energy becomes mass in columns: exact, by place and by contract, never guessed."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from calc_stream.core import Versions, parse_model
from calc_stream.factors import FactorSet, Rates, doubts, load, load_method, marks_of

NOV_2026 = int(datetime(2026, 11, 21, 8, tzinfo=UTC).timestamp() * 1000)
HOUR = 3_600_000

MODEL = """
format = 1
site = "s"
[carriers.electricity]
unit = "kWh"
quanta_per_unit = 1_000_000
[carriers.gas]
unit = "Nm3"
quanta_per_unit = 1_000_000
[carriers.heat]
unit = "GJ"
quanta_per_unit = 1_000_000
[sources.grid]
carrier = "electricity"
factor = "cn-cq-grid"
[sources.gas]
carrier = "gas"
factor = "cn-natural-gas"
[sources.heat]
carrier = "heat"
factor = "cn-heat-co2"
[nodes.n]
[[meters]]
id = "m"
from = "grid"
to = "n"
unit = "kWh"
"""
SITE, SHIPPED = parse_model(MODEL, "model"), load()
CONTRACT = """
format = 1
[documents.d]
publisher = "p"
title = "PPA 7"
dated = "2026"
[[instruments]]
id = "wind"
type = "ppa"
source = "grid"
factor = "cn-wind-footprint"
valid_from = 2026-11-21T08:00:00Z
valid_to = 2026-11-21T10:00:00Z
volumes = ["60"]
document = "d"
"""


def one(amount: str, t_ms: int = NOV_2026) -> dict[int, Fraction]:
    return {t_ms: Fraction(amount) * 1_000_000}


def test_electricity_and_gas_of_a_published_score() -> None:
    """420 kWh x 0.5581 + 12.5 m3 x 2.1622 = 261.4295, as an LCA program scored it."""
    rates = Rates(SITE, SHIPPED, load_method("ghg_inventory"))
    mass = rates.mass({"grid": one("420"), "gas": one("12.5")})
    assert mass.columns["scope_2_location"] == Fraction("234.402")
    assert mass.columns["direct"] == Fraction("12.5") * Fraction("2.162188809")
    assert f"{float(mass.total or 0):.3f}" == "261.429"
    assert mass.columns["scope_2_market"] == mass.columns["scope_2_location"]
    assert sum(mass.counted.values()) == mass.total


def test_purchased_steam_of_a_published_case() -> None:
    """1000 t x 2777 kJ/kg x 0.11 tCO2/GJ = 305.47 t."""
    rates = Rates(SITE, SHIPPED, load_method("ghg_inventory"))
    assert rates.mass({"heat": one("2777")}).total == Fraction("305470")


def test_stages_of_an_entry_add_up_by_column() -> None:
    rates = Rates(SITE, SHIPPED, load_method("gbt24067"))
    mass = rates.mass({"gas": one("100"), "grid": one("10")})
    assert mass.columns == {
        "direct": 216,
        "upstream": Fraction("60.8"),
        "life_cycle": Fraction("5.777"),
    }
    assert mass.total == Fraction("282.577")
    assert set(mass.rows) == {
        "cn-natural-gas-combustion-2025", "cn-natural-gas-supply-2024", "cn-grid-footprint-2024",
    }  # fmt: skip


def test_carbon_becomes_co2_as_the_method_has_it() -> None:
    by_molar_mass, template = (
        Rates(SITE, SHIPPED, load_method(name)).mass({"gas": one("1")}).total
        for name in ("ghg_inventory", "cbam")
    )
    assert by_molar_mass is not None
    assert template == by_molar_mass * Fraction("3.664") / Fraction(44, 12)


def test_a_source_without_a_row_of_the_methods_kind_is_unknown_and_not_zero() -> None:
    rates = Rates(SITE, SHIPPED, load_method("gbt24067"))
    mass = rates.mass({"heat": one("5"), "grid": one("10")})
    assert (mass.total, mass.unknown) == (None, ["heat"])
    assert mass.columns == {"life_cycle": Fraction("5.777")}
    assert rates.mass({"heat": one("0")}).total == 0


def test_a_factor_per_another_kind_of_unit_is_unknown() -> None:
    model = parse_model(MODEL.replace('"cn-cq-grid"', '"cn-diesel-combustion"'), "model")
    per_gj = Rates(model, SHIPPED, load_method("gbt24067"))
    assert per_gj.mass({"grid": one("1000")}).total == Fraction("3.6") * Fraction("74.1")
    model = parse_model(MODEL.replace('"cn-cq-grid"', '"cn-diesel-supply"'), "model")
    per_tonne = Rates(model, SHIPPED, load_method("gbt24067"))
    assert per_tonne.mass({"grid": one("1")}).unknown == ["grid"]


@pytest.fixture
def contracted(tmp_path: Path) -> FactorSet:
    (tmp_path / "ours.toml").write_text(CONTRACT)
    return load(tmp_path)


def test_what_a_contract_covers_counts_by_contract_and_the_rest_by_place(
    contracted: FactorSet,
) -> None:
    first, second = NOV_2026, NOV_2026 + HOUR
    given = {"grid": {first: 100_000_000, second: 50_000_000}}
    rates = Rates(SITE, contracted, load_method("gbt24067"), given)
    half = rates.mass({"grid": {first: Fraction(50_000_000), second: Fraction(10_000_000)}})
    assert half.columns["life_cycle"] == 60 * Fraction("0.5777")
    covered = Fraction("0.6") * 50 + 10
    assert half.columns["life_cycle_market"] == (
        covered * Fraction("0.0324") + (60 - covered) * Fraction("0.5777")
    )
    assert half.total == half.columns["life_cycle_market"]


def test_time_is_cut_where_rows_and_contracts_begin_and_end_and_each_hour_of_a_contract(
    contracted: FactorSet,
) -> None:
    (wind,) = contracted.instruments
    marks = marks_of(Versions.of(SITE), contracted)
    named = [wind, *contracted.named("cn-cq-grid"), *contracted.named("cn-wind-footprint")]
    ends = {t_ms for one in named for t_ms in (one.valid_from_ms, one.valid_to_ms)} - {None}
    assert marks.at["grid"] == tuple(sorted(ends))
    assert marks.hourly == {"grid"}
    half = structs.replace(wind, valid_from_ms=NOV_2026 + HOUR // 2)
    later = marks_of(Versions.of(SITE), replace(contracted, instruments=(half,)))
    assert later.hourly == frozenset()
    of_half = {*later.at["grid"]} - ends
    assert of_half == {*range(half.valid_from_ms, half.valid_to_ms, HOUR)}


def test_a_contract_without_a_row_of_the_methods_kind_covers_with_nothing_known(
    contracted: FactorSet,
) -> None:
    given = {"grid": {NOV_2026: 100_000_000}}
    rates = Rates(SITE, contracted, load_method("ghg_inventory"), given)
    assert rates.mass({"grid": one("1")}).unknown == ["grid"]


def test_why_something_has_no_mass_is_said_by_key(contracted: FactorSet) -> None:
    given = {"grid": {NOV_2026: 100_000_000}}
    rates = Rates(SITE, contracted, load_method("ghg_inventory"), given)
    problem = "cn-wind-footprint is no inventory factor, as ghg_inventory wants"
    assert rates.lack("grid", NOV_2026) == (
        "instruments.wind.factor",
        f"{problem}: what it covers stays unknown",
    )
    (wind,) = contracted.instruments
    last = next(row for row in SHIPPED.rows if row.id == "cn-wind-footprint-2023")
    ended = structs.replace(last, id="w", series="w-2023", valid_to_ms=NOV_2026)
    early = FactorSet.of(
        [*SHIPPED.rows, ended], SHIPPED.entries, [structs.replace(wind, factor="w-2023")]
    )
    rates = Rates(SITE, early, load_method("gbt24067"), given)
    assert rates.mass({"grid": one("1")}).unknown == ["grid"]
    assert rates.lack("grid", NOV_2026) == (
        "instruments.wind.factor",
        "of w-2023 no product_footprint factor holds at 2026-11-21T08:00:00.000Z, for what it covers",
    )
    rates = Rates(SITE, SHIPPED, load_method("gbt24067"))
    begin = int(datetime(1990, 1, 1, tzinfo=UTC).timestamp() * 1000)
    assert rates.lack("grid", begin) == (
        "sources.grid.factor",
        "of cn-cq-grid no product_footprint factor holds at 1990-01-01T00:00:00.000Z",
    )


def test_of_a_source_that_is_gone_it_is_said_what_was_wrong_while_it_was_there(
    contracted: FactorSet,
) -> None:
    """Not that there is none: a store still gives what it gave."""
    gone = MODEL.replace("format = 1", "format = 1\nvalid_from = 2026-11-21T08:00:00Z")
    gone = gone.replace("grid", "sun")
    rates = Rates(
        Versions.of(parse_model(text, "model") for text in (MODEL, gone)),
        contracted,
        load_method("ghg_inventory"),
        {"grid": {NOV_2026: 100_000_000}},
    )
    key, problem = rates.lack("grid", NOV_2026)
    assert key == "instruments.wind.factor"
    assert problem.startswith("cn-wind-footprint is no inventory factor")


@given(st.integers(0, 10**12), st.sampled_from(["gbt24067", "pact3", "ghg_inventory", "cbam"]))
def test_without_contracts_place_and_contract_are_the_same(quanta: int, name: str) -> None:
    burden = {"grid": {NOV_2026: quanta}, "gas": {NOV_2026: quanta}}
    by_place, by_contract = (
        Rates(SITE, SHIPPED, structs.replace(load_method(name), electricity=rule)).mass(burden)
        for rule in ("location", "market")
    )
    assert by_place.total == by_contract.total
    assert by_place.columns == by_contract.columns


@given(st.integers(0, 10**12))
def test_doubling_a_factor_doubles_the_footprint(quanta: int) -> None:
    doubled = tuple(structs.replace(r, value=str(2 * Decimal(r.value))) for r in SHIPPED.rows)
    once, twice = (
        Rates(SITE, factors, load_method("gbt24067")).mass({"grid": {NOV_2026: quanta}}).total
        for factors in (SHIPPED, replace(SHIPPED, rows=doubled))
    )
    assert once is not None
    assert twice == 2 * once


def test_what_will_stay_unknown_is_told_before_anything_is_computed(contracted: FactorSet) -> None:
    said = dict(doubts(SITE, contracted, load_method("ghg_inventory")))
    assert set(said) == {"instruments.wind.factor"}
    said = dict(doubts(SITE, contracted, load_method("gbt24067")))
    assert said == {
        "sources.heat.factor": "cn-heat-co2 is no product_footprint factor, as gbt24067 wants"
    }
    gas = MODEL.replace('"cn-natural-gas"', '"cn-diesel-supply"')
    said = dict(doubts(parse_model(gas, "model"), contracted, load_method("gbt24067")))
    assert "per another kind of unit than Nm3" in said["sources.gas.factor"]
    elsewhere = replace(
        contracted, instruments=(structs.replace(contracted.instruments[0], source="sun"),)
    )
    said = dict(doubts(SITE, elsewhere, load_method("gbt24067")))
    assert said["instruments.wind.source"] == "there is no source 'sun' in the model"


def test_what_a_store_gives_of_a_source_that_goes_by_the_hour_is_told(
    contracted: FactorSet,
) -> None:
    stored = MODEL.replace("[nodes.n]", '[stores.tank]\ncarrier = "electricity"\n[nodes.n]')
    model = parse_model(stored, "model")
    problem = dict(doubts(model, contracted, load_method("gbt24067")))["stores.tank"]
    assert problem.startswith("what it gives of grid weighs as in the hour in which it is given")
    assert "stores.tank" not in dict(doubts(model, SHIPPED, load_method("gbt24067")))
