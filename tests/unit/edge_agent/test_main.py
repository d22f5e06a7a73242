"""What a person who types `edge-agent` sees."""

import fcntl
import os
import pty
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import serial

from edge_agent import __main__ as program
from wire.signing import SigningKey

AGENT = """
site = "cq"
gateway = "gw-1"
state = "state"
receipt_key_file = "receipt.key.pub"
[broker]
port = 1883
[buses.line-a]
driver = "modbus"
transport = "rtu"
device = "line"
[meters.m]
bus = "line-a"
unit_id = 1
profile = "eastron_sdm630"
rated_power_w = 1000
"""
Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Typed:
    """Exit code, output and errors of a command, in a folder with `AGENT` as its agent.toml."""
    monkeypatch.chdir(tmp_path)
    public = SigningKey.load_or_create(tmp_path / "receipt.key").public
    Path("receipt.key.pub").write_text(f"{public}\n")

    def type_(*words: str, old: str = "", new: str = "") -> tuple[int, str, str]:
        assert old in AGENT
        Path("agent.toml").write_text(AGENT.replace(old, new) if old else AGENT)
        monkeypatch.setattr(sys, "argv", ["edge-agent", *words])
        code = program.main()
        said = capsys.readouterr()
        return code, said.out, said.err

    return type_


def test_a_second_agent_with_the_same_state_is_refused(typed: Typed) -> None:
    Path("state").mkdir()
    first = os.open("state", os.O_RDONLY)
    fcntl.flock(first, fcntl.LOCK_EX)  # as the running agent has it
    code, _, said = typed("run", "--config", "agent.toml")
    os.close(first)
    assert (code, said) == (
        2,
        "edge-agent: state: another agent runs with this state; stop that first\n",
    )


def test_a_line_somebody_else_reads_is_said_to_be_in_use(typed: Typed) -> None:
    master, slave = pty.openpty()
    Path("line").symlink_to(os.ttyname(slave))
    with serial.Serial(os.ttyname(slave), exclusive=True):  # as the running agent has it
        code, _, said = typed("read", "m")
    os.close(master)
    os.close(slave)
    assert code == 1
    assert said == (
        "edge-agent: line cannot be opened: the line is in use, perhaps by the running agent;"
        " stop that, or read a meter on another bus\n"
    )


def test_a_line_that_is_not_there_is_said_not_to_be_there(typed: Typed) -> None:
    code, _, said = typed("read", "m")
    assert code == 1
    assert said.startswith("edge-agent: line cannot be opened: there is no such line; ")
    assert "Errno" not in said


def test_a_good_configuration_is_said_to_be_good(typed: Typed) -> None:
    code, out, said = typed("check", "--config", "agent.toml")
    assert (code, said) == (0, "")
    assert out.startswith("agent.toml: good: 1 meter on 1 bus\n")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("port = 1883", "port = 0", "broker.port: Expected `int` >= 1"),
        ('"modbus"', '"modbuss"', "buses.line-a.driver: there is no driver 'modbuss'; known: "),
        ('"rtu"', '"tcp"\nhost = "h"\nport = 99999', "buses.line-a.port: Expected `int` <= 65535"),
        (
            "eastron_sdm630",
            "eastron_sdm63",
            "meters.m.profile: eastron_sdm63: no such profile; ",
        ),
    ],
)
def test_a_value_that_cannot_be_is_one_line_with_file_and_key(
    typed: Typed, old: str, new: str, says: str
) -> None:
    code, out, said = typed("check", "--config", "agent.toml", old=old, new=new)
    assert (code, out) == (2, "")
    assert said.startswith(f"edge-agent: agent.toml: {says}")
    assert said.count("\n") == 1
    assert "Errno" not in said


def test_an_unknown_profile_is_answered_with_near_names(typed: Typed) -> None:
    _, _, said = typed("check", "--config", "agent.toml", old="eastron_sdm630", new="eastron_sdm63")
    assert re.search(r"did you mean eastron_sdm630 or eastron_sdm\w+ or \w+\?$", said.strip())


@pytest.mark.parametrize("word", ["run", "key", *program._FIELD])
def test_the_help_of_every_word_shows_how_to_type_it_either_way(
    word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["edge-agent", word, "--help"])
    with pytest.raises(SystemExit, match="0"):
        program.main()
    examples = capsys.readouterr().out.partition("examples:\n")[2].splitlines()
    assert any(line.startswith(f"  edge-agent {word}") for line in examples)
    assert any(re.match(rf"  wattprint (edge-agent )?{word}", line) for line in examples)
