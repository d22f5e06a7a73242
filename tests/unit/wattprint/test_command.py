"""What a person meets first: the umbrella command, and `up` when something is in its way."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest


def wattprint(
    *arguments: str | Path, cwd: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "wattprint", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def kept(tmp_path):
    """A state directory of an earlier run, with its journal."""
    state = tmp_path / "state"
    state.mkdir()
    (state / ".wattprint-up").touch()
    (state / "journal.db").write_text("precious")
    return state


def test_a_busy_port_is_said_before_anything_is_deleted(kept):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        done = wattprint("up", "--state", kept, "--fresh", "--port", str(port))
    assert done.returncode == 2
    assert done.stderr == f"wattprint: port {port} is in use; choose another with --port\n"
    assert (kept / "journal.db").read_text() == "precious"


def test_a_directory_of_somebody_else_is_never_emptied(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    done = wattprint("up", "--state", tmp_path, "--fresh", "--port", "0")
    assert done.returncode == 2
    assert "is not a state directory of ours" in done.stderr
    assert (tmp_path / "thesis.txt").exists()


def test_two_on_one_state_are_refused(kept):
    import fcntl

    with (kept / ".wattprint-up").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = wattprint("up", "--state", kept, "--fresh", "--port", "0")
    assert done.returncode == 2
    assert "another `wattprint up` is running" in done.stderr
    assert (kept / "journal.db").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("up", "--port", "99999"), "from 0 to 65535"),
        (("up", "--for", "-3"), "above 0"),
        (("up", "--state", "/proc/nothing"), "cannot be used for --state"),
        (("bogus",), "there is no word 'bogus'; known: apikey, "),
    ],
)
def test_a_wrong_word_or_argument_is_one_line_without_traceback(arguments, words):
    done = wattprint(*arguments)
    assert done.returncode == 2
    assert words in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_the_version_is_the_distributions(root):
    done = wattprint("--version")
    assert done.returncode == 0
    version = done.stdout.split()[-1]
    assert f'version = "{version}"' in (root / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("words", "prog"),
    [
        (("compute",), "compute"),
        (("doctor",), "doctor"),
        (("profiles", "list"), ""),
        (("edge-agent",), "edge-agent"),
        (("ingestor",), "ingestor"),
        (("calc-stream",), "calc-stream"),
        (("plant-sim",), "plant-sim"),
    ],
)
def test_every_other_word_starts_the_package_that_owns_it(words, prog):
    done = wattprint(*words, "--help")
    assert done.returncode == 0, done.stderr
    assert prog in done.stdout
