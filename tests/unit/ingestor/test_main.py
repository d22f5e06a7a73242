"""What a person who types `ingestor` sees."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ingestor import __main__ as program
from tests.unit.ingestor.test_config import sample
from wire.signing import SigningKey

WORDS = (
    "run",
    "check",
    "key",
    "doctor",
    "project",
    "reconcile",
    "journal",
    "quarantine",
    "segment",
)


def typed(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["ingestor", *words])
    return program.main()


@pytest.mark.parametrize("word", WORDS)
def test_the_help_of_every_word_shows_how_to_type_it_either_way(
    word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        typed(monkeypatch, word, "--help")
    examples = capsys.readouterr().out.partition("examples:\n")[2].splitlines()
    assert any(line.startswith(f"  ingestor {word}") for line in examples)
    assert any(re.match(rf"  wattprint (ingestor )?{word}", line) for line in examples)


def test_a_good_configuration_is_said_to_be_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = sample(tmp_path)
    assert typed(monkeypatch, "check", "--config", str(path)) == 0
    assert capsys.readouterr().out == f"{path}: good: 1 gateway; sinks: embedded\n"


def test_a_change_of_the_receipt_key_that_is_cut_short_leaves_one_that_gateways_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, key = str(sample(tmp_path)), tmp_path / "receipt.key"
    monkeypatch.chdir(tmp_path)
    current = SigningKey.load_or_create(key).public.id
    assert typed(monkeypatch, "keys", "rotate", "--config", path) == 0

    rename = Path.rename

    def cut_short(file: Path, target: Path) -> Path:
        if file.name.endswith(".next"):
            raise KeyboardInterrupt
        return rename(file, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", cut_short)
        with pytest.raises(KeyboardInterrupt):
            typed(patch, "keys", "rotate", "--now", "--config", path)
    assert key.exists()
    assert SigningKey.load_or_create(key).public.id == current
    coming = SigningKey.load_or_create(tmp_path / "receipt.key.next").public.id
    assert typed(monkeypatch, "keys", "rotate", "--now", "--config", path) == 0
    assert SigningKey.load_or_create(key).public.id == coming
    assert SigningKey.load_or_create(tmp_path / f"receipt.key.{current}").public.id == current


@pytest.mark.parametrize("program", ["ingestor", "simulators", "edge_agent"])
def test_a_library_that_is_not_installed_is_one_line_and_names_the_extra(program: str) -> None:
    missing = {"ingestor": "numpy", "simulators": "paho", "edge_agent": "paho"}[program]
    done = without(program, missing)
    name, extra = {
        "ingestor": ("ingestor", "ingestor"),
        "simulators": ("plant-sim", "sim"),
        "edge_agent": ("edge-agent", "edge"),
    }[program]
    said = f"{name}: {missing} is not installed here; install wattprint[{extra}]\n"
    assert (done.returncode, done.stderr) == (2, said)


@pytest.mark.parametrize("program", ["ingestor", "simulators", "edge_agent"])
def test_a_missing_module_of_our_own_is_a_bug_and_not_a_missing_extra(program: str) -> None:
    done = without(program, "wire.quantities")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def without(program: str, module: str) -> "subprocess.CompletedProcess[str]":
    """`python -m program --help` where `module` cannot be imported."""
    code = (
        f"import runpy, sys; sys.modules[{module!r}] = None; sys.argv = ['x', '--help'];"
        f" runpy.run_module({program!r}, run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
