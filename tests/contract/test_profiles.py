"""What every meter profile promises, and which statements none may make."""

from pathlib import Path

import pytest

from edge_agent import profiles
from edge_agent.registers import plan
from wire.errors import ProfileError
from wire.quantities import QUANTITIES

NAMES = profiles.names()

GOOD = """
vendor = "V"
model = "M"
grade = "A"
source = "manual"
[limits]
max_words = 20
even = true
[registers]
active_power = { at = 0, as = "f32", unit = "W", decimals = 1 }
"""


def test_the_meters_promised_are_there() -> None:
    assert set(NAMES) >= {
        "abb_b23",
        "acrel_adl400",
        "carlo_gavazzi_em24_din",
        "chint_dtsu666",
        "eastron_sdm120",
        "eastron_sdm630",
        "eastron_sdm72d_m_v2",
        "inepro_pro380",
        "schneider_iem3155",
        "siemens_pac2200",
        "siemens_pac3200",
    }


@pytest.mark.parametrize("name", NAMES)
def test_it_loads_and_counts_energy_and_names_its_source(name: str) -> None:
    profile = profiles.load(name, allow_unverified=True)
    assert "active_energy_import" in profile.registers
    assert "active_power" in profile.registers
    assert len(profile.source) > 10
    assert plan(profile, profile.registers)


@pytest.mark.parametrize("name", NAMES)
def test_every_cumulative_register_counts_finely_enough(name: str) -> None:
    profile = profiles.load(name, allow_unverified=True)
    for quantity, register in profile.registers.items():
        if QUANTITIES[quantity].cumulative:
            step = profiles.factor(quantity, register)
            digits = register.decimals
            assert digits is None or digits >= 3, "a float keeps at least a thousandth"
            assert digits is not None or step <= 1, "a step is at most one unit"


@pytest.mark.parametrize("name", [n for n in NAMES if n.startswith("eastron")])
def test_no_eastron_total_is_read(name: str) -> None:
    """What 342 adds up is a setting of the meter (SDM120 protocol document, register 63776)."""
    profile = profiles.load(name)
    assert not {342, 344} & {r.at for r in profile.registers.values()}
    assert profile.registers["active_energy_import"].at == 72
    assert profile.limits.even
    assert profile.limits.max_words <= 60


@pytest.mark.parametrize("name", ["siemens_pac2200", "siemens_pac3200"])
def test_a_pac_energy_is_both_tariffs_and_its_frequency_straddles_nothing(name: str) -> None:
    registers = profiles.load(name).registers
    energies = {q: r for q, r in registers.items() if QUANTITIES[q].cumulative}
    assert len(energies) == 5
    for register in energies.values():
        assert register.starts == (register.at, register.at + 4)
        assert register.as_ == "f64"
    assert registers["frequency"].at == 55


def test_an_em24_is_asked_for_its_total_not_for_the_counter_anyone_can_reset() -> None:
    profile = profiles.load("carlo_gavazzi_em24_din")
    assert profile.registers["active_energy_import"].at == 62
    assert profile.registers["active_energy_export"].optional
    assert profile.limits.max_words == 11


def test_every_abb_register_has_its_marker_for_not_measured() -> None:
    registers = profiles.load("abb_b23").registers.values()
    assert all(
        r.sentinel == ("7fff" if r.as_[0] == "i" else "ffff").ljust(4 * r.size, "f")
        for r in registers
    )


def test_everything_electrical_of_an_adl400_is_secondary() -> None:
    registers = profiles.load("acrel_adl400").registers
    primary = {q for q, r in registers.items() if not r.secondary}
    assert {QUANTITIES[q].unit for q in primary} == {"Hz", "1"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("vendor =", "vender ="), "p: vender: is not a known key"),
        (('"A"', '"S"'), "p: grade: Invalid enum value 'S'"),
        (("active_power", "active_powr"), "p: registers.active_powr: no such quantity"),
        (('"W"', '"Wh"'), "p: registers.active_power: unit Wh cannot become W"),
        (('"W"', '"kW"'), "p: registers.active_power: unit kW cannot become W"),
        (("at = 0", "at = 1"), "p: registers.active_power: odd address, but limits.even = true"),
        (("at = 0", "at = 65535"), "p: registers.active_power: at must lie in 0 to 65535"),
        ((", decimals = 1", ""), "p: registers.active_power: decimals is missing"),
        (("max_words = 20", "max_words = 1"), "spans 2 registers, one request carries 1"),
        (("max_words = 20", "max_words = 126"), "p: limits.max_words: must be 1 to 125"),
        (("decimals = 1", 'decimals = 1, sentinel = "fff"'), "sentinel must be 8 hex digits"),
        (("decimals = 1", 'decimals = 1, scale = "a"'), "scale must be a positive decimal"),
        (("decimals = 1", 'decimals = 1, scale = "0.0"'), "scale must be a positive decimal"),
        (("decimals = 1", 'decimals = 1, modulus = "9"'), "modulus is for cumulative quantities"),
        (('"f32"', '"string"'), "length is for bcd and string, which need it"),
        (("decimals = 1", "decimals = 1, length = 2"), "length is for bcd and string"),
        (("decimals = 1", "decimals = 1, plus = [{ at = 40 }]"), "spans 42 registers"),
        (("decimals = 1", "decimals = 1, color = 2"), "p: registers.active_power: color: is not a known key"),
        (
            ("[registers]", '[registers]\nfrequency = { at = 0, as = "u32", unit = "Hz" }'),
            "p: registers.frequency: overlaps registers.active_power at 0",
        ),
        (
            ("[registers]", '[identity]\nserial = { at = 0, as = "u32" }\n[registers]'),
            "p: registers.active_power: overlaps identity.serial at 0",
        ),
        (('active_power = { at = 0, as = "f32", unit = "W", decimals = 1 }', ""), "p: registers"),
    ],
)  # fmt: skip
def test_a_statement_that_cannot_be_true_is_refused_by_file_and_key(
    change: tuple[str, str], message: str
) -> None:
    assert change[0] in GOOD
    with pytest.raises(ProfileError) as refused:
        profiles.parse(GOOD.replace(*change), "p")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_unverified_profile_must_be_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(GOOD.replace('"A"', '"C"'))
    with pytest.raises(ProfileError, match="grade: C means a single source"):
        profiles.load(str(file))
    assert profiles.load(str(file), allow_unverified=True).grade == "C"


def test_a_profile_may_live_in_someone_elses_package() -> None:
    assert profiles.load("edge_agent.profiles.abb_b23") == profiles.load("abb_b23")


@pytest.mark.parametrize("name", ["nosuch", "no.such.package", "no/such.toml"])
def test_a_profile_that_is_not_there_says_how_to_name_one(name: str) -> None:
    with pytest.raises(
        ProfileError, match=r"no such profile; a name of `edge-agent profiles list`"
    ):
        profiles.load(name)
