"""What `edge-agent check` says of the time a bus has."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent import __main__ as program
from edge_agent import profiles
from edge_agent.config import Metered
from edge_agent.drivers import Wanted, modbus
from edge_agent.field import budget
from edge_agent.field.budget import Budget
from edge_agent.profiles import Profile
from wire.signing import SigningKey

HEAD = """
site = "cq"
gateway = "gw-1"
state = "state"
receipt_key_file = "receipt.key.pub"
[buses.line-a]
driver = "modbus"
transport = "rtu"
device = "line"
baud = {baud}
"""
METER = """
[meters.m-{n}]
bus = "line-a"
unit_id = {n}
profile = "{profile}"
rated_power_w = 1000
interval_s = {every}
"""
Checked = Callable[..., tuple[int, str, str]]


@pytest.fixture
def checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Checked:
    """Exit code, output and errors of `check` with so many meters on one line."""
    public = SigningKey.load_or_create(tmp_path / "receipt.key").public
    (tmp_path / "receipt.key.pub").write_text(f"{public}\n")
    monkeypatch.chdir(tmp_path)

    def check(
        meters: int,
        *words: str,
        baud: int = 9600,
        every: object = 1,
        profile: str = "eastron_sdm630",
    ) -> tuple[int, str, str]:
        tables = [METER.format(n=n + 1, every=every, profile=profile) for n in range(meters)]
        Path("agent.toml").write_text(HEAD.format(baud=baud) + "".join(tables))
        monkeypatch.setattr(sys, "argv", ["edge-agent", "check", "--config", "agent.toml", *words])
        code = program.main()
        said = capsys.readouterr()
        return code, said.out, said.err

    return check


# One request of registers 52 to 73, by hand: 8 + 5 + 44 characters of 10 bits at 9600, twice 3.5 times 11
# bits of silence, 20 ms until the meter begins.
ROUND_S = (8 + 5 + 44) * 10 / 9600 + 2 * 3.5 * 11 / 9600 + 0.02


def test_a_bus_with_time_to_spare_is_shown_with_its_share(checked: Checked) -> None:
    code, out, said = checked(4)
    assert (code, said) == (0, "")
    assert out.splitlines()[0] == "agent.toml: good: 4 meters on 1 bus"
    row = out.splitlines()[4].split()
    assert row == [
        "line-a",
        "4",
        "4",
        f"{4 * ROUND_S:.3g}",
        "s",
        "1",
        "s",
        f"{400 * ROUND_S:.0f}",
        "%",
    ]


def test_a_bus_that_cannot_hold_its_intervals_says_what_would_help(checked: Checked) -> None:
    code, out, said = checked(24)
    assert code == 1
    assert out.startswith(
        "agent.toml: 1 of 1 buses cannot hold their intervals: 24 meters on 1 bus"
    )
    assert said == (
        "edge-agent: line-a: 24 meters need 2.1 s a round, asked for every 1 s: raise baud to 57600"
        " (0.801 s), or interval_s to 3, or move 14 meters to another line\n"
    )


def test_json_has_the_same_and_the_same_exit_code(checked: Checked) -> None:
    code, out, said = checked(24, "--json")
    told = json.loads(out)
    assert (code, said, told["problems"]) == (1, "", [])
    (bus,) = told["buses"]
    assert (bus["bus"], bus["meters"], bus["holds"]) == ("line-a", 24, False)
    assert bus["round_s"] == pytest.approx(24 * ROUND_S, abs=0.001)
    assert bus["used_percent"] == pytest.approx(2400 * ROUND_S, abs=0.1)


def test_a_wrong_configuration_is_json_too(checked: Checked) -> None:
    code, out, said = checked(1, "--json", profile="nobody_knows")
    assert (code, said) == (2, "")
    assert json.loads(out)["buses"] == []
    assert "no such profile" in json.loads(out)["problems"][0]


def test_a_ratio_that_does_nothing_is_told(checked: Checked) -> None:
    code, _, said = checked(1, every='1\nct = "40"')
    assert code == 0
    assert said == (
        "edge-agent: agent.toml: meters.m-1: ct and pt have no effect: this model shows values of the"
        " primary side itself\n"
    )


def meter(n: int, every_s: float, profile: Profile | None = None) -> Metered:
    model = profile or profiles.load("eastron_sdm630")
    wanted = Wanted(f"m{n}", model, modbus.Address(unit_id=n), ("active_power",))
    return Metered("line-a", round(1000 * every_s), wanted, {})


def of(
    meters: int, every_s: float, baud: int = 9600, boundary_s: int = 900, **line: object
) -> Budget:
    """The budget of a line with so many equal meters."""
    named = {f"m{n}": meter(n, every_s) for n in range(1, meters + 1)}
    settings = modbus.Settings(transport="rtu", device="x", baud=baud, **line)  # type: ignore[arg-type]
    return budget.budget("line-a", modbus, settings, named, boundary_s)


def test_every_cure_alone_makes_the_bus_fit() -> None:
    full = of(30, 1)
    assert not full.holds
    faster, slower, fewer = (str(cure) for cure in full.cures)
    baud = int(faster.split()[3])
    assert faster == f"raise baud to {baud} ({of(30, 1, baud).round_s:.3g} s)"
    assert of(30, 1, baud).used <= budget.COMFORTABLE < of(30, 1, baud // 2).used
    every_s = float(slower.removeprefix("interval_s to "))
    assert of(30, every_s).used <= budget.COMFORTABLE < of(30, every_s - 1).used
    moved = int(fewer.split()[1])
    assert of(30 - moved, 1).used <= budget.COMFORTABLE < of(30 - moved + 1, 1).used


def test_a_boundary_that_is_no_slot_is_one_more_read() -> None:
    assert of(1, 10).used == pytest.approx(of(1, 10).round_s / 10)
    assert of(1, 7, boundary_s=60).used == pytest.approx(of(1, 7).round_s * (1 / 7 + 1 / 60))


def test_a_bus_that_is_nearly_full_is_told_to_be() -> None:
    tight = next(b for n in range(1, 99) if (b := of(n, 1)).used > budget.COMFORTABLE)
    assert tight.holds
    assert "it holds only while every meter is prompt" in str(tight.verdict)


def test_over_tcp_no_speed_helps() -> None:
    named = {f"m{n}": meter(n, 1) for n in range(1, 100)}
    settings = modbus.Settings(transport="tcp", host="gateway")
    full = budget.budget("gateway", modbus, settings, named, 900)
    assert [str(cure).split()[0] for cure in full.cures] == ["interval_s", "move"]


RESTS = """
vendor = "V"
model = "M"
grade = "A"
source = "made for this test"
limits = { min_gap_ms = 500, max_words = 2 }
[registers]
active_power = { at = 0, as = "u16", unit = "W" }
reactive_power = { at = 100, as = "u16", unit = "var" }
"""


def test_a_meters_rest_is_no_time_of_the_bus_but_bounds_its_own_pace() -> None:
    model = profiles.parse(RESTS, "made")
    wanted = Wanted("slow", model, modbus.Address(unit_id=1), tuple(model.meanings))
    settings = modbus.Settings(transport="rtu", device="x", baud=9600)
    meters = {"slow": Metered("line-a", 500, wanted, {})}
    found = budget.budget("line-a", modbus, settings, meters, 900)
    assert found.used < 0.25
    assert not found.holds
    assert str(found.verdict).startswith("line-a: slow alone takes 1.0")
    assert str(found.verdict).endswith("raise its interval_s to 2")


def test_on_a_full_bus_a_slow_meter_is_no_cure() -> None:
    full = of(30, 0.02)
    assert full.slow
    assert not any("alone" in str(cure) for cure in full.cures)


def test_the_meters_that_take_most_of_the_time_are_moved_first() -> None:
    """Not those that take longest once: one long round an hour is nothing."""
    model = profiles.load("eastron_sdm630")
    wanted = Wanted("long", model, modbus.Address(unit_id=99), tuple(model.meanings))
    named = {"long": Metered("line-a", 3_600_000, wanted, {})}
    named |= {f"m{n}": meter(n, 1) for n in range(1, 31)}
    settings = modbus.Settings(transport="rtu", device="x", baud=9600)
    *_, fewer = budget.budget("line-a", modbus, settings, named, 900).cures
    assert str(fewer) == str(of(30, 1).cures[-1])


def test_shares_are_rounded_so_that_little_is_not_nothing() -> None:
    assert [budget.percent(share) for share in (0.001, 0.0949, 0.5, 2.1)] == [
        "0.1 %",
        "9.5 %",
        "50 %",
        "210 %",
    ]
