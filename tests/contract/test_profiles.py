"""What every meter profile promises, and which statements none may make."""

from fractions import Fraction
from pathlib import Path

import pytest

from edge_agent import profiles
from edge_agent.profiles import modbus
from edge_agent.registers import plan
from wire.errors import ProfileError
from wire.quantities import QUANTITIES

NAMES = profiles.names()
MODBUS = {
    name: profile
    for name in NAMES
    if isinstance(profile := profiles.load(name, allow_unverified=True), modbus.Profile)
}
SOURCES_AT_LEAST = {"A": 3, "A-": 2, "B+": 2, "B": 2, "C": 1}
SIGN = {"i16": 15, "u16": 16, "i32": 31, "u32": 32, "i64": 63, "u64": 64}

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
    verified = {name for name, profile in MODBUS.items() if profile.grade != "C"}
    assert len(verified) >= 25
    assert verified >= {
        "abb_b23",
        "acrel_adl400",
        "carlo_gavazzi_em24_din",
        "carlo_gavazzi_em24_e1",
        "carlo_gavazzi_em340",
        "chint_ddsu666",
        "chint_dtsu666",
        "eastron_sdm120",
        "eastron_sdm230",
        "eastron_sdm630",
        "eastron_sdm72d_m_v2",
        "inepro_pro380",
        "janitza_umg96rm",
        "schneider_iem3155",
        "siemens_pac2200",
        "siemens_pac3200",
        "socomec_countis_e34",
        "weidmueller_em525",
    }


@pytest.mark.parametrize("name", NAMES)
def test_it_counts_something_and_names_as_many_sources_as_its_grade_claims(name: str) -> None:
    profile = profiles.load(name, allow_unverified=True)
    counted = {q for q in profile.meanings if QUANTITIES[q].cumulative}
    assert counted
    if "active_energy_export" in counted:
        assert "active_energy_import" in counted
    sources = [source.strip() for source in profile.source.split(";")]
    assert all(len(source) > 10 for source in sources)
    assert len(sources) >= SOURCES_AT_LEAST[profile.grade]


@pytest.mark.parametrize("name", NAMES)
def test_a_single_source_is_refused_until_somebody_compared_it(name: str) -> None:
    if profiles.load(name, allow_unverified=True).grade != "C":
        profiles.load(name)
        return
    with pytest.raises(ProfileError, match="compare one reading"):
        profiles.load(name)


@pytest.mark.parametrize("name", MODBUS)
def test_every_quantity_alone_and_all_together_are_asked_for_within_the_limits(name: str) -> None:
    profile = MODBUS[name]
    limits = profile.limits
    alone = [block for quantity in profile.registers for block in plan(profile, [quantity])]
    assert len(alone) == len(profile.registers)
    for block in (*alone, *plan(profile, profile.registers)):
        assert 1 <= block.count <= limits.max_words
        assert not limits.even or (block.address % 2 == 0 and block.count % 2 == 0)
        assert block.address in {at for f in block.fields for at in f.register.starts}
    assert all(place.size <= limits.max_words for _, place in profile.identity.places())


@pytest.mark.parametrize("name", MODBUS)
def test_no_request_starts_or_ends_inside_a_value(name: str) -> None:
    """Some meters refuse that (PAC), and it is never meant."""
    profile = MODBUS[name]
    values = [(r.fc, at, r.size) for r in profile.registers.values() for at in r.starts]
    for quantity in profile.registers:
        (block,) = plan(profile, [quantity])
        edges = {block.address, block.address + block.count}
        if profile.limits.even:  # asked for one register more
            edges.discard(block.address + block.count)
        for fc, at, size in values:
            assert fc != block.fc or not edges & set(range(at + 1, at + size))


@pytest.mark.parametrize("name", NAMES)
def test_every_cumulative_register_counts_finely_enough(name: str) -> None:
    profile = profiles.load(name, allow_unverified=True)
    for quantity, meaning in profile.meanings.items():
        if QUANTITIES[quantity].cumulative:
            step = profiles.factor(quantity, meaning)
            digits = meaning.decimals
            assert digits is None or digits >= 3, "a float keeps at least a thousandth"
            assert digits is not None or step <= 1, "a step is at most one unit"


@pytest.mark.parametrize("name", MODBUS)
def test_a_counter_starts_again_where_its_register_can_still_stand(name: str) -> None:
    for quantity, register in MODBUS[name].registers.items():
        if register.modulus is None:
            continue
        modulus, scale = Fraction(register.modulus), Fraction(register.scale)
        assert register.modulus.rstrip("0") == "1", "a counter has so many decimal digits"
        assert modulus * profiles.factor(quantity, register) / scale >= 10_000
        if register.as_ in SIGN:
            assert modulus <= 2 ** SIGN[register.as_] * scale
        elif register.as_ == "bcd":
            assert modulus <= 10 ** (4 * register.size) * scale
        elif register.as_ == "f32":
            assert modulus / 2**24 <= Fraction(1, 10), "a float that counts coarser at its end"


@pytest.mark.parametrize("name", [n for n in NAMES if n.startswith("eastron")])
def test_no_eastron_total_is_read(name: str) -> None:
    """What 342 adds up is a setting of the meter (SDM120 protocol document, register 63776)."""
    profile = MODBUS[name]
    read = {r.at for r in profile.registers.values()}
    assert not {342, 344} & read
    assert not [at for at in read if 384 <= at < 400], "counters anyone can reset"
    assert profile.registers["active_energy_import"].at == 72
    assert profile.limits.even
    assert profile.limits.max_words <= 60


@pytest.mark.parametrize("name", ["siemens_pac2200", "siemens_pac3200"])
def test_a_pac_energy_is_both_tariffs_and_its_frequency_straddles_nothing(name: str) -> None:
    registers = MODBUS[name].registers
    energies = {q: r for q, r in registers.items() if QUANTITIES[q].cumulative}
    assert len(energies) == 5
    for register in energies.values():
        assert register.starts == (register.at, register.at + 4)
        assert register.as_ == "f64"
    assert registers["frequency"].at == 55


def test_an_em24_is_asked_for_its_total_not_for_the_counter_anyone_can_reset() -> None:
    profile = MODBUS["carlo_gavazzi_em24_din"]
    assert profile.registers["active_energy_import"].at == 62
    assert profile.registers["active_energy_export"].optional
    assert profile.limits.max_words == 11


def test_the_two_em24_have_two_maps_and_tell_themselves_apart() -> None:
    din, e1 = MODBUS["carlo_gavazzi_em24_din"], MODBUS["carlo_gavazzi_em24_e1"]
    assert e1.registers["active_energy_import"].at == 52
    assert e1.registers["frequency"].at == 51
    assert e1.identity.model is not None
    assert e1.identity.model.expect[0] == "1648"
    assert din.identity.serial != e1.identity.serial


def test_a_countis_is_asked_for_its_totals_not_for_its_partial_counters() -> None:
    """Socomec's tables: totals from 50770 and 50946, partial ones from 50780 and 50956."""
    read = {r.at for r in MODBUS["socomec_countis_e34"].registers.values()}
    assert {50946, 50952} <= read
    assert not read & {*range(50780, 50790), *range(50956, 50966)}


def test_a_dds238_is_not_asked_for_the_sum_of_import_and_export() -> None:
    assert MODBUS["hiking_dds238_2"].registers["active_energy_import"].at == 10


def test_every_abb_register_has_its_marker_for_not_measured() -> None:
    registers = MODBUS["abb_b23"].registers.values()
    assert all(
        r.sentinel == ("7fff" if r.as_[0] == "i" else "ffff").ljust(4 * r.size, "f")
        for r in registers
    )


def test_everything_electrical_of_an_adl400_is_secondary() -> None:
    registers = MODBUS["acrel_adl400"].registers
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
        (
            ("decimals = 1", 'decimals = 1, sentinel = "ffffffff", plus = [{ at = 2, as = "u16" }]'),
            "sentinel must be 4 hex digits",
        ),
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
