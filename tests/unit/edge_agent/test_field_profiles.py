"""What an installer is told of meter models."""

import argparse

import pytest

from edge_agent import profiles
from edge_agent.field import profiles as command
from wire.errors import ProfileError

Out = pytest.CaptureFixture[str]


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(words))


def listed(out: Out, *words: str) -> dict[str, list[str]]:
    """The lines of a list by profile, as cells."""
    assert run("list", *words) == 0
    table, _, _ = out.readouterr().out.partition("\n\n")
    return {line.split()[0]: line.split() for line in table.splitlines()[2:]}


def test_every_profile_is_listed_with_protocol_grade_and_how_much_it_tells(capsys: Out) -> None:
    lines = listed(capsys)
    assert list(lines) == profiles.names()
    shown = ["Eastron", "SDM120-Modbus", "modbus", "A", "11", "2400", "8N1"]
    assert lines["eastron_sdm120"][1:] == shown


def test_the_list_says_how_many_and_what_grade_c_means(capsys: Out) -> None:
    run("list")
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(f"{len(profiles.names())} models. Grade C needs allow_unverified")


@pytest.mark.parametrize(
    ("words", "name", "other"),
    [
        (("Schneider",), "schneider_iem3155", "siemens_pac2200"),
        (("electric", "pm5110"), "schneider_pm5110", "schneider_iem3155"),
        (("water",), "siemens_mag6000", "siemens_pac2200"),
        (("natural_gas",), "fuxin_gas_corrector", "siemens_mag6000"),
        (("modbus", "air_normal_volume"), "suto_s401", "fuxin_gas_corrector"),
    ],
)
def test_words_leave_those_that_have_them_all(
    words: tuple[str, ...], name: str, other: str, capsys: Out
) -> None:
    lines = listed(capsys, *words)
    assert name in lines
    assert other not in lines


def test_words_that_nobody_has_are_said_to_be_had_by_nobody() -> None:
    with pytest.raises(ProfileError, match=r"no profile has water and diesel; `edge-agent"):
        run("list", "water", "diesel")


@pytest.mark.parametrize("name", profiles.names())
def test_every_profile_is_shown_with_its_sources_and_every_quantity(name: str, capsys: Out) -> None:
    assert run("show", name) == 0
    shown = capsys.readouterr().out
    profile = profiles.load(name, allow_unverified=True)
    assert f"\ngrade {profile.grade}: " in shown
    assert all(source.strip() in shown for source in profile.source.split(";"))
    assert all(f"\n{quantity} " in shown for quantity in profile.meanings)
    assert f'  profile = "{name}"\n' in shown
    assert ("allow_unverified = true" in shown) == (profile.grade == "C")


def test_what_a_meter_tells_of_the_secondary_side_wants_its_ratios(capsys: Out) -> None:
    run("show", "acrel_adl400")
    assert '  ct = "40"' in capsys.readouterr().out
    run("show", "eastron_sdm120")
    assert "ct =" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("eastron_sdm120", "active_energy_import fc 4, 72, f32 0.001 kWh wraps at 1000000 kWh"),
        ("siemens_pac2200", "current_l1 fc 3, 13, f32 0.001 A"),
        ("carlo_gavazzi_em340", "frequency fc 4, 51, u16 0.1 Hz"),
        ("schneider_iem3155", "active_energy_import fc 3, 3203, i64 0.001 kWh"),
        ("socomec_diris_a10", "active_power fc 3, 50536, i32 10 W"),
    ],
)
def test_a_quantity_is_shown_with_its_place_and_its_step(name: str, line: str, capsys: Out) -> None:
    run("show", name)
    shown = [" ".join(row.split()) for row in capsys.readouterr().out.splitlines()]
    assert line in shown
