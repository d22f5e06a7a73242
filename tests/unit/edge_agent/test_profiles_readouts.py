"""Statements no profile of an M-Bus or IEC 62056-21 meter can make."""

import typing

import pytest

from edge_agent import profiles
from edge_agent.profiles import mbus as shape
from edge_agent.profiles.iec62056_21 import Profile as IecProfile
from edge_agent.profiles.mbus import Identity
from edge_agent.protocols import iec62056_21 as iec
from edge_agent.protocols import mbus_vif
from wire.errors import ProfileError

MBUS = """
protocol = "mbus"
vendor = "V"
model = "M"
grade = "A"
source = "manual"
[identity]
manufacturer = "KAM"
[registers]
heat_energy = { kind = "energy", unit = "kWh", decimals = 6 }
active_energy_import = { kind = "energy", tariff = 1, plus = [{ tariff = 2 }], unit = "kWh", decimals = 6 }
"""
IEC = """
protocol = "iec62056_21"
vendor = "V"
model = "M"
grade = "A"
source = "manual"
wake_up = 40
[registers]
active_energy_import = { code = "1.8.1", plus = ["1.8.2"], unit = "kWh", decimals = 6 }
active_energy_export = { code = "2.8.0", unit = "kWh", decimals = 6 }
"""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('kind = "energy", unit', 'kind = "enrgy", unit'), "registers.heat_energy: no such kind 'enrgy'; known: energy"),
        (('unit = "kWh", decimals = 6 }\nactive', 'unit = "MWh", decimals = 6 }\nactive'), "unit of energy is kWh or kvarh or kVAh"),
        ((', decimals = 6 }\nactive', ' }\nactive'), "registers.heat_energy: decimals is missing: the meter may change its step"),
        (("tariff = 1", "tariff = -1"), "storage, tariff and subunit cannot be negative"),
        (("{ tariff = 2 }", "{ tariff = 1 }"), "registers.active_energy_import: adds a record to itself"),
        (("{ tariff = 2 }", "{}"), "registers.active_energy_import: is the same record as registers.heat_energy"),
        (('kind = "energy", unit', 'kind = "energy", qualifiers = "fF1", unit'), "qualifiers are pairs of lower-case hex digits"),
        (('"KAM"', '"Kam"'), "identity.manufacturer: is three capital letters"),
        (('kind = "energy", unit', 'kind = "energy", at = 5, unit'), "registers.heat_energy: at: is not a known key"),
        (('"KAM"', '"KAM"\nmedia = ["wine"]'), "p: identity.media[0]: Invalid enum value 'wine'"),
    ],
)  # fmt: skip
def test_an_mbus_statement_that_cannot_be_true(change: tuple[str, str], message: str) -> None:
    _refused(MBUS, change, message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"2.8.0"', '"1.8.2"'), "registers.active_energy_export: 1.8.2 is also in registers.active_energy_import"),
        (('["1.8.2"]', '["1.8.1"]'), "registers.active_energy_import: 1.8.1 is also in registers.active_energy_import"),
        (('"2.8.0"', '"2.8.0(kWh)"'), "registers.active_energy_export: no code of a value"),
        (('"2.8.0"', '""'), "registers.active_energy_export: no code of a value"),
        (('"2.8.0", unit = "kWh", decimals = 6', '"2.8.0", unit = "kWh"'), "decimals is missing"),
        (("wake_up = 40", "wake_up = 256"), "wake_up: must be 0 to 255"),
        (("[registers]", '[identity]\nmanufacturer = "L+G"\n[registers]'), "identity.manufacturer: is three letters"),
    ],
)  # fmt: skip
def test_a_statement_about_a_read_out_that_cannot_be_true(
    change: tuple[str, str], message: str
) -> None:
    _refused(IEC, change, message)


def _refused(text: str, change: tuple[str, str], message: str) -> None:
    profiles.parse(text, "p")
    assert change[0] in text
    with pytest.raises(ProfileError) as refused:
        profiles.parse(text.replace(*change, 1), "p")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_profile_reads_kinds_in_the_units_the_codec_gives() -> None:
    tables = (*mbus_vif._PRIMARY.values(), *mbus_vif._FB.values(), *mbus_vif._FD.values())
    given = {meaning.kind: meaning.unit for meaning in tables}
    for kind, units in shape.UNITS.items():
        assert units[0] == (given[kind] or "1")
    assert set(typing.get_args(shape.Medium)) <= set(mbus_vif.MEDIA.values())


def test_every_unit_of_a_read_out_is_known() -> None:
    for name in profiles.names():
        profile = profiles.load(name, allow_unverified=True)
        if isinstance(profile, IecProfile):
            assert all(iec.ratio("", r.unit) is None for r in profile.registers.values())
            assert all(r.unit in iec._UNITS for r in profile.registers.values())


def test_who_fits() -> None:
    kamstrup = Identity("KAM", (8,), ("heat",))
    assert kamstrup.fits("KAM", 8, "heat")
    assert not kamstrup.fits("KAM", 9, "heat")
    assert not kamstrup.fits("KAM", 8, "water")
    assert Identity().fits("ACW", 20, "gas")
    assert str(kamstrup) == "KAM, 8, heat"
    assert str(Identity(media=("heat", "cooling"))) == "any maker, any version, heat or cooling"


def test_where_a_register_stands_is_said_in_words() -> None:
    profile = profiles.parse(MBUS, "p")
    assert profile.meanings["active_energy_import"].where == "energy, tariff 1 + tariff 2"
    exported = profiles.load("abb_b23_mbus").meanings["active_energy_export"]
    assert exported.where == "energy, total of unit 1"
    assert list(profile.rules()) == ["says of itself: KAM, any version, any medium"]
    assert profiles.parse(IEC, "p").meanings["active_energy_import"].where == "1.8.1 + 1.8.2"
