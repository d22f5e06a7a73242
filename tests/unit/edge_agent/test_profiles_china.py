"""Which statements a DL/T 645 or CJ/T 188 profile may not make, and what those that ship promise."""

import pytest

from edge_agent import profiles
from edge_agent.profiles import cjt188, dlt645
from edge_agent.protocols import bcd
from edge_agent.protocols import cjt188 as cjt188_codec
from wire.errors import ProfileError
from wire.quantities import QUANTITIES

ALL = {name: profiles.load(name, allow_unverified=True) for name in profiles.names()}
DLT645 = {name: p for name, p in ALL.items() if isinstance(p, dlt645.Profile)}
CJT188 = {name: p for name, p in ALL.items() if isinstance(p, cjt188.Profile)}

METER = """
protocol = "dlt645"
vendor = "V"
model = "M"
grade = "A"
source = "manual"
number = "04000402"
[registers]
active_energy_import = { di = "00010000", as = "XXXXXX.XX", scale = "0.01", unit = "kWh" }
active_power = { di = "02030000", as = "-XX.XXXX", scale = "0.1", unit = "W" }
[blocks]
0203FF00 = ["active_power"]
[[freezes]]
every = "hour"
depth = 254
time = "05040001"
counters = { active_energy_import = "05040101" }
"""
HEAT = """
protocol = "cjt188"
vendor = "V"
model = "M"
grade = "A"
source = "manual"
kind = "20"
layout = "XXXXXX.XXU XXXX.XX BB"
[registers]
heat_energy = { field = 0, unit = "kWh", decimals = 3 }
"""


def test_the_kinds_promised_are_there() -> None:
    assert set(DLT645) >= {"dlt645_2007", "dlt645_2007_single_phase", "dlt645_1997"}
    assert set(CJT188) >= {"cjt188_water", "cjt188_heat", "cjt188_heat_unit_first", "cjt188_gas"}


@pytest.mark.parametrize("name", DLT645)
def test_what_a_dlt645_meter_measures_is_the_secondary_side(name: str) -> None:
    for quantity, register in DLT645[name].registers.items():
        by_ratio = QUANTITIES[quantity].unit not in ("1", "Hz")
        assert register.secondary == by_ratio
        assert bcd.size(register.as_) <= 4
        if QUANTITIES[quantity].cumulative:
            assert register.modulus == "1000000"


@pytest.mark.parametrize("name", DLT645)
def test_a_line_as_the_standard_has_it(name: str) -> None:
    profile = DLT645[name]
    serial = profile.serial
    assert serial is not None
    assert (serial.baud, serial.parity) == ({"2007": 2400, "1997": 1200}[profile.edition], "E")


def test_the_layouts_of_the_kinds_are_those_of_the_codec() -> None:
    assert CJT188["cjt188_water"].layout == cjt188_codec.WATER_LAYOUT
    assert CJT188["cjt188_gas"].layout == cjt188_codec.WATER_LAYOUT
    assert CJT188["cjt188_heat"].layout == cjt188_codec.HEAT_LAYOUT
    assert CJT188["cjt188_cooling"].layout == cjt188_codec.HEAT_LAYOUT


@pytest.mark.parametrize("name", CJT188)
def test_a_meter_whose_answer_names_the_unit_has_no_modulus(name: str) -> None:
    """Where its counter starts again at 0 depends on the unit it was set to."""
    for register in CJT188[name].registers.values():
        assert register.modulus is None
        assert register.decimals is not None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"00010000"', '"9010"'), "p: registers.active_power: di must be eight hex digits"),
        (('"00010000"', '"0001000g"'), "p: registers.active_energy_import: di must be"),
        (('"00010000"', '"02030000"'), "p: registers.active_power: 02030000 is active_energy_import"),
        (("XXXXXX.XX", "XXXXX.XX"), "as must be a picture of an even number of digits"),
        (("XXXXXX.XX", "YYMMDD"), "as must be a picture of an even number of digits"),
        (('"0.01"', '"0.1"'), "scale is what the last digit is worth: 0.01, or 10"),
        (("0203FF00", "02030000"), "p: blocks.02030000: must be an identifier of its own"),
        (('["active_power"]', '["flow"]'), "p: blocks.0203FF00: flow is no register"),
        (('"04000402"', '"C032"'), "p: number: must be an identifier, as the registers'"),
        (("254", "255"), "p: freezes[0]: depth must be 1 to 254"),
        (('"05040001"', '"05040000"'), "05040000 must be an identifier that ends in 01"),
        (("{ active_energy_import =", "{ active_power ="), "active_power is no counter"),
        (("source =", "min_gap_ms = -1\nsource ="), "p: min_gap_ms: cannot be negative"),
        (("source =", "baud = 1\nsource ="), "p: baud: is not a known key"),
    ],
)  # fmt: skip
def test_a_dlt645_statement_that_cannot_be_true_is_refused(
    change: tuple[str, str], message: str
) -> None:
    assert isinstance(profiles.parse(METER, "p"), dlt645.Profile)
    assert change[0] in METER
    with pytest.raises(ProfileError) as refused:
        profiles.parse(METER.replace(*change), "p")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"20"', '"2"'), "p: kind: must be two hex digits"),
        (("XXXX.XX BB", "UXXXX.XXU BB"), "p: layout: UXXXX.XXU is no picture"),
        (("XXXX.XX BB", "XXX.XX BB"), "p: layout: XXX.XX is no picture"),
        (("field = 0", "field = 2"), "p: registers.heat_energy: field must be that of a number"),
        (("field = 0", "field = -1"), "p: registers.heat_energy: field must be that of a number"),
        ((", decimals = 3", ""), "p: registers.heat_energy: decimals is missing"),
        (("decimals", 'modulus = "9", decimals'), "scale and modulus cannot be told"),
        (('kind = "20"', 'kind = "20"\ndi = "1F"'), "p: di: must be four hex digits"),
    ],
)  # fmt: skip
def test_a_cjt188_statement_that_cannot_be_true_is_refused(
    change: tuple[str, str], message: str
) -> None:
    assert isinstance(profiles.parse(HEAT, "p"), cjt188.Profile)
    assert change[0] in HEAT
    with pytest.raises(ProfileError) as refused:
        profiles.parse(HEAT.replace(*change), "p")
    assert message in str(refused.value)
